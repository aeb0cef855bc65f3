//! What a refusal must be for a person to understand it: a sentence, not the inside of a program.

/// Marks of text that was never meant for people.
const INSIDES: [&str; 12] =
    ["panicked", "unwrap", "Err(", "Some(", "None", "Error {", "::", "0x", "/tmp", "/var", "errno", "\n"];

/// Why a text is no sentence for people; `None` when it is one.
pub fn flaw(text: &str) -> Option<String> {
    if text.split_whitespace().count() < 3 {
        return Some(format!("'{text}' says too little"));
    }
    if text.len() > 400 {
        return Some(format!("'{text}' is too long to be read"));
    }
    let inside = INSIDES.iter().find(|inside| text.contains(**inside))?;
    Some(format!("'{text}' shows {inside:?}, the inside of a program"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inside_of_a_program_is_no_sentence() {
        assert_eq!(flaw("target_fps must be greater than the source fps (59.94)"), None);
        assert_eq!(flaw("Need 240 xeconds, have 120"), None);
        for text in
            ["bad", "could not open /tmp/x for reading", "Probe failed: Os { code: 2, kind: Err(NotFound) }", ""]
        {
            assert!(flaw(text).is_some(), "{text}");
        }
    }
}
