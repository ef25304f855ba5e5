//! placeholder
use super::*;
pub fn open(_to: Destination) -> Result<std::sync::Arc<dyn Transport>, TransportError> { todo() }
fn todo() -> Result<std::sync::Arc<dyn Transport>, TransportError> { Err(failure::Failure::new(ErrorKind::Lost, "").of("")) }
