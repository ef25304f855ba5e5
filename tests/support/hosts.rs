//! What a test may look at on a simulated host, and what it may do there as a person would.

use failover::demo::host::client::interchange_of;
use failover::demo::host::unit::Active;
use failover::demo::host::{LOCK, STATE, SimHost};
use failover::protection::{FloorMap, fold, read};
use serde_json::Value;

use super::Rig;

impl Rig {
    /// Looks at one host.
    pub fn look<R>(&self, host: usize, look: impl FnOnce(&SimHost) -> R) -> R {
        self.world.with_host(host, |host, _| look(host)).unwrap()
    }

    /// Changes one host, as a person or an accident would.
    pub fn change<R>(&self, host: usize, change: impl FnOnce(&mut SimHost) -> R) -> R {
        self.world.with_host(host, |host, _| change(host)).unwrap()
    }

    /// The floors of a host's database, read without the coordinator.
    pub fn floors(&self, host: usize) -> FloorMap {
        let records = self.look(host, |host| host.database.records().unwrap());
        let document = interchange_of(&records, &self.world.chain.genesis_validators_root);
        fold(&read(document.to_string().as_bytes()).unwrap()).floors
    }

    /// A paper of a host, parsed.
    pub fn paper(&self, host: usize, name: &str) -> Option<Value> {
        let path = format!("{STATE}/{name}.json");
        self.look(host, |host| host.files.text(&path))
            .map(|text| serde_json::from_str(&text).unwrap())
    }

    /// Generation and role written on a host.
    pub fn generation(&self, host: usize) -> Option<(u64, String)> {
        let paper = self.paper(host, "generation")?;
        Some((
            paper["generation"].as_u64().unwrap(),
            paper["role"].as_str().unwrap().to_owned(),
        ))
    }

    /// Whether a validator process lives on a host.
    pub fn lives(&self, host: usize) -> bool {
        self.look(host, |host| host.process.is_some())
    }

    /// Whether the unit is active and enabled.
    pub fn serves(&self, host: usize) -> bool {
        self.look(host, |host| {
            host.unit.active == Active::Active && host.unit.enabled
        })
    }

    /// Whether lock and loaded gate are there and the unit is not enabled.
    pub fn barred(&self, host: usize) -> bool {
        self.look(host, |host| {
            let gated = host.unit.loaded_asserts.iter().any(|path| path == LOCK);
            host.files.exists(LOCK) && gated && !host.unit.enabled
        })
    }

    /// Everything that a run might change on a host and must not when it refuses: files, unit, process, and the
    /// database of a host that does not sign.
    pub fn snapshot(&self, host: usize) -> String {
        self.look(host, |host| {
            let process = host
                .process
                .as_ref()
                .map(|process| (process.pid, process.in_unit));
            let records = host.process.is_none().then(|| host.database.records().unwrap());
            format!(
                "{:#?}\n{:#?}\n{process:?}\n{:?}\n{records:?}",
                host.files, host.unit, host.copies
            )
        })
    }

    /// Both hosts as they are.
    pub fn snapshots(&self) -> [String; 2] {
        [self.snapshot(0), self.snapshot(1)]
    }
}

/// Every floor of `below` is covered by `above`.
pub fn covers(above: &FloorMap, below: &FloorMap) -> bool {
    below
        .iter()
        .all(|(key, floors)| above.get(key).is_some_and(|there| there.covers(floors)))
}
