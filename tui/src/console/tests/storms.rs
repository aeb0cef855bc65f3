//! Much at once: many rows, many events, many sizes. What is counted is work, never time.

use super::keys::{picture, script};
use crate::console::{
    event::{Event, Told},
    facts::EVENTS_KEPT,
    seeded, update,
};
use std::time::Duration;

#[test]
fn ten_thousand_jobs_and_five_hundred_workers_are_scrolled_filtered_and_marked() {
    let mut state = seeded::sized(120, 40, 10_000, 500);
    script(&mut state, "2");
    assert_eq!(state.listing().rows.len(), 10_000);
    script(&mut state, "Gk<space>");
    assert_eq!(state.listing().cursor(), 9_999);
    picture(&state);
    script(&mut state, "g/wedding !done<enter>");
    assert!(!state.listing().rows.is_empty() && state.listing().rows.len() < 10);
    script(&mut state, "3G");
    assert_eq!(state.listing().rows.len(), 499, "one agent was put out and has no workers: a line of its own");
    picture(&state);
}

#[test]
fn a_storm_of_events_keeps_the_newest_and_makes_the_table_once() {
    let mut state = seeded::state(80, 24);
    script(&mut state, "7");
    for batch in 0..200 {
        let events = (0..50).map(|number| seeded::event(batch * 50 + number)).collect();
        update::update(&mut state, Event::Told { at: seeded::NOW, told: Box::new(Told::Events(events)) });
        assert!(state.stale, "the rows are made when they are needed");
    }
    update::settle(&mut state);
    assert_eq!(state.listing().rows.len(), EVENTS_KEPT);
    assert_eq!(state.listing().cursor(), EVENTS_KEPT - 1, "it follows the newest");
}

#[test]
fn a_storm_of_sizes_leaves_the_cursor_on_the_screen() {
    let mut state = seeded::state(120, 40);
    script(&mut state, "2jjjjjjjjjjjjjjj");
    let on = state.listing().selected();
    for step in 0..400_u16 {
        let (width, height) = (1 + step * 37 % 220, 1 + step * 17 % 70);
        update::update(&mut state, Event::Resized { width, height });
        update::settle(&mut state);
        picture(&state);
        assert_eq!(state.listing().selected(), on);
    }
}

#[test]
fn what_is_told_twice_and_a_clock_that_ticks_draw_nothing() {
    let mut state = seeded::state(80, 24);
    update::settle(&mut state);
    state.dirty = false;
    for told in seeded::told(40, 10) {
        if !matches!(told, Told::Events(_)) {
            update::update(&mut state, Event::Told { at: seeded::NOW, told: Box::new(told) });
        }
    }
    for second in 1..5 {
        update::update(&mut state, Event::Tick(seeded::NOW.plus(Duration::from_secs(second))));
    }
    assert!(!state.dirty);
}
