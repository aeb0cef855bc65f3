//! `tweenfarm-agent doctor`: item by item, what a working agent needs and whether it is there.

use crate::{
    config::Config,
    link::{Dial, ToDaemon, refused},
    state_folder::free_bytes,
    worker::{
        messages::DoctorItem,
        program::{Program, ProgramError},
    },
};
use std::{fmt::Write as _, io::IsTerminal, path::Path, time::Duration};

/// A daemon on the local network answers a connection in milliseconds.
const DIAL: Duration = Duration::from_secs(5);

/// Looks at everything. The configuration's items are left out when none was given.
pub async fn examine(program: Result<Program, ProgramError>, config: Option<&Config>) -> Vec<DoctorItem> {
    let mut items = Vec::new();
    match program {
        Ok(program) => {
            items.push(good("worker program", "found beside this program"));
            match program.doctor().await {
                Ok(found) => items.extend(found),
                Err(cause) => {
                    items.push(bad("worker", &cause.to_string(), "run `tweenfarm-worker doctor` to see more"))
                }
            }
        }
        Err(cause) => items.push(bad("worker program", &cause.to_string(), "install both programs of one release")),
    }
    if let Some(config) = config {
        items.push(state_folder(&config.state));
        items.push(disk(config));
        items.push(daemon(config).await);
    }
    items
}

/// Writes a file that has no name, in the folder or where it would be made; makes nothing that stays.
fn state_folder(path: &Path) -> DoctorItem {
    let item = "state folder";
    let existing = nearest_existing(path);
    match tempfile::tempfile_in(existing) {
        Ok(_) if existing == path => good(item, &format!("{} can be written", path.display())),
        Ok(_) => good(item, &format!("{} can be made", path.display())),
        Err(cause) => bad(
            item,
            &format!("{} cannot be written: {cause}", existing.display()),
            "give the agent's user a folder of its own (key 'state')",
        ),
    }
}

/// The folder itself, or the nearest one above it that is there: it lies on the same disk.
fn nearest_existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

fn disk(config: &Config) -> DoctorItem {
    let item = "disk space";
    match free_bytes(nearest_existing(&config.state)) {
        Ok(free) if free >= config.disk_reserve_bytes => good(item, &format!("{} free", human_bytes(free))),
        Ok(free) => bad(
            item,
            &format!("{} free, below the reserve of {}", human_bytes(free), human_bytes(config.disk_reserve_bytes)),
            "free some space, or lower the key 'disk_reserve_bytes'",
        ),
        Err(cause) => bad(item, &format!("cannot be measured: {cause}"), "check the path of the key 'state'"),
    }
}

/// Whether the daemon takes this agent in, and not only its connection.
async fn daemon(config: &Config) -> DoctorItem {
    let item = "daemon";
    let remedy = "start tweenfarmd, set the key 'daemon' to where it is, or join a farm: `tweenfarm-agent join LINE`";
    let way = match ToDaemon::of(config) {
        Ok(way) => way,
        Err(cause) => return bad(item, &cause.to_string(), "join, or set the key 'daemon'"),
    };
    let target = way.target();
    let why = match tokio::time::timeout(DIAL, way.dial()).await {
        Ok(Ok(_)) => return good(item, &format!("{target} takes connections")),
        Ok(Err(cause)) => refused::sentence(&cause),
        Err(_) => format!("no answer within {} s", DIAL.as_secs()),
    };
    bad(item, &format!("{target} cannot be reached: {why}"), remedy)
}

fn good(item: &str, detail: &str) -> DoctorItem {
    DoctorItem { item: item.to_owned(), ok: true, detail: detail.to_owned(), remedy: None }
}

fn bad(item: &str, detail: &str, remedy: &str) -> DoctorItem {
    DoctorItem { item: item.to_owned(), ok: false, detail: detail.to_owned(), remedy: Some(remedy.to_owned()) }
}

/// Whether the agent would work: a remedy that is only advice stands on an item that is in order.
pub fn is_healthy(items: &[DoctorItem]) -> bool {
    items.iter().all(|item| item.ok)
}

/// The items as a person reads them; glyph and word say the same, colour adds nothing.
pub fn report(items: &[DoctorItem], colours: bool) -> String {
    let mut text = String::new();
    let width = items.iter().map(|item| item.item.chars().count()).max().unwrap_or(0);
    for item in items {
        let (mark, code) = if item.ok { ("✓ ok     ", 32) } else { ("✗ failed ", 31) };
        let mark = if colours { format!("\x1b[{code}m{mark}\x1b[0m") } else { mark.to_owned() };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark}  {:width$}  {}", item.item, item.detail);
        if let Some(remedy) = &item.remedy {
            let _ = writeln!(text, "{:width$}  → {remedy}", "", width = 11 + width);
        }
    }
    let missing = items.iter().filter(|item| !item.ok).count();
    let _ = match missing {
        0 => writeln!(text, "\nEverything that is needed is there."),
        1 => writeln!(text, "\n1 item is missing or does not work."),
        _ => writeln!(text, "\n{missing} items are missing or do not work."),
    };
    text
}

/// Colours only for a person at a terminal who did not decline them.
pub fn colours_wanted() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `1.5 GiB`, with one decimal from a KiB up.
pub fn human_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_in_words_what_is_wrong_and_what_to_do() {
        let items = [good("Vulkan loader", "1.3.239"), bad("encoder x264enc", "not there", "install it")];
        let text = report(&items, false);
        assert!(text.contains("✓ ok       Vulkan loader    1.3.239\n"), "{text}");
        assert!(text.contains("✗ failed   encoder x264enc  not there\n"), "{text}");
        assert!(text.contains("→ install it\n") && text.contains("1 item is missing"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
        assert!(report(&items, true).contains("\x1b[31m"));
        assert!(!is_healthy(&items) && is_healthy(&items[..1]));
    }

    #[test]
    fn sizes_are_shown_in_the_unit_that_fits() {
        let check = |bytes, expected: &str| assert_eq!(human_bytes(bytes), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1536, "1.5 KiB");
        check(5 * 1024 * 1024 * 1024, "5.0 GiB");
        check(3 << 41, "6.0 TiB");
    }

    #[tokio::test]
    async fn an_unreachable_daemon_and_a_missing_worker_are_items_with_remedies() {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("agents.sock").display().to_string();
        let state = folder.path().join("state");
        let flags = crate::config::Flags {
            daemon: Some(address.clone()),
            state: Some(state.display().to_string()),
            ..Default::default()
        };
        let config = crate::config::load(None, Some(Default::default()), &flags).unwrap();
        let missing = Program::at(&folder.path().join("nothing-here"));
        let items = examine(Ok(missing), Some(&config)).await;
        let of = |name: &str| items.iter().find(|item| item.item == name).expect(name);
        assert!(!of("daemon").ok && of("daemon").detail.contains(&address));
        assert!(!of("worker").ok && of("worker").remedy.is_some());
        assert!(of("state folder").ok && !state.exists(), "the doctor makes nothing");
    }
}
