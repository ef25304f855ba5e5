//! The report and findings as text that a tired person can act on: who signs, for how long nobody did, what was moved,
//! what is left to do. Must never be longer than a screen for a healthy run.

use super::{Collected, Report};
use crate::guards::Finding;

/// The final summary.
pub fn report_text(report: &Report) -> String {
    let mut lines = Vec::new();
    let headline = match report.outcome.as_str() {
        "completed" if report.changed => format!("COMPLETED: {} signs now.", report.backup),
        "completed" => format!("COMPLETED before: {} signs, nothing was changed.", report.backup),
        "unconfirmed" => format!(
            "UNCONFIRMED: {} was started; not everything was seen.",
            report.backup
        ),
        "restored" => format!("RESTORED: {} signs again.", report.primary),
        "refused" => "REFUSED: nothing was changed.".to_owned(),
        "parked" if report.state == "Parked(Halting)" => {
            format!(
                "PARKED: {} HAS TO BE STOPPED and was not seen stopped.",
                report.backup
            )
        }
        "parked" if report.claim_lost => {
            "PARKED: this run lost its claim to another run or a person, and is over; needs you.".to_owned()
        }
        "parked" if report.state == "Parked" => "PARKED: both were to be barred; needs you.".to_owned(),
        "parked" => format!("{}: safe, and needs you.", report.state.to_uppercase()),
        _ => format!("RUNNING: {}.", report.state),
    };
    lines.push(headline);
    let mut row = |name: &str, value: String| lines.push(format!("  {name:<16} {value}"));
    row("why", report.why.clone());
    row(
        "who signs now",
        report.signer.clone().unwrap_or_else(|| who_signs(report)),
    );
    if let Some(gap_s) = report.gap_s {
        row("without a signer", format!("{gap_s:.1} s"));
    }
    for (name, value) in history_rows(report) {
        row(name, value);
    }
    let generation = report
        .generation
        .map_or(String::new(), |generation| format!(", generation {generation}"));
    row("run", format!("{}{generation}", report.run));
    if let Some(round_trips) = report.round_trips {
        row("round trips", format!("{round_trips}, one after the other"));
    }
    for finding in report.guards.iter().filter(|finding| finding.blocks()) {
        lines.push(format!(
            "  {} {}: {}",
            finding.verdict.to_uppercase(),
            finding.id,
            finding.why
        ));
        lines.push(format!("    remedy: {}", finding.remedy));
    }
    if report.outcome != "refused" || !report.claims_left_on.is_empty() {
        lines.extend(report.notes.iter().map(|note| format!("  note: {note}")));
    }
    if !report.next.is_empty() {
        lines.push("  next:".to_owned());
        lines.extend(report.next.iter().map(|command| format!("    {command}")));
    }
    lines.join("\n")
}

/// What was collected, moved, compared and kept.
fn history_rows(report: &Report) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let (Some(floors), true) = (&report.floors, report.outcome != "restored") {
        let (keys, raised, equal) = (floors.raised + floors.equal, floors.raised, floors.equal);
        rows.push((
            "moved",
            format!("{keys} keys: {raised} floors raised, {equal} equal"),
        ));
    }
    if let Some(collected) = &report.collected {
        rows.push(("collected", collected_by(report, collected)));
    }
    if let Some(check) = &report.cross_check {
        rows.push((
            "cross-check",
            format!("{}: {}", check.outcome.replace('_', " "), check.why),
        ));
    }
    if let Some(archive) = &report.archive {
        rows.push(("old database", archive.clone()));
    }
    rows
}

fn collected_by(report: &Report, collected: &Collected) -> String {
    let hosts = [
        (&report.primary, &collected.primary),
        (&report.backup, &collected.backup),
    ];
    let ways = hosts.map(|(host, way)| match (way.way.as_str(), way.why.as_str()) {
        ("direct", _) => format!("{host}: its database, read here"),
        (_, "") => format!("{host}: its client's export"),
        (_, why) => format!("{host}: its client's export ({why})"),
    });
    ways.join("; ")
}

fn who_signs(report: &Report) -> String {
    match report.outcome.as_str() {
        "parked" if report.claim_lost => "not known; neither host was looked at since".to_owned(),
        "refused" => "as before; nothing was changed".to_owned(),
        "unconfirmed" => format!("{}, as far as was seen; look", report.backup),
        "parked" if report.primary_seen_alive => {
            format!(
                "perhaps {}: it was not seen stopped and barred; {} is",
                report.primary, report.backup
            )
        }
        "parked" if report.state == "Parked" => "nobody; both hosts are barred".to_owned(),
        _ => "not known; see the notes".to_owned(),
    }
}

/// Findings, one line each, with the remedy under those that block.
pub fn findings_text(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    // A host that does not answer leaves many guards unknown, and one thing to do.
    let silent = findings
        .iter()
        .any(|finding| finding.id == "reached" && finding.blocks());
    for finding in findings {
        let mark = match finding.verdict.as_str() {
            "pass" => "ok     ",
            "refuse" => "REFUSE ",
            _ => "UNKNOWN",
        };
        lines.push(format!("  {mark} {:<22} {}", finding.id, finding.why));
        let one_cause = silent && finding.verdict == "unknown" && finding.id != "reached";
        if finding.blocks() && !one_cause {
            lines.push(format!("          {:<22} remedy: {}", "", finding.remedy));
        }
    }
    lines.join("\n")
}
