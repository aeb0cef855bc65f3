//! Every key of the table does something on every screen it is for, and what cannot be taken back only asks.

use crate::console::{
    action::{Action, AgentOrder, Asked},
    event::Event,
    keys::{Deed, Press, TABLE},
    overlay::Overlay,
    seeded,
    state::{Screen, State},
    update, view,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};
use tweenfarm_protocol::operator::{Me, Role};

pub fn press(state: &mut State, key: KeyEvent) -> Vec<Action> {
    let actions = update::update(state, Event::Key(key));
    update::settle(state);
    actions
}

/// `jj<enter>` and the like: letters as they are, names in angle brackets.
pub fn script(state: &mut State, keys: &str) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut rest = keys;
    while let Some(letter) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (key, after) = match named {
            Some((name, after)) => (named_key(name), after),
            None => (Press::Letter(letter).event(), &rest[letter.len_utf8()..]),
        };
        actions.extend(press(state, key));
        rest = after;
    }
    actions
}

fn named_key(name: &str) -> KeyEvent {
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "space" => KeyCode::Char(' '),
        "right" => KeyCode::Right,
        name => panic!("the script names no key {name}"),
    };
    KeyEvent::new(code, KeyModifiers::NONE)
}

pub fn picture(state: &State) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(state.width, state.height)).expect("a terminal in memory");
    terminal.draw(|frame| view::draw(state, frame)).expect("memory takes every picture");
    terminal.backend().buffer().clone()
}

#[test]
fn every_key_of_the_help_does_something_on_its_screens() {
    for binding in TABLE {
        for screen in Screen::ALL.into_iter().filter(|screen| binding.works_on(*screen)) {
            for key in binding.presses {
                let mut state = seeded::state(80, 24);
                // Where every key has something to move away from.
                state.follow = screen != Screen::Events && screen != Screen::Job;
                script(&mut state, &(if screen == Screen::Farm { "2".to_owned() } else { "1".to_owned() }));
                press(&mut state, Press::Letter(char::from(b'1' + screen.place() as u8)).event());
                script(&mut state, "jj");
                match binding.deed {
                    Deed::Back => drop(script(&mut state, "/gpu<enter>")),
                    Deed::Show(shown) if shown == screen => continue,
                    Deed::Left if screen == Screen::Job => drop(script(&mut state, "l")),
                    _ => {}
                }
                if matches!(binding.deed, Deed::Enter) && screen == Screen::Events {
                    script(&mut state, "g");
                }
                state.notice = None;
                let before = picture(&state);
                let actions = press(&mut state, key.event());
                let changed = picture(&state) != before || !actions.is_empty();
                let moves = matches!(
                    binding.deed,
                    Deed::Down | Deed::Up | Deed::PageDown | Deed::PageUp | Deed::First | Deed::Last
                );
                let nowhere = moves && state.listing().rows.len() < 4;
                assert!(changed || nowhere, "{} ({:?}) on {} does nothing", key.name(), binding.deed, screen.name());
            }
        }
    }
}

#[test]
fn no_key_alone_changes_anything_that_cannot_be_taken_back() {
    for binding in TABLE {
        for screen in Screen::ALL.into_iter().filter(|screen| binding.works_on(*screen)) {
            let mut state = seeded::state(80, 24);
            press(&mut state, Press::Letter(char::from(b'1' + screen.place() as u8)).event());
            let actions = press(&mut state, binding.presses[0].event());
            for action in actions {
                let harmless = match &action {
                    Action::Ask(asked) => match asked {
                        Asked::Sweep { dry_run } => *dry_run,
                        // Another key takes these back, and nothing is lost by them.
                        Asked::Pin { .. } | Asked::PauseJob { .. } | Asked::Watched { .. } => true,
                        Asked::PauseQueue { paused } => !paused,
                        Asked::Order { order, .. } => *order != AgentOrder::Pause,
                        _ => false,
                    },
                    Action::Reread | Action::Mouse(_) | Action::Quit => true,
                };
                assert!(harmless, "{} on {} asks at once for {action:?}", binding.presses[0].name(), screen.name());
            }
        }
    }
}

#[test]
fn a_job_is_cancelled_by_a_question_that_offers_no() {
    let mut state = seeded::state(80, 24);
    assert_eq!(script(&mut state, "2c<enter>"), [], "the answer that is offered is no");
    assert!(state.overlay.is_none());
    let actions = script(&mut state, "cy");
    assert_eq!(actions, [Action::Ask(Asked::Cancel(seeded::job_id(39)))]);
    let actions = script(&mut state, "c<right><enter>");
    assert_eq!(actions.len(), 1, "chosen by an arrow");
}

#[test]
fn what_is_marked_is_acted_on_together_and_what_has_ended_is_left_out() {
    let mut state = seeded::state(80, 24);
    script(&mut state, "2<space><space><space>");
    script(&mut state, "G<space>c");
    let Some(Overlay::Question(question)) = &state.overlay else { panic!("a question") };
    assert_eq!(question.asks.len(), 3, "the oldest job has ended");
    script(&mut state, "n<esc>");
    assert!(state.listing().marks.is_empty(), "esc takes the marks away");
}

#[test]
fn an_account_is_given_xeconds_by_keys_alone() {
    let mut state = seeded::state(80, 24);
    let actions = script(&mut state, "4a250<enter>a gift<enter><enter>");
    assert_eq!(actions, [], "the effect is shown first");
    let Some(Overlay::Question(question)) = &state.overlay else { panic!("a question") };
    assert!(question.lines.contains(&"balance 976 +250 = 1226".to_owned()), "{question:?}");
    let actions = script(&mut state, "y");
    assert!(matches!(&actions[..], [Action::Ask(Asked::Grant { reason, .. })] if reason == "a gift"), "{actions:?}");
    assert_eq!(state.asked.len(), 1, "the foot says what the daemon is asked");
}

#[test]
fn a_filter_narrows_while_it_is_typed_and_esc_brings_all_back() {
    let mut state = seeded::state(80, 24);
    script(&mut state, "2/failed");
    assert_eq!(state.listing().rows.len(), 1);
    script(&mut state, "<enter><esc>");
    assert_eq!(state.listing().rows.len(), 40);
    script(&mut state, "/!done");
    assert_eq!(state.listing().rows.len(), 7);
    script(&mut state, "<esc>");
    assert_eq!(state.listing().rows.len(), 40);
}

#[test]
fn a_viewer_is_told_which_role_an_act_takes() {
    let mut state = seeded::state(80, 24);
    let me = Me { name: "eve".to_owned(), role: Role::Viewer };
    update::update(&mut state, Event::Told { at: seeded::NOW, told: Box::new(crate::console::event::Told::Me(me)) });
    assert_eq!(script(&mut state, "2c"), []);
    assert!(state.overlay.is_none());
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("takes the role operator")));
}

#[test]
fn enter_opens_the_job_and_esc_goes_back_to_where_it_was_opened() {
    let mut state = seeded::state(80, 24);
    script(&mut state, "2jjj<enter>");
    assert_eq!((state.screen, state.job), (Screen::Job, Some(seeded::job_id(36))));
    script(&mut state, "<esc>");
    assert_eq!(state.screen, Screen::Queue);
    script(&mut state, "3<enter><esc>");
    assert_eq!(state.screen, Screen::Workers, "the job that a worker has in hand");
    script(&mut state, &format!(":job {}<enter>", seeded::job_id(7)));
    assert_eq!(state.job, Some(seeded::job_id(7)));
}

#[test]
fn the_picture_of_a_job_is_still_there_when_another_was_opened_in_between() {
    let mut state = seeded::state(80, 24);
    script(&mut state, "8i");
    assert!(matches!(state.overlay, Some(Overlay::Picture)) && state.fitted.is_some());
    script(&mut state, &format!("<esc>:job {}<enter>i", seeded::job_id(7)));
    assert!(state.overlay.is_none() && state.fitted.is_none(), "it is not the other one's");
    script(&mut state, &format!(":job {}<enter>i", seeded::job_id(37)));
    assert!(matches!(state.overlay, Some(Overlay::Picture)) && state.fitted.is_some());
}

#[test]
fn what_is_pasted_is_one_line_and_never_a_command() {
    let mut state = seeded::state(80, 24);
    update::update(&mut state, Event::Paste("2cy\n".to_owned()));
    assert_eq!(state.screen, Screen::Farm, "outside of a line a paste does nothing");
    script(&mut state, "2/");
    update::update(&mut state, Event::Paste("hol\nid\x1bay".to_owned()));
    assert_eq!(state.listing().filter.text(), "holiday");
}

#[test]
fn an_agent_is_drained_by_one_key_and_paused_by_a_question() {
    let mut state = seeded::state(80, 24);
    let agent = seeded::agent_id(0);
    assert_eq!(script(&mut state, "3d"), [Action::Ask(Asked::Order { agent, order: AgentOrder::Drain })]);
    assert_eq!(script(&mut state, "p<enter>"), [], "what it has in hand would be begun anew");
    assert_eq!(script(&mut state, "py"), [Action::Ask(Asked::Order { agent, order: AgentOrder::Pause })]);
    assert_eq!(script(&mut state, "o"), [Action::Ask(Asked::Order { agent, order: AgentOrder::Resume })]);
}

#[test]
fn a_cancelling_is_undone_with_what_it_costs_said_first() {
    let mut state = seeded::state(80, 24);
    assert_eq!(script(&mut state, "2/cancelled<enter>u"), []);
    let Some(Overlay::Question(question)) = &state.overlay else { panic!("a question") };
    assert!(question.lines[1].contains("are charged again"), "{question:?}");
    assert_eq!(script(&mut state, "y"), [Action::Ask(Asked::UndoCancel(seeded::job_id(33)))]);
    script(&mut state, "<esc>g");
    script(&mut state, "u");
    assert!(state.overlay.is_none(), "a job under way has nothing to undo");
}

#[test]
fn a_failed_job_is_tried_again_with_what_it_costs_said_first() {
    let mut state = seeded::state(80, 24);
    assert_eq!(script(&mut state, "2/failed<enter>t"), []);
    let Some(Overlay::Question(question)) = &state.overlay else { panic!("a question") };
    assert!(question.lines[1].contains("are charged again"), "{question:?}");
    assert_eq!(script(&mut state, "<enter>"), [], "the answer that is offered is no");
    assert_eq!(script(&mut state, "ty"), [Action::Ask(Asked::Retry(seeded::job_id(34)))]);
    script(&mut state, "<esc>gt");
    assert!(state.overlay.is_none(), "a job under way has not failed");
}

#[test]
fn a_priority_is_set_for_all_marked_jobs_and_nonsense_is_refused() {
    let mut state = seeded::state(80, 24);
    assert_eq!(script(&mut state, "2<space><space>+high<enter>"), []);
    assert!(matches!(&state.overlay, Some(Overlay::Form(form)) if form.wrong.is_some()));
    let actions = script(&mut state, "<esc>+20<enter>");
    assert!(
        matches!(&actions[..], [Action::Ask(Asked::Prioritise { priority: 20, .. }), Action::Ask(_)]),
        "{actions:?}"
    );
}
