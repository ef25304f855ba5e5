//! (being built)

use super::Failure;
use super::args::{DemoArgs, Global};

/// (being built)
pub async fn demo(_: &Global, _: DemoArgs) -> Result<u8, Failure> {
    Err(Failure::usage("being built"))
}
