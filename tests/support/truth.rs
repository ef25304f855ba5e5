//! Whether what a run says at its end is what the world shows, and whether the run was safe. Looks at the hosts and
//! at the referee only.

use failover::protection::FloorMap;
use failover::protocol::{Outcome, State};

use super::hosts::covers;
use super::{A, B, Rig};

/// What must never fall: the floors before a run.
pub struct Before {
    floors: [FloorMap; 2],
    primary_served: bool,
}

impl Before {
    /// As they are now.
    pub fn of(rig: &Rig) -> Before {
        Before {
            floors: [rig.floors(A), rig.floors(B)],
            primary_served: rig.serves(A),
        }
    }
}

impl Rig {
    /// Panics unless the run from A to B was safe, and its end state is true.
    pub fn assert_safe(&self, run: &str, state: State, before: &Before, told: &str) {
        let story = || format!("{told}: {state}\n{}", self.story(run));
        assert!(self.verdict().clean(), "two signers or slashable: {}", story());
        for host in [A, B] {
            assert!(
                covers(&self.floors(host), &before.floors[host]),
                "a floor fell: {}",
                story()
            );
        }
        let alive = [self.lives(A), self.lives(B)];
        assert_ne!(alive, [true, true], "{}", story());
        if alive[B] {
            assert!(
                covers(&self.floors(B), &self.floors(A)),
                "B signs without A's history: {}",
                story()
            );
        }
        let (a, b) = (self.barred(A), self.barred(B));
        assert!(a || b, "nobody is barred: {}", story());
        let claims = [self.paper(A, "claim").is_some(), self.paper(B, "claim").is_some()];
        let true_end = match state {
            State::Ended(Outcome::Completed | Outcome::Unconfirmed) => self.serves(B) && a && !alive[A] && !b,
            State::Ended(Outcome::Restored | Outcome::Refused) => {
                self.serves(A) == before.primary_served && b && !alive[B] && !a
            }
            State::Ended(Outcome::Parked) => a && b && alive == [false, false],
            State::Parked(_) => claims.contains(&true),
            _ => false,
        };
        assert!(true_end, "what is reported is not so: {}", story());
        if let State::Ended(_) = state {
            assert_eq!(claims, [false, false], "a claim was left: {}", story());
            let works = self.look(A, |host| host.files.below("/var/lib/failover/work").len())
                + self.look(B, |host| host.files.below("/var/lib/failover/work").len());
            assert_eq!(works, 0, "work was left behind: {}", story());
        }
    }
}
