//! Who stands where a question reaches a simulated host, and again where its answer leaves: sees every question, may hold it
//! or let it go no further. Only tests stand there; the demo has none. Must never change an answer.

use super::world::When;
use crate::transport::Op;

/// Stands between the coordinator's questions and the hosts.
#[async_trait::async_trait]
pub trait Gate: Send + Sync {
    /// A question to the host at a position: `Before` anything of it is carried out (what is asked is not known yet), or
    /// `After`, when all of it was and the answer is not complete; a fetch asks for no operation. False: it goes no further,
    /// as if its asker had been killed.
    async fn passes(&self, host: usize, when: When, asked: &[Op]) -> bool;
}
