//! What goes wrong on a simulated line: the fate of each ask, decided by a plan, and the dice that plans are drawn with.
//! Must never let a plan see more of an ask than its host, its number and what is asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::transport::Call;

/// What becomes of an ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nothing goes wrong.
    Deliver,
    /// It never arrives. The caller cannot know that.
    LoseRequest,
    /// It is carried out, and the answer never arrives.
    LoseReply,
    /// It is held up for this long, then goes on.
    Delay(Duration),
    /// It never arrives, and nothing says so: the caller waits for as long as it will.
    SwallowRequest,
    /// It is carried out, the answer never arrives, and nothing says so.
    SwallowReply,
    /// The caller's line breaks at once, and the batch reaches the host so much later.
    Late(Duration),
    /// It is carried out, and the answer does not parse.
    Garble,
    /// It is carried out, and the answer ends behind so many thousandths of its bytes.
    Cut(u16),
    /// It is carried out, and the answer has lines of something else in it, drawn from this number.
    Noise(u64),
    /// It is carried out, and the answer to an earlier question comes in place of its own.
    Stale,
    /// The connection is refused: it certainly was not carried out.
    Refuse,
    /// The coordinator is killed here: the ask never returns. Before: not carried out; after: carried out.
    Hang,
}

/// At which point of an ask the plan is consulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the batch is carried out.
    Before,
    /// After it was carried out. Losing the request or refusing is no longer possible, and means losing the reply.
    After,
}

/// One ask, as a fault plan sees it.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The host.
    pub host: &'a str,
    /// Counts the asks of all transports that share the plan, from 0.
    pub number: u64,
    /// Before or after.
    pub phase: Phase,
    /// What is asked; empty for a fetch.
    pub calls: &'a [Call],
}

type Decide = dyn FnMut(&Ask<'_>) -> Fate + Send;

/// Decides the fate of asks; shared by the transports of one run, which count their asks together.
#[derive(Clone)]
pub struct FaultPlan {
    decide: Arc<Mutex<Decide>>,
    asks: Arc<AtomicU64>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> FaultPlan {
        FaultPlan::new(|_| Fate::Deliver)
    }

    /// A closure decides.
    pub fn new(decide: impl FnMut(&Ask<'_>) -> Fate + Send + 'static) -> FaultPlan {
        FaultPlan {
            decide: Arc::new(Mutex::new(decide)),
            asks: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Drawn from a seed: about `per_mille` of a thousand asks meet a fault of any kind but `Hang`.
    pub fn seeded(seed: u64, per_mille: u64) -> FaultPlan {
        let mut dice = Dice(seed);
        FaultPlan::new(move |_| {
            // Half at each phase, so that the two together come to what was asked for.
            if dice.below(2_000) >= per_mille {
                return Fate::Deliver;
            }
            match dice.below(5) {
                0 => Fate::LoseRequest,
                1 => Fate::LoseReply,
                2 => Fate::Delay(Duration::from_millis(dice.below(3_000))),
                3 => Fate::Garble,
                _ => Fate::Refuse,
            }
        })
    }

    /// The number of the next ask.
    pub(super) fn number(&self) -> u64 {
        self.asks.fetch_add(1, Ordering::Relaxed)
    }

    /// How many asks there were so far.
    pub fn asks(&self) -> u64 {
        self.asks.load(Ordering::Relaxed)
    }

    /// What becomes of an ask.
    pub fn decide(&self, ask: &Ask<'_>) -> Fate {
        let mut decide = self.decide.lock().unwrap_or_else(PoisonError::into_inner);
        decide(ask)
    }
}

/// A small generator of random numbers (splitmix64): equal seeds, equal numbers.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number below a limit (which must not be 0).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}
