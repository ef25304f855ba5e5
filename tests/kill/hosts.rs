//! What the hosts and the referee show, whatever the program says; and whether the two are the same. Looks only at the
//! world. Must never take the program's word for anything.

use failover::demo::host::client::interchange_of;
use failover::demo::host::unit::Active;
use failover::demo::host::{LOCK, STATE, SimHost};
use failover::protection::{FloorMap, fold, read};
use serde_json::Value;

use crate::stage::{A, B, Stage, Told};

/// A host as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its unit is active and enabled, and its process lives.
    pub serves: bool,
    /// A validator process lives.
    pub lives: bool,
    /// Lock, loaded gate, not enabled.
    pub barred: bool,
    /// The run whose claim lies there.
    pub claim: Option<String>,
    /// Generation and role.
    pub generation: Option<(u64, String)>,
    /// How many files of a run's work lie there.
    pub work: usize,
    /// The process, and how often the unit was started: changes when somebody restarts it.
    pub process: (Option<u32>, u64),
}

/// What must never fall.
pub struct Floors([FloorMap; 2]);

impl Stage {
    /// One host.
    pub fn look<R>(&self, host: usize, look: impl FnOnce(&SimHost) -> R) -> R {
        self.demo.world.with_host(host, |host, _| look(host)).unwrap()
    }

    /// Changes one host, as a person or an accident would.
    pub fn change(&self, host: usize, change: impl FnOnce(&mut SimHost)) {
        self.demo.world.with_host(host, |host, _| change(host)).unwrap();
    }

    /// Both hosts as they are.
    pub fn shown(&self) -> [Shown; 2] {
        [A, B].map(|host| self.look(host, shown))
    }

    /// The floors of both hosts' databases.
    pub fn floors(&self) -> Floors {
        Floors([A, B].map(|host| self.floors_of(host)))
    }

    fn floors_of(&self, host: usize) -> FloorMap {
        let records = self.look(host, |host| host.database.records().unwrap());
        let document = interchange_of(&records, &self.demo.world.chain.genesis_validators_root);
        fold(&read(document.to_string().as_bytes()).unwrap()).floors
    }

    /// Panics unless nothing unsafe has happened up to now. Holds at every moment, also with no coordinator alive.
    pub fn assert_safe(&self, before: &Floors) {
        let story = || format!("{:#?}\n{}", self.shown(), self.story());
        assert!(
            self.demo.verdict().clean(),
            "two signers or slashable: {}",
            story()
        );
        let [a, b] = self.shown();
        assert!(!(a.lives && b.lives), "two live: {}", story());
        assert!(a.barred || b.barred, "nobody is barred: {}", story());
        for host in [A, B] {
            let fell = !covers(&self.floors_of(host), &before.0[host]);
            assert!(!fell, "a floor fell: {}", story());
        }
        let lacks = |signer, other| !covers(&self.floors_of(signer), &self.floors_of(other));
        assert!(
            !(b.lives && lacks(B, A)),
            "val-b signs without val-a's history: {}",
            story()
        );
    }

    /// Panics unless what the program has reported is what the hosts show.
    pub fn assert_true(&self, told: &Told) {
        let story = || format!("{:#?}\n{}\n{}", told.json, told.command, self.story());
        let outcome = told.json["outcome"].as_str().unwrap_or("nothing");
        let name = |key: &str| {
            told.json[key]
                .as_str()
                .and_then(|name| self.demo.world.position(name))
        };
        let (Some(primary), Some(backup)) = (name("primary"), name("backup")) else {
            panic!("no report: {}", story());
        };
        let hosts = self.shown();
        let (old, new) = (&hosts[primary], &hosts[backup]);
        let (so, code) = match outcome {
            "completed" => (new.serves && old.barred && !old.lives && !new.barred, 0),
            "unconfirmed" => (new.serves && old.barred && !old.lives && !new.barred, 6),
            "restored" => (old.serves && new.barred && !new.lives && !old.barred, 3),
            "refused" => (old.serves && new.barred && !new.lives && !old.barred, 1),
            "parked" => {
                let over = told.json["state"] == "Parked";
                let rest = new.barred && old.barred && !new.lives && !old.lives;
                (if over { rest } else { new.barred || old.barred }, 4)
            }
            _ => (false, 5),
        };
        assert!(so, "what is reported is not so: {}", story());
        assert_eq!(told.code, Some(code), "{}", story());
        let signer = match outcome {
            "completed" => Some(backup),
            "restored" => Some(primary),
            _ => None,
        };
        assert_eq!(name("signer"), signer, "{}", story());
        if outcome != "parked" || told.json["state"] == "Parked" {
            let claims = hosts.each_ref().map(|host| host.claim.clone());
            assert_eq!(claims, [None, None], "a claim was left: {}", story());
            assert_eq!(
                hosts.each_ref().map(|host| host.work),
                [0, 0],
                "work was left: {}",
                story()
            );
        }
    }
}

fn shown(host: &SimHost) -> Shown {
    let gated = host.unit.loaded_asserts.iter().any(|path| path == LOCK);
    let paper = |name: &str| -> Option<Value> {
        let text = host.files.text(&format!("{STATE}/{name}.json"))?;
        Some(serde_json::from_str(&text).unwrap())
    };
    let word = |paper: &Value, key: &str| paper[key].as_str().unwrap().to_owned();
    Shown {
        serves: host.unit.active == Active::Active && host.unit.enabled && host.process.is_some(),
        lives: host.process.is_some(),
        barred: host.files.exists(LOCK) && gated && !host.unit.enabled,
        claim: paper("claim").map(|it| word(&it, "run")),
        generation: paper("generation").map(|it| (it["generation"].as_u64().unwrap(), word(&it, "role"))),
        work: host.files.below(&format!("{STATE}/work")).len(),
        process: (host.process.as_ref().map(|it| it.pid), host.unit.starts.into()),
    }
}

/// Every floor of `below` is covered by `above`.
fn covers(above: &FloorMap, below: &FloorMap) -> bool {
    below
        .iter()
        .all(|(key, floors)| above.get(key).is_some_and(|there| there.covers(floors)))
}
