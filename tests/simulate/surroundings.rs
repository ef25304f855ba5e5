//! The surroundings of a scene: mishaps at times and at places of a run, what ends them, and the day on which a person has
//! put everything right. Must never change what a coordinator has written.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use failover::demo::beacon::SimBeacon;
use failover::demo::host::{Link, Power, Quirks};
use failover::demo::transport::Dice;
use failover::demo::world::{Trigger, When, World};
use tokio::time::sleep;

use crate::log::Log;
use crate::mishap::{Due, Ending, KINDS, Kind, Mishap, PLACE_NAMES, PLACES};

/// How far each host's clock was ahead, from when on, in milliseconds.
pub type Clocks = Arc<Mutex<Vec<(usize, Duration, i64)>>>;

/// What happens around a run.
pub struct Surroundings {
    world: Arc<World>,
    log: Log,
    due: Due,
    planned: Vec<(Duration, Mishap)>,
    /// For the judge: how wrong the clocks were.
    pub clocks: Clocks,
}

impl Surroundings {
    /// Draws them and arms what happens at places of a run.
    pub fn draw(dice: &mut Dice, world: &Arc<World>, log: &Log) -> Surroundings {
        let mut drawn = Surroundings {
            world: Arc::clone(world),
            log: log.clone(),
            due: Due::default(),
            planned: Vec::new(),
            clocks: Clocks::default(),
        };
        let how_many = [0, 0, 1, 1, 1, 2, 2, 2, 3, 5][dice.below(10) as usize];
        for _ in 0..how_many {
            let mishap = Mishap::draw(dice, &KINDS);
            match dice.below(8) {
                0 => drawn.planned.push((Duration::ZERO, mishap)),
                1 | 2 => drawn
                    .planned
                    .push((Duration::from_millis(dice.below(12_000)), mishap)),
                3 => drawn
                    .planned
                    .push((Duration::from_millis(dice.below(90_000)), mishap)),
                _ => drawn.hang(dice, mishap),
            }
        }
        // The worst moment for a person to act: after the fence was proven, before the start.
        if dice.below(6) == 0 {
            let kinds = [Kind::ByHand, Kind::LiftGate, Kind::SystemctlStart];
            let mishap = Mishap::draw(dice, &kinds);
            let place = 4 + dice.below(7) as usize;
            drawn.hang_on(dice, mishap, place);
        }
        drawn.planned.sort_by_key(|(at, _)| *at);
        drawn
    }

    /// Hangs a mishap on a place of a run: when a host is asked a certain thing.
    fn hang(&self, dice: &mut Dice, mishap: Mishap) {
        let place = dice.below(PLACES.len() as u64) as usize;
        self.hang_on(dice, mishap, place);
    }

    fn hang_on(&self, dice: &mut Dice, mishap: Mishap, place: usize) {
        let host = dice.below(2) as usize;
        let when = if dice.below(2) == 0 {
            When::Before
        } else {
            When::After
        };
        let told = format!(
            "  armed: {:?} on {} when {} is asked {} ({when:?})",
            mishap.kind, mishap.host, host, PLACE_NAMES[place]
        );
        self.log.tell(&told);
        let (log, due, clocks) = (self.log.clone(), Arc::clone(&self.due), Arc::clone(&self.clocks));
        self.world.arm(Trigger {
            host,
            on: PLACES[place],
            when,
            action: Box::new(move |hosts, now| {
                mishap.happen(hosts, now, &log, &due);
                clocks
                    .lock()
                    .unwrap()
                    .push((mishap.host, now, hosts[mishap.host].clock_ahead_ms));
            }),
            kills_coordinator: false,
        });
    }

    /// Lets things happen, for ever.
    pub async fn happen(&self) {
        let began = self.world.now();
        let mut planned = self.planned.iter().peekable();
        loop {
            let now = self.world.now();
            while let Some((_, mishap)) = planned.next_if(|(at, _)| began + *at <= now) {
                self.world.with(|inside, now| {
                    mishap.happen(&mut inside.hosts, now, &self.log, &self.due);
                    self.clocks.lock().unwrap().push((
                        mishap.host,
                        now,
                        inside.hosts[mishap.host].clock_ahead_ms,
                    ));
                });
            }
            let over: Vec<(usize, Ending)> = {
                let mut due = self.due.lock().unwrap();
                let over = due
                    .iter()
                    .filter(|(at, _, _)| *at <= now)
                    .map(|(_, host, ending)| (*host, *ending))
                    .collect();
                due.retain(|(at, _, _)| *at > now);
                over
            };
            for (host, ending) in over {
                self.end(host, ending);
            }
            sleep(Duration::from_millis(249)).await;
        }
    }

    fn end(&self, host: usize, ending: Ending) {
        if !matches!(ending, Ending::Counted(_)) {
            self.log.tell(&format!("  val-{}: {ending:?}", ["a", "b"][host]));
        }
        if let Ending::Thaw(in_hand) = ending {
            let stood = self.world.with_host(host, |host, _| host.frozen.is_some()) == Some(true);
            let signed = self.world.thaw(host, in_hand);
            self.log.struck_times("thaw", u64::from(stood));
            self.log.struck_times(
                "a thawed validator signs before it notices anything",
                u64::from(signed > 0),
            );
            return;
        }
        let world = &self.world;
        if let Ending::Counted(mishap) = ending {
            mishap.arm_counters(world, &self.log);
            return;
        }
        world.with_host(host, |it, now| match ending {
            Ending::PowerOn => {
                it.power_on(now);
                self.log.struck("power back");
            }
            Ending::LinkUp => it.link = Link::Up,
            Ending::StopByHand => it.stop_by_hand(now),
            Ending::Healed => {
                it.quirks = Quirks::default();
                it.disk_free = 200_000_000_000;
                it.unit.restart = true;
                it.beacon = SimBeacon::default();
            }
            Ending::ClockRight => {
                it.clock_ahead_ms = 0;
                self.clocks.lock().unwrap().push((host, now, 0));
            }
            Ending::Thaw(_) | Ending::Counted(_) => {}
        });
    }

    /// A person has put everything right that a person can.
    pub async fn put_right(&self) {
        self.log.tell("  everything is put right");
        self.world.disarm();
        self.due.lock().unwrap().clear();
        for host in [0, 1] {
            for ending in [
                Ending::LinkUp,
                Ending::Thaw(false),
                Ending::PowerOn,
                Ending::StopByHand,
                Ending::Healed,
                Ending::ClockRight,
            ] {
                if ending != Ending::PowerOn
                    || self.world.with_host(host, |it, _| it.power) == Some(Power::Off)
                {
                    self.end(host, ending);
                }
            }
        }
        sleep(Duration::from_secs(5)).await;
        self.world.advance();
    }

    /// What the hosts' own word on late questions adds up to.
    pub fn count(&self) {
        let counts = self.world.with(|inside, _| inside.counts);
        self.log
            .struck_times("question begun behind its asker's back", counts.begun_unawaited);
        self.log
            .struck_times("late call not begun: past its deadline", counts.late);
        self.log
            .struck_times("late start or unbar not begun: barred since", counts.barred_since);
    }
}
