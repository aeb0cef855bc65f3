//! What a program says of the file it was given: its standard error without what is said of the machine.

/// What libgcrypt, which ffmpeg brings, says where a service or a container may not lock memory.
const OF_NO_FILE: &str = "Warning: using insecure memory!";

/// The lines of `stderr` that are about the file; empty where there are none.
pub fn of_the_file(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.trim().lines().filter(|line| line.trim() != OF_NO_FILE).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_locked_memory_is_no_complaint_of_a_file() {
        assert_eq!(of_the_file(b"Warning: using insecure memory!\n"), "");
        assert_eq!(
            of_the_file(b"\n[h264] broken\nWarning: using insecure memory!\n[h264] more\n"),
            "[h264] broken\n[h264] more"
        );
    }
}
