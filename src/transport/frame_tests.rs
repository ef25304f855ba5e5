//! Tables and properties of the frame: what is quoted comes back whole, what is not a frame never becomes a reply.
