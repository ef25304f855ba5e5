//! One seed: a pair, one desk or two, the surroundings, all drawn from it; then fair days until every run is over; then
//! the judge. Equal seeds tell equal stories.

use std::path::PathBuf;
use std::time::Duration;

use failover::demo::transport::Dice;
use failover::demo::world::WorldConfig;

use crate::desk::Desk;
use crate::judge::{Beginning, claim_on, judge};
use crate::log::{Log, Notes};
use crate::support::{Rig, rig_in};
use crate::surroundings::Surroundings;

/// Fair days until every run has to be over.
const FAIR_DAYS: u32 = 6;

/// Where journals lie: in memory where that is offered, since a sync to a disk takes longer than a run.
pub fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

/// Plays one seed from beginning to end.
pub fn play(seed: u64) -> Notes {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(played(seed))
}

async fn played(seed: u64) -> Notes {
    let mut dice = Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5EED);
    let rig = pair(&mut dice, seed);
    let log = Log::new(&rig.world);
    let surroundings = Surroundings::draw(&mut dice, &rig.world, &log);
    let two = dice.below(4) == 0;
    let forward = dice.below(2) == 0;
    let other = rig.other_desk([odd(&mut dice), odd(&mut dice)]);
    let first = Desk::new("one", rig, &log, true, !two);
    let second = Desk::new("two", other, &log, forward, false);
    let beginning = Beginning::of(&first.rig);
    let (mine, theirs) = (Dice(dice.below(u64::MAX)), Dice(dice.below(u64::MAX)));
    let later = Duration::from_millis(dice.below(2) * dice.below(15_000) + 3);
    let lives = async {
        if two {
            log.struck(if forward {
                "second desk, same direction"
            } else {
                "second desk, opposite direction"
            });
            tokio::join!(
                first.live(mine, Duration::from_millis(500)),
                second.live(theirs, later)
            );
        } else {
            first.live(mine, Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        biased;
        () = lives => {}
        () = surroundings.happen() => {}
    }
    surroundings.put_right().await;
    let desks: Vec<&Desk> = if two { vec![&first, &second] } else { vec![&first] };
    for _ in 0..FAIR_DAYS {
        let mut over = true;
        for desk in &desks {
            over &= desk.resume().await;
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        if over {
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    first.rig.world.advance();
    left_behind(&first.rig, &desks).await;
    surroundings.count();
    judge(&first.rig, &desks, &beginning, &surroundings.clocks);
    let mut notes = log.notes();
    notes.messages = first
        .rig
        .world
        .with(|inside, _| inside.referee.messages().len() as u64);
    notes
}

/// A claim that an ended run could not take away was told, and the next run of its desk takes it away.
async fn left_behind(rig: &Rig, desks: &[&Desk]) {
    for host in [0, 1] {
        let Some(claim) = claim_on(rig, host) else {
            continue;
        };
        for desk in desks {
            let Some(told_released) = desk.claimed_by(&claim) else {
                continue;
            };
            desk.log.reached("a claim was left behind, and told");
            if told_released {
                desk.log
                    .wrong("CLAIM left behind by a run that said that none is");
            }
            if desk.once_more().await && claim_on(rig, host).is_some() {
                desk.log
                    .wrong("CLAIM not taken away by the next run of the desk that had left it");
            }
        }
    }
}

/// A round trip, in a number of milliseconds that few others are multiples of.
fn odd(dice: &mut Dice) -> u64 {
    [37, 53, 71, 97, 131][dice.below(5) as usize]
}

fn pair(dice: &mut Dice, seed: u64) -> Rig {
    let mut config = WorldConfig {
        seed,
        keys: 2 + dice.below(3) as usize,
        slots_per_epoch: [4, 8][dice.below(2) as usize],
        others: 8,
        ..WorldConfig::default()
    };
    config.timing.start_to_signing = Duration::from_millis([200, 500, 2_000][dice.below(3) as usize]);
    let mut rig = rig_in(&config, &place());
    rig.latency = [odd(dice), odd(dice)].map(Duration::from_millis);
    rig.config.timeouts.client_s = 40;
    rig.config.timeouts.start_s = 20;
    rig.config.timeouts.stop_s = 10;
    rig
}
