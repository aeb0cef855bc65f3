//! Watch folders as text: the rules with how many files stand where, and the files that one looks for.

use super::table;
use tweenfarm_protocol::operator::{WatchFileRow, WatchOrder, WatchOrdered, WatchRuleRow, WatchState, WatchView};

pub fn watch(view: &WatchView, wanted: Option<WatchState>) -> String {
    let Some(watcher) = &view.watcher else {
        return "no watcher has called since the daemon started: start tweenfarm-watch".to_owned();
    };
    let mut text = if watcher.connected {
        String::new()
    } else {
        format!("the watcher is gone, it last called at {}\n\n", watcher.heard_at)
    };
    let head = [
        "RULE",
        "FOLDER",
        "TARGET",
        "ACCOUNT",
        "SETTLING",
        "WAITING",
        "WORKING",
        "RETRYING",
        "QUARANTINED",
        "SKIPPED",
        "DONE",
    ];
    text += &table(head, view.rules.iter().map(of_rule));
    for rule in &view.rules {
        if let Some(trouble) = &rule.trouble {
            text += &format!("\nnothing is taken by {}: {trouble}", rule.rule);
        }
    }
    let shown = |file: &&WatchFileRow| match wanted {
        Some(wanted) => file.state == wanted,
        // What is over, and went well, is asked for by its name.
        None => !matches!(file.state, WatchState::Done | WatchState::Skipped),
    };
    let files: Vec<&WatchFileRow> = view.files.iter().filter(shown).collect();
    if !files.is_empty() {
        text += "\n\n";
        text += &table(["FILE", "RULE", "STATE", "SINCE", "TRIES", "PATH", "WHAT"], files.into_iter().map(of_file));
    }
    text
}

fn of_rule(rule: &WatchRuleRow) -> [String; 11] {
    let WatchRuleRow { settling, waiting, working, retrying, quarantined, skipped, done, .. } = rule;
    let [settling, waiting, working, retrying, quarantined, skipped, done] =
        [settling, waiting, working, retrying, quarantined, skipped, done].map(u64::to_string);
    let (name, folder) = (rule.rule.clone(), plain(&rule.folder));
    let (target, account) = (rule.target.clone(), rule.account.clone());
    [name, folder, target, account, settling, waiting, working, retrying, quarantined, skipped, done]
}

fn of_file(file: &WatchFileRow) -> [String; 7] {
    let progress = file.progress_percent.map(|percent| format!("{percent} %"));
    let what = file.reason.clone().or(progress).or_else(|| file.doing.clone()).or_else(|| file.output.clone());
    [
        file.file.clone(),
        file.rule.clone(),
        file.state.name().to_owned(),
        file.since.clone(),
        file.tries.to_string(),
        plain(&file.path),
        plain(&what.unwrap_or_default()),
    ]
}

pub fn watch_ordered(ordered: &WatchOrdered) -> String {
    let what = match ordered.order {
        WatchOrder::Release => "is let out of quarantine",
        WatchOrder::Retry => "is made once more",
    };
    format!("{} {what}; the watcher hears of it within seconds", ordered.file)
}

/// A name may hold what moves a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::operator::WatcherRow;

    #[test]
    fn a_list_shows_what_needs_somebody_and_what_is_asked_for() {
        let file = |path: &str, state| WatchFileRow {
            file: "0".repeat(32),
            rule: "clips".into(),
            path: path.into(),
            state,
            since: "2026-07-01T10:04:30Z".into(),
            size_bytes: 1,
            doing: None,
            job: None,
            progress_percent: None,
            tries: 1,
            reason: Some("no video".into()),
            retry_at: None,
            output: None,
        };
        let row = |connected| WatcherRow {
            version: "1".into(),
            started_at: String::new(),
            heard_at: "noon".into(),
            connected,
        };
        let rule =
            WatchRuleRow { rule: "clips".into(), trouble: Some("not mounted".into()), ..WatchRuleRow::default() };
        let files = vec![file("bad\u{1b}[2J.mp4", WatchState::Quarantined), file("good.mp4", WatchState::Done)];
        let view =
            |connected| WatchView { watcher: Some(row(connected)), rules: vec![rule.clone()], files: files.clone() };
        let all = watch(&view(true), None);
        assert!(all.contains("nothing is taken by clips: not mounted") && all.contains("bad\u{fffd}[2J.mp4"), "{all}");
        assert!(!all.contains("good.mp4") && watch(&view(true), Some(WatchState::Done)).contains("good.mp4"));
        assert!(watch(&view(false), None).starts_with("the watcher is gone, it last called at noon"));
        assert!(watch(&WatchView::default(), None).contains("start tweenfarm-watch"));
    }
}
