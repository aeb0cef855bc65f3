//! What is typed after `:`: the names of the key table, and the few commands that take something with them.

use super::{
    action::Action,
    deeds,
    filter::Filter,
    keys, rows,
    state::State,
    theme::{Theme, ThemeName},
};

/// Commands with something after them, each with what that is.
const WITH_MORE: [(&str, &str); 3] =
    [("filter", "words, !words"), ("job", "ID"), ("theme", "dark, light, high-contrast or mono")];

/// Names that begin so, in order.
pub fn candidates(typed: &str) -> Vec<&'static str> {
    if let Some(begun) = typed.strip_prefix("theme ") {
        return ThemeName::ALL.map(ThemeName::name).into_iter().filter(|name| name.starts_with(begun)).collect();
    }
    let named = keys::TABLE.iter().map(|binding| binding.name).filter(|name| !name.is_empty());
    let mut names: Vec<_> =
        named.chain(WITH_MORE.map(|(name, _)| name)).filter(|name| name.starts_with(typed)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// As far as what is typed can only go on in one way.
pub fn complete(typed: &str) -> String {
    let candidates = candidates(typed);
    let Some(first) = candidates.first() else { return typed.to_owned() };
    let common = candidates.iter().fold(first.len(), |length, name| {
        first.bytes().zip(name.bytes()).take(length).take_while(|(one, other)| one == other).count()
    });
    let before = if typed.starts_with("theme ") { "theme " } else { "" };
    let space = candidates.len() == 1 && before.is_empty() && WITH_MORE.iter().any(|(name, _)| name == first);
    format!("{before}{}{}", &first[..common], if space { " " } else { "" })
}

/// Does it and closes the line, or says what is wrong.
pub fn run(state: &mut State, typed: &str) -> Result<Vec<Action>, String> {
    let (name, more) = typed.trim().split_once(' ').unwrap_or((typed.trim(), ""));
    let more = more.trim();
    match (name, more) {
        ("", _) => {}
        ("filter", words) => {
            state.listing_mut().filter = Filter::new(words);
            rows::fill(state);
        }
        ("theme", name) if !name.is_empty() => {
            let theme = ThemeName::ALL.into_iter().find(|theme| theme.name() == name);
            state.theme = Theme::of(theme.ok_or_else(|| format!("no theme is called {name}: {}", WITH_MORE[2].1))?);
        }
        ("job", id) if !id.is_empty() => {
            let job = id.parse().map_err(|_| format!("'{id}' is no job's id: it is a UUID, as Job shows it"))?;
            deeds::open(state, job);
        }
        (name, _) => {
            let binding = keys::named(name).ok_or_else(|| format!("no command is called {name}: ? lists them"))?;
            if !binding.works_on(state.screen) {
                let on: Vec<_> = binding.on.iter().map(|screen| screen.name()).collect();
                return Err(format!("{name} works on {}", on.join(" and ")));
            }
            state.overlay = None;
            return Ok(deeds::run(state, binding));
        }
    }
    state.overlay = None;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::{super::seeded, *};

    #[test]
    fn tab_goes_as_far_as_there_is_one_way_on() {
        let check = |typed: &str, expected: &str| assert_eq!(complete(typed), expected, "{typed}");
        check("que", "queue");
        check("ca", "cancel");
        check("re", "re");
        check("rer", "reread");
        check("th", "theme ");
        check("theme h", "theme high-contrast");
        check("fi", "filter ");
        check("nonsense", "nonsense");
    }

    #[test]
    fn a_command_is_done_or_says_what_is_wrong() {
        let mut state = seeded::state(80, 24);
        let wrong = |state: &mut State, typed: &str| run(state, typed).expect_err(typed);
        assert!(wrong(&mut state, "dance").contains("no command is called dance"));
        assert!(wrong(&mut state, "grant").contains("works on Balances"));
        assert!(wrong(&mut state, "theme pink").contains("high-contrast"));
        assert!(wrong(&mut state, "job 7").contains("UUID"));
        assert_eq!(run(&mut state, "theme light"), Ok(Vec::new()));
        assert_eq!(state.theme.name, ThemeName::Light);
        assert_eq!(run(&mut state, "queue"), Ok(Vec::new()));
        assert_eq!(run(&mut state, "filter failed"), Ok(Vec::new()));
        assert!(state.listing().rows.len() < state.listing().count);
        assert_eq!(run(&mut state, "quit"), Ok(vec![Action::Quit]));
    }
}
