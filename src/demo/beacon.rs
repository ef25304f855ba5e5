//! The beacon node of a simulated host: answers the Beacon API requests that the coordinator makes, from what the
//! referee has seen. It serves reads only; it has no part in what is signed.

use std::time::Duration;

use serde_json::{Value, json};

use super::chain::{Chain, FIRST_INDEX, hex_from};
use super::host::Around;

mod duties;

use duties::{attester_duties, committees, included, proposer_duties, proposer_index};

/// The state of one beacon node.
#[derive(Debug, Clone)]
pub struct SimBeacon {
    /// Nothing listens.
    pub broken: bool,
    /// It says that it is syncing.
    pub syncing: bool,
    /// Its head is optimistic.
    pub optimistic: bool,
    /// Its execution client is offline.
    pub el_offline: bool,
    /// Slots that its head is behind the clock.
    pub behind: u64,
    /// Connected peers.
    pub peers: u64,
    /// Another chain's genesis validators root, when it follows another chain.
    pub other_chain: Option<String>,
    /// It answers liveness "false" for everybody.
    pub blind: bool,
    /// It lacks the liveness endpoint (404).
    pub no_liveness: bool,
    /// How late it sees what was signed.
    pub sees_after: Duration,
    /// Our keys (by position) that the chain shows as slashed.
    pub slashed: Vec<usize>,
    /// Indices that it reports as live although the referee saw nothing of them (a foreign signer).
    pub also_live: Vec<u64>,
}

impl Default for SimBeacon {
    fn default() -> SimBeacon {
        SimBeacon {
            broken: false,
            syncing: false,
            optimistic: false,
            el_offline: false,
            behind: 0,
            peers: 57,
            other_chain: None,
            blind: false,
            no_liveness: false,
            sees_after: Duration::ZERO,
            slashed: Vec::new(),
            also_live: Vec::new(),
        }
    }
}

/// Status code and body.
type Answer = (u16, String);

impl SimBeacon {
    /// Whether a validator can work with it.
    pub fn usable(&self) -> bool {
        !self.broken && !self.syncing && !self.optimistic && !self.el_offline
    }

    /// One request, by path and query. None: nothing listens.
    pub fn http(&self, around: Around<'_>, method: &str, path_and_query: &str, body: &str) -> Option<Answer> {
        if self.broken {
            return None;
        }
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let post = method == "POST";
        Some(match parts.as_slice() {
            ["eth", _, "node", "syncing"] => self.sync_state(around),
            ["eth", _, "node", "health"] => (if self.usable() { 200 } else { 206 }, String::new()),
            ["eth", _, "node", "peer_count"] => self.peer_count(),
            ["eth", _, "node", "version"] => data(json!({ "version": "Lodestar/v1.34.0/simulated" })),
            ["eth", _, "beacon", "genesis"] => self.genesis(around.chain),
            ["eth", _, "config", "spec"] => spec(around.chain),
            ["eth", _, "beacon", "states", _, "validators"] => {
                self.validators(around.chain, &wanted_ids(post, query, body))
            }
            ["eth", _, "beacon", "states", _, "finality_checkpoints"] => finality(around),
            ["eth", _, "beacon", "states", _, "committees"] => committees(around, query),
            ["eth", _, "validator", "liveness", epoch] if post => self.liveness(around, epoch, body),
            ["eth", _, "validator", "duties", "attester", epoch] if post => {
                attester_duties(around.chain, epoch, body)
            }
            ["eth", _, "validator", "duties", "proposer", epoch] => proposer_duties(around.chain, epoch),
            ["eth", _, "beacon", "headers", id] => self.header(around, id),
            ["eth", version, "beacon", "blocks", id] => self.block(around, version, id),
            ["eth", _, "beacon", "blocks", id, "attestations"] => self.block_attestations(around, id),
            // The execution client answers at the root of another port; its state is the beacon node's el_offline.
            [""] if post => return self.execution(body),
            _ => not_found("Route not found"),
        })
    }

    /// The slot of its head. None: nothing listens.
    pub fn head(&self, around: Around<'_>) -> Option<u64> {
        (!self.broken).then(|| self.head_slot(around))
    }

    fn head_slot(&self, around: Around<'_>) -> u64 {
        around.chain.slot_at(around.now).saturating_sub(self.behind)
    }

    /// The slot that a block id means: `head`, or a slot up to it.
    fn slot_of(&self, around: Around<'_>, id: &str) -> Option<u64> {
        let head = self.head_slot(around);
        if id == "head" {
            Some(head)
        } else {
            id.parse().ok().filter(|slot| *slot <= head)
        }
    }

    fn execution(&self, body: &str) -> Option<Answer> {
        let request: Value = serde_json::from_str(body).unwrap_or_default();
        let id = request.get("id").cloned().unwrap_or(json!(1));
        let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
        let result = match method {
            "eth_syncing" => json!(false),
            "eth_chainId" => json!("0x539"),
            _ => json!(null),
        };
        (!self.el_offline).then(|| {
            (
                200,
                json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string(),
            )
        })
    }

    fn sync_state(&self, around: Around<'_>) -> Answer {
        data(json!({
            "head_slot": self.head_slot(around).to_string(),
            "sync_distance": self.behind.to_string(),
            "is_syncing": self.syncing,
            "is_optimistic": self.optimistic,
            "el_offline": self.el_offline,
        }))
    }

    fn peer_count(&self) -> Answer {
        let connected = self.peers.to_string();
        data(json!({ "disconnected": "0", "connecting": "0", "connected": connected, "disconnecting": "0" }))
    }

    fn genesis(&self, chain: &Chain) -> Answer {
        let root = self
            .other_chain
            .as_ref()
            .unwrap_or(&chain.genesis_validators_root);
        data(json!({
            "genesis_time": chain.genesis_time_s.to_string(),
            "genesis_validators_root": root,
            "genesis_fork_version": "0x00000001",
        }))
    }

    fn validators(&self, chain: &Chain, ids: &[String]) -> Answer {
        let ours = |key: usize| {
            let status = if self.slashed.contains(&key) {
                "active_slashed"
            } else {
                "active_ongoing"
            };
            let pubkey = chain.keys.get(key).cloned().unwrap_or_default();
            validator(FIRST_INDEX + key as u64, &pubkey, status)
        };
        let other = |index: u64| validator(index, &other_key(chain, index), "active_ongoing");
        let after_ours = FIRST_INDEX + chain.keys.len() as u64;
        let others = after_ours..after_ours + chain.others;
        let found: Vec<Value> = if ids.is_empty() {
            (0..chain.keys.len()).map(ours).chain(others.map(other)).collect()
        } else {
            ids.iter()
                .filter_map(|id| match chain.find(id) {
                    Some(key) => Some(ours(key)),
                    None => find_other(chain, id).map(other),
                })
                .collect()
        };
        let body = json!({ "execution_optimistic": self.optimistic, "finalized": false, "data": found });
        (200, body.to_string())
    }

    fn liveness(&self, around: Around<'_>, epoch: &str, body: &str) -> Answer {
        if self.no_liveness {
            return not_found("Route POST:/eth/v1/validator/liveness not found");
        }
        let (Ok(epoch), Ok(indices)) = (epoch.parse::<u64>(), serde_json::from_str::<Vec<String>>(body))
        else {
            return error(400, "Invalid epoch or body");
        };
        let current = around.chain.epoch_of(around.chain.slot_at(around.now));
        if epoch + 1 < current || epoch > current + 1 {
            return error(
                400,
                "Request epoch is more than one epoch before or after the current epoch",
            );
        }
        if self.syncing {
            return error(503, "Node is syncing");
        }
        let until = around.now.saturating_sub(self.sees_after);
        let live = |index: &String| {
            let number = index.parse::<u64>().unwrap_or(u64::MAX);
            let signed = match around
                .chain
                .find(index)
                .and_then(|key| around.chain.keys.get(key))
            {
                Some(key) => around.referee.attested(key, epoch, until),
                None => around.chain.is_other(number),
            };
            let is_live = !self.blind && (signed || self.also_live.contains(&number));
            json!({ "index": index, "is_live": is_live })
        };
        data(Value::Array(indices.iter().map(live).collect()))
    }

    fn header(&self, around: Around<'_>, id: &str) -> Answer {
        let Some(slot) = self.slot_of(around, id) else {
            return not_found("Header not found");
        };
        data(json!({
            "root": block_root(slot),
            "canonical": true,
            "header": { "message": { "slot": slot.to_string(), "proposer_index": proposer_index(around.chain, slot) } },
        }))
    }

    fn block(&self, around: Around<'_>, version: &str, id: &str) -> Answer {
        let Some(slot) = self.slot_of(around, id) else {
            return not_found("Block not found");
        };
        if version == "v1" {
            return not_found("Route not found");
        }
        let attestations = included(around, slot);
        let message = json!({
            "slot": slot.to_string(),
            "proposer_index": proposer_index(around.chain, slot),
            "body": { "attestations": attestations },
        });
        let body = json!({ "version": "deneb", "execution_optimistic": false, "finalized": false,
                           "data": { "message": message, "signature": hex_from(slot, "signature", 96) } });
        (200, body.to_string())
    }

    fn block_attestations(&self, around: Around<'_>, id: &str) -> Answer {
        match self.slot_of(around, id) {
            Some(slot) => data(Value::Array(included(around, slot))),
            None => not_found("Block not found"),
        }
    }
}

fn spec(chain: &Chain) -> Answer {
    data(json!({
        "CONFIG_NAME": "failover-demo",
        "PRESET_BASE": "minimal",
        "SECONDS_PER_SLOT": (chain.slot_ms as f64 / 1000.0).to_string(),
        "SLOT_DURATION_MS": chain.slot_ms.to_string(),
        "SLOTS_PER_EPOCH": chain.slots_per_epoch.to_string(),
        "DEPOSIT_CHAIN_ID": "1337",
        "DEPOSIT_NETWORK_ID": "1337",
    }))
}

fn finality(around: Around<'_>) -> Answer {
    let epoch = around.chain.epoch_of(around.chain.slot_at(around.now));
    let checkpoint =
        |back: u64| json!({ "epoch": epoch.saturating_sub(back).to_string(), "root": block_root(back) });
    data(
        json!({ "previous_justified": checkpoint(2), "current_justified": checkpoint(1), "finalized": checkpoint(2) }),
    )
}

fn validator(index: u64, pubkey: &str, status: &str) -> Value {
    json!({
        "index": index.to_string(),
        "balance": "32000000000",
        "status": status,
        "validator": {
            "pubkey": pubkey, "withdrawal_credentials": block_root(index), "effective_balance": "32000000000",
            "slashed": status.ends_with("slashed"), "activation_eligibility_epoch": "0", "activation_epoch": "0",
            "exit_epoch": u64::MAX.to_string(), "withdrawable_epoch": u64::MAX.to_string(),
        },
    })
}

/// The public key of a validator of the control group: as long as ours are.
fn other_key(chain: &Chain, index: u64) -> String {
    let bytes = chain
        .keys
        .first()
        .map_or(48, |key| key.len().saturating_sub(2) / 2);
    hex_from(index, "other", bytes)
}

fn find_other(chain: &Chain, id: &str) -> Option<u64> {
    let after_ours = FIRST_INDEX + chain.keys.len() as u64;
    if id.starts_with("0x") {
        (after_ours..after_ours + chain.others).find(|index| other_key(chain, *index) == id)
    } else {
        id.parse().ok().filter(|index| chain.is_other(*index))
    }
}

/// The ids asked for: in the query of a GET, in the body of a POST.
fn wanted_ids(post: bool, query: &str, body: &str) -> Vec<String> {
    if post {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let ids = body
            .get("ids")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        return ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let given = query.split('&').filter_map(|pair| pair.strip_prefix("id="));
    given
        .flat_map(|ids| ids.split([',']))
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect()
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        pair.split_once('=')
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
    })
}

fn block_root(slot: u64) -> String {
    hex_from(slot, "block", 32)
}

fn data(data: Value) -> Answer {
    (200, json!({ "data": data }).to_string())
}

fn not_found(message: &str) -> Answer {
    error(404, message)
}

fn error(code: u16, message: &str) -> Answer {
    (code, json!({ "code": code, "message": message }).to_string())
}
