//! What is sent to a host. Must never carry what its sender learns later.

/// What is asked of a host and changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Batch {
    Claim,
    Bar,
    Stop,
    Pack,
    Archive,
    /// Floors (0: not named), into exactly the database that looks like this.
    Import {
        document: [u8; 2],
        into: [u8; 2],
    },
    PutBack,
    StartBackup,
    BarAndStop,
    Halt,
    Restore {
        enable: bool,
    },
    Release,
}

/// A batch that was given up and is still on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Late {
    pub host: u8,
    pub coord: u8,
    pub batch: Batch,
}

impl Batch {
    /// Whether the program asks it again when no answer comes (`Patience::Retry`).
    pub fn is_repeated(self) -> bool {
        match self {
            Batch::Claim | Batch::Bar | Batch::Stop | Batch::BarAndStop | Batch::Halt | Batch::Release => {
                true
            }
            Batch::Pack
            | Batch::Archive
            | Batch::Import { .. }
            | Batch::PutBack
            | Batch::StartBackup
            | Batch::Restore { .. } => false,
        }
    }
}
