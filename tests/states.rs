//! Is `docs/states.md` what the table says? The page is generated here from `protocol::ROWS` and never written by hand.
//! Regenerate it with `FAILOVER_REGENERATE=1 cargo test --test states`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::Path;

use failover::protocol::{Event, ROWS, Row, State, command};

const PAGE: &str = "docs/states.md";
const REMEDY: &str = "regenerate it: FAILOVER_REGENERATE=1 cargo test --test states";

/// Proves that the page is current.
#[test]
fn the_page_of_states_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let expected = page(ROWS, &State::all());
    if std::env::var_os("FAILOVER_REGENERATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some(line) = first_difference(&expected, &found) {
        panic!("{PAGE}:{line} is not what src/protocol/rows.rs says; {REMEDY}");
    }
}

/// Proves that a changed row, state or sentence changes the page, and that the difference is found.
#[test]
fn a_changed_row_changes_the_page() {
    let before = page(ROWS, &State::all());
    for number in 0..ROWS.len() {
        let mut rows = ROWS.to_vec();
        rows[number].why = "Something else.";
        assert!(first_difference(&before, &page(&rows, &State::all())).is_some());
        rows[number] = Row {
            to: other_than(ROWS[number].to),
            ..ROWS[number]
        };
        assert!(first_difference(&before, &page(&rows, &State::all())).is_some());
    }
    assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
    assert_eq!(first_difference("a\nb\n", "a\n"), Some(2));
    assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
    assert_eq!(first_difference(&before, &before), None);
}

/// Proves that every row and every state is on the page.
#[test]
fn nothing_is_left_out() {
    let page = page(ROWS, &State::all());
    for row in ROWS {
        assert!(page.contains(&table_line(row)), "{} on {}", row.from, row.event);
    }
    for state in State::all() {
        assert!(page.contains(&format!("| {} | ", in_code(state))), "{state}");
    }
}

fn other_than(state: State) -> State {
    if state == State::Preflight {
        State::Watching
    } else {
        State::Preflight
    }
}

/// The number of the first line that is not the same in both.
fn first_difference(expected: &str, found: &str) -> Option<usize> {
    let lines = expected.lines().count().max(found.lines().count());
    let same = |number: &usize| expected.lines().nth(*number) == found.lines().nth(*number);
    (0..lines).find(|number| !same(number)).map(|number| number + 1)
}

/// The whole page.
fn page(rows: &[Row], states: &[State]) -> String {
    let mut page = format!(
        "# The states of a run\n\n\
         Generated from `src/protocol/rows.rs` by `tests/states.rs`; do not edit ({REMEDY}).\n\n\
         A run is in one state. The state says what is done next, what is learnt from it is an event, and the table\n\
         says where the event leads. A pair of state and event that is not in the table has no meaning: nothing is\n\
         journalled and the run stops there. {} states, {} events, {} rows.\n\n",
        states.len(),
        Event::ALL.len(),
        rows.len()
    );
    page += "## The road and its branches\n\n";
    page += &diagram(rows.iter().filter(|row| !interrupts(row.event)));
    page += "\n## When no answer comes, somebody stops the run, or it is resumed\n\n";
    page += "`Resumed` that only repeats a state is left out here; the table has it.\n\n";
    page += &diagram(
        rows.iter()
            .filter(|row| interrupts(row.event) && row.from != row.to),
    );
    page += "\n## What each state does\n\n| state | command | a start may have been tried |\n|---|---|---|\n";
    for state in states {
        let does = match command(*state) {
            Some(command) => format!("`{command}`"),
            None if matches!(state, State::Ended(_)) => "nothing: the run is over".to_owned(),
            None => "nothing: it waits for a person, `failover resume`".to_owned(),
        };
        let tried = if state.start_tried() { "yes" } else { "no" };
        writeln!(page, "| {} | {does} | {tried} |", in_code(*state)).unwrap();
    }
    page += "\n## Every row\n\n| in | on | to | because |\n|---|---|---|---|\n";
    for row in rows {
        page += &table_line(row);
    }
    page
}

fn interrupts(event: Event) -> bool {
    matches!(
        event,
        Event::LineLost | Event::Interrupted | Event::Resumed | Event::UndoAsked
    )
}

fn table_line(row: &Row) -> String {
    format!(
        "| {} | `{}` | {} | {} |\n",
        in_code(row.from),
        row.event,
        in_code(row.to),
        row.why
    )
}

/// An ended state by its full name, since its text alone is the outcome's.
fn in_code(state: State) -> String {
    format!(
        "`{}`",
        if matches!(state, State::Ended(_)) {
            format!("Ended({state})")
        } else {
            state.to_string()
        }
    )
}

/// A Mermaid diagram; events that lead the same way share an arrow.
fn diagram<'r>(rows: impl Iterator<Item = &'r Row>) -> String {
    let mut arrows: Vec<(State, State, Vec<String>)> = Vec::new();
    for row in rows {
        match arrows
            .iter_mut()
            .find(|(from, to, _)| (*from, *to) == (row.from, row.to))
        {
            Some((_, _, events)) => events.push(row.event.to_string()),
            None => arrows.push((row.from, row.to, vec![row.event.to_string()])),
        }
    }
    let mut drawn: Vec<State> = arrows.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
    drawn.sort();
    drawn.dedup();
    let mut text = String::from("```mermaid\nstateDiagram-v2\n");
    for state in drawn.iter().filter(|state| name(**state) != state.to_string()) {
        writeln!(
            text,
            "    state \"{}\" as {}",
            in_code(*state).trim_matches('`'),
            name(*state)
        )
        .unwrap();
    }
    if drawn.contains(&State::Preflight) {
        text += "    [*] --> Preflight\n";
    }
    for (from, to, events) in arrows {
        writeln!(text, "    {} --> {}: {}", name(from), name(to), events.join(", ")).unwrap();
    }
    for state in drawn.into_iter().filter(|state| matches!(state, State::Ended(_))) {
        writeln!(text, "    {} --> [*]", name(state)).unwrap();
    }
    text + "```\n"
}

/// A name that Mermaid takes.
fn name(state: State) -> String {
    in_code(state)
        .trim_matches('`')
        .replace('(', "_")
        .replace(')', "")
}
