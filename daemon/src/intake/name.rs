//! Names of files that somebody is still writing, or that are nobody's clips: known by their names alone. Names are bytes.

/// What the result is called until it is proven and renamed.
pub const PARTIAL: &str = ".partial";
/// Ends the name of the text that tells why a file is in quarantine, where a rule asks for one.
pub const ERROR_NOTE: &str = ".tweenfarm-error.txt";

/// Endings that browsers, download managers, file managers and copying tools give a file until it is whole.
const UNFINISHED: [&str; 14] = [
    ".part",
    PARTIAL,
    ".crdownload",
    ".download",
    ".opdownload",
    ".filepart",
    ".tmp",
    ".temp",
    ".!ut",
    ".!qb",
    ".bc!",
    ".aria2",
    ".swp",
    "~",
];

/// Whether a file or folder of this name is passed over. Hidden ones are: rsync writes to `.name.XXXXXX`.
pub fn is_passed_over(name: &[u8]) -> bool {
    let ends = |ending: &str| {
        name.len() >= ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending.as_bytes())
    };
    name.first().is_none_or(|first| *first == b'.' || *first == b'~')
        || UNFINISHED.into_iter().any(ends)
        || ends(ERROR_NOTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_unfinished_files_are_passed_over_and_all_others_are_not() {
        let check = |name: &[u8], expected| assert_eq!(is_passed_over(name), expected, "{}", name.escape_ascii());
        for unfinished in [
            "a.mp4.part",
            "a.mp4.PART",
            "a.mp4.crdownload",
            "a.tmp",
            "a.mp4~",
            "~$a.mp4",
            ".a.mp4",
            ".a.mp4.Xy12Zq",
            "a.60fps.mp4.partial",
            "a.mp4.filepart",
            "a.mp4.!qB",
            "a.mp4.tweenfarm-error.txt",
            "",
            ".",
            "..",
        ] {
            check(unfinished.as_bytes(), true);
        }
        for whole in ["a.mp4", "part.mp4", "a.part.mp4", "tmp", "a b ü.mov", "a~b.mkv", "partial"] {
            check(whole.as_bytes(), false);
        }
        check(b"\xff\xfe.mp4", false);
        check(b"\xff\xfe.part", true);
    }
}
