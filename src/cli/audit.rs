//! `failover audit`: is the standby ready? The guard table at stage audit over both hosts, side by side. Read-only.

use serde_json::json;

use super::args::{AuditArgs, Global};
use super::printing::{coloured, out_json, out_line, paint};
use super::{Failure, code, session};
use crate::guards::{Stage, blocking};
use crate::report::findings_text;

/// Judges and reports; exit 0 clean, 1 found something.
pub async fn audit(global: &Global, args: AuditArgs) -> Result<u8, Failure> {
    let (primary, backup) = session::pair(&args.pair)?;
    let config = session::config(global, None)?;
    let plan = config.plan(primary, backup)?;
    let mut hosts = session::hosts(&plan)?;
    let (_, findings) =
        crate::perform::audit(&mut hosts, &plan, Stage::Audit, session::ended_runs_if_any()).await;
    let found = blocking(&findings).len();
    if global.json {
        out_json(&json!({
            "schema": "failover.audit/1",
            "primary": primary,
            "backup": backup,
            "at": jiff::Timestamp::now().to_string(),
            "clean": found == 0,
            "changed": false,
            "guards": findings,
            "waived": plan.config.waived(),
            "round_trips": hosts.round_trips(),
        }))?;
    } else {
        out_line(&paint(
            &findings_text(&findings),
            coloured(global, &std::io::stdout()),
        ));
        out_line(&match found {
            0 => format!("clean: {backup} is ready to take over from {primary}"),
            found => format!(
                "{found} of {} guards block: {backup} is not ready",
                findings.len()
            ),
        });
    }
    hosts.close().await;
    Ok(if found == 0 { 0 } else { code::REFUSED })
}
