//! The program's own adapters read what the simulated hosts print: a healthy pair passes preflight, and each fault that
//! is to be refused is refused by it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::sync::Arc;
use std::time::Duration;

use failover::config::{Config, Plan};
use failover::demo::faults::{Expected, FAULTS, Fault};
use failover::demo::transport::{FaultPlan, SimTransport};
use failover::demo::world::{World, WorldConfig};
use failover::guards::{Evidence, RunEvidence, Seen};
use failover::observe::{Hosts, Patience, Scope, discover, evidence};

fn plan(world: &World) -> Plan {
    let mut config = Config::default();
    config.chain.keys = world.chain.keys.clone();
    config.validator.client = Some("lodestar".to_owned());
    config.plan("val-a", "val-b").unwrap()
}

async fn look(world: &Arc<World>) -> Evidence {
    let plan = plan(world);
    let link = |host| {
        Arc::new(SimTransport::new(
            Arc::clone(world),
            host,
            Duration::from_millis(20),
            FaultPlan::none(),
        ))
    };
    let clock = Arc::clone(world);
    let mut hosts =
        Hosts::new(&plan, link(0), link(1)).with_clock(Arc::new(move || clock.now().as_secs_f64()));
    discover(&mut hosts, Patience::Once).await;
    evidence(&hosts, &plan, Scope::Full, RunEvidence::default(), Patience::Once).await
}

fn world() -> Arc<World> {
    Arc::new(World::new(&WorldConfig::default()).unwrap())
}

/// What the guards do not pass, as text.
fn objections(evidence: &Evidence) -> Vec<String> {
    failover::guards::judge(evidence, failover::guards::Stage::Preflight)
        .into_iter()
        .filter(|finding| finding.blocks())
        .map(|finding| format!("{} {}: {}", finding.verdict, finding.id, finding.why))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_healthy_pair_passes_preflight() {
    let world = world();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seen = look(&world).await;
    assert_eq!(objections(&seen), Vec::<String>::new());
    let Seen::Known(protection) = &seen.backup.protection else {
        panic!("{:?}", seen.backup.protection)
    };
    assert_eq!(protection.floors.len(), 4);
    assert!(
        world.with_host(1, |host, _| host.copies.is_empty()).unwrap(),
        "the private copy was cleared"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_refused_is_refused_in_preflight_and_nothing_else() {
    for Fault {
        name, expected, arm, ..
    } in FAULTS
    {
        let world = world();
        arm(&world);
        let objections = objections(&look(&world).await);
        assert_eq!(
            objections.is_empty(),
            *expected != Expected::Refused,
            "{name}: {objections:?}"
        );
    }
}
