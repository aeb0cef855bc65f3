//! How much of the processors other programs use: all that is used, less what the agent and all it started use.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
};

/// Processor time since the machine started, in the kernel's ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// Of all processors together, idle time included.
    pub passed: u64,
    pub used: u64,
    /// Of this program and all that came of it.
    pub own: u64,
}

/// Of the processors' time between two looks, what others used: 0..=100.
pub fn others_percent(before: Ticks, now: Ticks) -> u32 {
    let passed = now.passed.saturating_sub(before.passed);
    let used = now.used.saturating_sub(before.used);
    // What a program used goes with it when it ends: its own part may shrink.
    let own = now.own.saturating_sub(before.own);
    let percent = 100 * used.saturating_sub(own) / passed.max(1);
    u32::try_from(percent.min(100)).unwrap_or(100)
}

/// As /proc tells it.
pub fn look() -> io::Result<Ticks> {
    let (passed, used) = of_machine(&fs::read_to_string("/proc/stat")?).ok_or(io::ErrorKind::InvalidData)?;
    let mut programs = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // One that ended meanwhile is not missed.
        let Ok(text) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        if let Some(program) = of_program(&text) {
            programs.insert(id, program);
        }
    }
    Ok(Ticks { passed, used, own: with_descendants(std::process::id(), &programs) })
}

/// Passed and used, of the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
fn of_machine(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|ticks| ticks.parse().ok()).collect();
    let passed = ticks.iter().sum();
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some((passed, u64::checked_sub(passed, idle)?))
}

/// Parent and ticks used, of /proc/PID/stat. The name in it stands in parentheses and may hold anything.
fn of_program(text: &str) -> Option<(u32, u64)> {
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let (user, system): (u64, u64) = (fields.nth(9)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((parent, user + system))
}

fn with_descendants(of: u32, programs: &HashMap<u32, (u32, u64)>) -> u64 {
    let mut own = HashSet::from([of]);
    loop {
        let found: Vec<u32> = programs
            .iter()
            .filter(|(id, (parent, _))| own.contains(parent) && !own.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if found.is_empty() {
            return programs.iter().filter(|(id, _)| own.contains(id)).map(|(_, (_, ticks))| ticks).sum();
        }
        own.extend(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_use_is_all_that_is_used_less_our_own() {
        let before = Ticks { passed: 1_000, used: 500, own: 100 };
        let check = |used, own, expected| {
            assert_eq!(others_percent(before, Ticks { passed: 1_200, used, own }), expected);
        };
        check(700, 300, 0);
        check(700, 100, 100);
        check(600, 150, 25);
        check(500, 100, 0);
        check(600, 0, 50);
        assert_eq!(others_percent(before, before), 0);
    }

    #[test]
    fn the_kernels_lines_are_read() {
        assert_eq!(of_machine("cpu  10 1 5 80 4 0 0 0 7 7\ncpu0 1 1 1 1\n"), Some((100, 16)));
        assert_eq!(of_machine("intr 1"), None);
        let line = "42 (a b) c) S 7 42 42 0 -1 4194560 1 0 0 0 30 12 0 0 20 0";
        assert_eq!(of_program(line), Some((7, 42)));
        let programs = HashMap::from([(1, (0, 5)), (7, (1, 10)), (42, (7, 20)), (43, (42, 40)), (9, (1, 80))]);
        assert_eq!(with_descendants(7, &programs), 70);
        assert!(look().unwrap().passed > 0);
    }
}
