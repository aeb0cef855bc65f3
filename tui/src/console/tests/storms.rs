//! Much at once: many rows, many events, many sizes. What is counted is work, never time.

use super::keys::{picture, script};
use crate::console::{
    event::{Event, Told},
    facts::EVENTS_KEPT,
    link::stream::Lines,
    seeded, update,
};
use std::time::{Duration, Instant};

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

/// For docs/benchmarks.md: `cargo test --release -p tweenfarm-tui --bin tweenfarm figures -- --ignored --nocapture`.
#[test]
#[ignore = "prints how long things take; it holds for nothing"]
fn figures_of_a_farm_of_ten_thousand_jobs_and_five_hundred_workers() {
    let mut state = seeded::sized(120, 40, 10_000, 500);
    let per = |what: &str, count: u32, work: &mut dyn FnMut(u32)| {
        let began = Instant::now();
        (0..count).for_each(&mut *work);
        println!("{what}: {:.1} us", began.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    };
    for (name, keys) in [("Farm", "1"), ("Queue", "2"), ("Workers", "3"), ("Events", "7"), ("Job", "8")] {
        script(&mut state, keys);
        per(&format!("a picture of {name}"), 200, &mut |_| drop(picture(&state)));
    }
    script(&mut state, "2");
    per("rows of 10,000 jobs made anew", 50, &mut |_| {
        state.stale = true;
        update::settle(&mut state);
    });
    script(&mut state, "/failed !ann<enter>");
    per("the same through a filter", 50, &mut |_| {
        state.stale = true;
        update::settle(&mut state);
    });
    let rows = seeded::jobs(10_000);
    per("10,000 jobs read again", 20, &mut |_| {
        let told = Box::new(Told::Jobs(rows.clone()));
        update::update(&mut state, Event::Told { at: seeded::NOW, told });
    });
    script(&mut state, "<esc>7");
    let text: String = (0..50_000)
        .map(|number| {
            let row = seeded::event(number);
            format!("id: {}\nevent: {}\ndata: {}\n\n", row.id, row.kind, serde_json::json!(row))
        })
        .collect();
    let (began, mut lines, mut pictures) = (Instant::now(), Lines::default(), 0);
    let mut drawn = Instant::now();
    // As they come from the socket, with ten pictures a second drawn meanwhile.
    for bytes in text.as_bytes().chunks(16_384) {
        let told = Box::new(Told::Events(lines.take(bytes).0));
        update::update(&mut state, Event::Told { at: seeded::NOW, told });
        if drawn.elapsed() >= Duration::from_millis(100) {
            update::settle(&mut state);
            picture(&state);
            (drawn, pictures) = (Instant::now(), pictures + 1);
        }
    }
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    println!(
        "50,000 events, {} MB: {milliseconds:.0} ms, {pictures} pictures: {:.0} events a millisecond",
        text.len() / 1_000_000,
        50_000.0 / milliseconds
    );
}
