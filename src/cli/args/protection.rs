//! The flags of `failover protection`. The doc comments are the help text. Must never hold a flag that writes over a file
//! or passes a contradiction.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `failover protection`.
#[derive(Debug, Clone, Subcommand)]
pub enum Protection {
    /// Show what is known: whose database, which chain, which keys, how far each has signed, and how long ago.
    ///
    /// Reads only. Exit 0 when every source could be read, 1 when one could not.
    Inspect(Inspect),
    /// Check everything: that it can be read to its end, is of one chain, and that no two messages in it are slashable.
    ///
    /// Exit 0 when nothing is wrong, 1 when anything is.
    Validate(Validate),
    /// Unite any number of sources into one interchange file that forgets nothing of any of them.
    ///
    /// Refuses, and writes nothing, when the sources prove that something slashable was signed, or are not of one chain.
    Merge(Merge),
    /// May B take over from A? Compares key by key what each has signed.
    ///
    /// Exit 0 when B covers A: whatever A may have signed, B refuses to sign against. Exit 1 when it does not: merge A
    /// into B first. Exit 1, too, when one of them cannot be read or it is not proven that both are of one chain.
    Diff(Diff),
    /// Write any source as an interchange file that every client imports.
    Convert(Convert),
}

/// The sources, wherever they are named.
const SOURCE: &str = "A client's database, its data directory or a backup of it (tar.gz), an interchange file \
                      (EIP-3076 JSON, also gzipped), `-` for standard input, or postgres://USER@HOST/DATABASE \
                      (Web3Signer). The validator that uses it must be stopped";

/// `failover protection inspect`.
#[derive(Debug, Clone, Args)]
pub struct Inspect {
    #[arg(required = true, value_name = "SOURCE", help = SOURCE)]
    pub sources: Vec<String>,
    /// List every key, and in full.
    #[arg(long)]
    pub keys: bool,
    /// For the age of what was signed.
    #[command(flatten)]
    pub clock: Clock,
}

/// What turns slots and epochs into time.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "How long ago")]
pub struct Clock {
    /// mainnet, sepolia, holesky, hoodi, gnosis or chiado. Not needed where the source names a chain that is known.
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Another network: Unix time of its genesis, in seconds.
    #[arg(long, value_name = "SECONDS", conflicts_with = "network", requires_all = ["seconds_per_slot", "slots_per_epoch"])]
    pub genesis_time: Option<u64>,
    /// Another network: seconds per slot (QRL: 60).
    #[arg(long, value_name = "SECONDS", requires = "genesis_time")]
    pub seconds_per_slot: Option<u64>,
    /// Another network: slots per epoch (QRL: 128).
    #[arg(long, value_name = "SLOTS", requires = "genesis_time")]
    pub slots_per_epoch: Option<u64>,
    /// Count up to this time, as 2026-11-22T03:45:00Z, instead of now.
    #[arg(long, value_name = "TIME")]
    pub at: Option<jiff::Timestamp>,
}

/// Which chain.
#[derive(Debug, Clone, Default, Args)]
pub struct Chain {
    /// The chain everything must be of: genesis validators root, 0x and 64 hex digits. It also vouches for sources that
    /// name no chain themselves: Lighthouse's database never does.
    #[arg(long, value_name = "ROOT")]
    pub genesis_validators_root: Option<String>,
}

/// `failover protection validate`.
#[derive(Debug, Clone, Args)]
pub struct Validate {
    #[arg(value_name = "SOURCE", help = SOURCE)]
    pub source: String,
    /// Which chain it must be of.
    #[command(flatten)]
    pub chain: Chain,
}

/// How much is written.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Strategy {
    /// One block and one attestation per key, the highest slot, source and target (the default). Every client imports it,
    /// and it is what a hand-over needs.
    #[arg(long, conflicts_with = "complete")]
    pub minimal: bool,
    /// Every message that is known, with its signing root. Large; for keeping, and for clients that keep everything.
    #[arg(long)]
    pub complete: bool,
}

/// `failover protection merge`.
#[derive(Debug, Clone, Args)]
pub struct Merge {
    #[arg(required = true, value_name = "SOURCE", help = SOURCE)]
    pub sources: Vec<String>,
    /// Where to write; must not exist. Written beside, synced and renamed, mode 0600.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// How much to write.
    #[command(flatten)]
    pub strategy: Strategy,
    /// Which chain they must be of.
    #[command(flatten)]
    pub chain: Chain,
}

/// `failover protection diff`.
#[derive(Debug, Clone, Args)]
pub struct Diff {
    #[arg(
        value_name = "A",
        help = "What has signed so far: any source that `inspect` takes"
    )]
    pub a: String,
    #[arg(value_name = "B", help = "What is to sign: any source that `inspect` takes")]
    pub b: String,
    /// List every key, and in full.
    #[arg(long)]
    pub keys: bool,
    /// Which chain they must be of.
    #[command(flatten)]
    pub chain: Chain,
}

/// `failover protection convert`.
#[derive(Debug, Clone, Args)]
pub struct Convert {
    #[arg(value_name = "SOURCE", help = SOURCE)]
    pub source: String,
    /// Where to write; must not exist. Written beside, synced and renamed, mode 0600.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// How much to write.
    #[command(flatten)]
    pub strategy: Strategy,
    /// Which chain it must be of.
    #[command(flatten)]
    pub chain: Chain,
}
