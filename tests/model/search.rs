//! Breadth first through every world that can be reached, with the shipping table, to the end. Must never stop early
//! without saying so: a search that is not finished proves nothing.

use std::collections::{BTreeMap, HashMap};

use failover::protocol::{Event, State, step};

use crate::adversary::{Adversity, Move, Moves};
use crate::evidence::Judge;
use crate::mutants::Knobs;
use crate::quiet::Quiet;
use crate::world::World;

/// Which adversities are on, and how many of them may come in one story.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub on: &'static [Adversity],
    pub budget: u8,
}

/// What a search found.
pub struct Found {
    /// Every world, with the number of the one before it and the move between them.
    pub worlds: HashMap<World, u32>,
    pub edges: u64,
    /// How often each row was used.
    pub rows: BTreeMap<(State, Event), u64>,
    /// In how many worlds a run rests in each state that waits or ends.
    pub rests: BTreeMap<String, u64>,
    /// The shortest story that breaks a property.
    pub story: Option<String>,
    parents: Vec<(u32, Move)>,
}

/// Explores a setting to its end, or to the first story that breaks a property.
pub fn explore(judge: &Judge, knobs: &Knobs, setting: Setting) -> Found {
    let first = World::beginning(setting.budget);
    let mut found = Found {
        worlds: HashMap::new(),
        edges: 0,
        rows: BTreeMap::new(),
        rests: BTreeMap::new(),
        story: None,
        parents: Vec::new(),
    };
    let mut quiet = Quiet::new(judge, knobs);
    let mut moves = Moves::new(judge, knobs, setting.on);
    found.enter(first, 0, Move::SlotPasses);
    let mut front = vec![first];
    while !front.is_empty() {
        let mut behind = Vec::new();
        for world in &front {
            let number = found.worlds[world];
            if let Some(property) = quiet.leads_nowhere(world) {
                found.story = Some(found.told(judge, knobs, setting, number, None, property));
                return found;
            }
            for next in moves.of(world) {
                found.edges += 1;
                if let Some(row) = next.row {
                    *found.rows.entry(row).or_insert(0) += 1;
                }
                if let Some(property) = next.world.broken {
                    found.story = Some(found.told(judge, knobs, setting, number, Some(next.by), property));
                    return found;
                }
                if found.enter(next.world, number, next.by) {
                    behind.push(next.world);
                }
            }
        }
        front = behind;
    }
    found
}

impl Found {
    /// True: the world is new.
    fn enter(&mut self, world: World, before: u32, by: Move) -> bool {
        let number = u32::try_from(self.parents.len()).unwrap_or(u32::MAX);
        let mut new = false;
        self.worlds.entry(world).or_insert_with(|| {
            new = true;
            number
        });
        if new {
            self.parents.push((before, by));
            for coord in world.coords {
                if matches!(coord.state, State::Parked(_) | State::Ended(_)) {
                    *self.rests.entry(coord.state.to_string()).or_insert(0) += 1;
                }
            }
        }
        new
    }

    /// The shortest way to a world, as a story.
    fn told(
        &self,
        judge: &Judge,
        knobs: &Knobs,
        setting: Setting,
        number: u32,
        last: Option<Move>,
        property: &str,
    ) -> String {
        let mut way: Vec<Move> = last.into_iter().collect();
        let mut at = number;
        while at != 0 {
            let (before, by) = self.parents[at as usize];
            way.push(by);
            at = before;
        }
        way.reverse();
        let mut story = format!("{property}\n");
        let mut world = World::beginning(setting.budget);
        let mut moves = Moves::new(judge, knobs, setting.on);
        for (line, by) in way.iter().enumerate() {
            story.push_str(&format!("{:>4}. {}\n", line + 1, crate::story::said(&world, by)));
            let Some(next) = moves.of(&world).into_iter().find(|next| next.by == *by) else {
                story.push_str("      (cannot be told further)\n");
                break;
            };
            world = next.world;
        }
        story.push_str(&crate::story::picture(&world));
        story
    }
}

/// Rows of the shipping table that no search used.
pub fn unused(rows: &BTreeMap<(State, Event), u64>) -> Vec<String> {
    let all = State::all();
    let pairs = all
        .iter()
        .flat_map(|state| Event::ALL.iter().map(move |event| (*state, *event)));
    pairs
        .filter(|(state, event)| step(*state, *event).is_ok() && !rows.contains_key(&(*state, *event)))
        .map(|(state, event)| format!("{state} on {event}"))
        .collect()
}
