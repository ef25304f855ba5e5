//! `failover protection convert`: one source as an interchange file. The same work as a merge of one, with the same
//! refusals. Must never write what a merge would not.

use super::merge::Work;
use crate::cli::Failure;
use crate::cli::args::{Convert, Global};

/// Runs the command.
pub fn convert(global: &Global, args: &Convert) -> Result<u8, Failure> {
    let work = Work {
        schema: "failover.convert/1",
        output: &args.output,
        strategy: args.strategy,
        chain: &args.chain,
    };
    work.run(global, std::slice::from_ref(&args.source))
}
