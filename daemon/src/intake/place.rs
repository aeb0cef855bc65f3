//! Where a result belongs: beside its source or in a mirror of its folder, under a name made from a pattern. Names are bytes.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// The longest name that file systems take.
const NAME_BYTES_MAX: usize = 255;

/// `{name}`, `{ext}` and `{fps}` stand for the source's name without its ending, the ending, and the result's rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no pattern of names: it holds {{name}}, may hold {{ext}} and {{fps}}, ends in .mp4 and has no /")]
pub struct PatternError(pub String);

impl Pattern {
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        let rest = ["{name}", "{ext}", "{fps}"].iter().fold(text.to_owned(), |text, field| text.replace(field, ""));
        let hidden = super::name::is_passed_over(text.as_bytes());
        let wrong =
            !text.contains("{name}") || !text.ends_with(".mp4") || hidden || rest.contains(['/', '{', '}', '\0']);
        if wrong { Err(PatternError(text.to_owned())) } else { Ok(Pattern(text.to_owned())) }
    }

    /// Whether an MP4 may keep its name: beside its source there is no room for it.
    pub fn keeps_names(&self) -> bool {
        self.0 == "{name}.mp4"
    }

    fn name(&self, source: &Path, fps: u32) -> OsString {
        let part = |part: Option<&OsStr>| part.map(OsStr::as_bytes).unwrap_or_default().to_vec();
        let (stem, extension) = (part(source.file_stem()), part(source.extension()));
        let fill = |stem: &[u8]| {
            let mut name = Vec::new();
            let mut rest = self.0.as_str();
            while let Some(at) = rest.find('{') {
                name.extend_from_slice(&rest.as_bytes()[..at]);
                rest = &rest[at..];
                let end = rest.find('}').map_or(rest.len(), |end| end + 1);
                match &rest[..end] {
                    "{name}" => name.extend_from_slice(stem),
                    "{ext}" => name.extend_from_slice(&extension),
                    _ => name.extend_from_slice(fps.to_string().as_bytes()),
                }
                rest = &rest[end..];
            }
            name.extend_from_slice(rest.as_bytes());
            name
        };
        // While it is written it has the longer name.
        let name = fill(&stem);
        let over = (name.len() + super::name::PARTIAL.len()).saturating_sub(NAME_BYTES_MAX);
        OsString::from_vec(if over > 0 { fill(&stem[..stem.len().saturating_sub(over)]) } else { name })
    }
}

/// Where a rule's results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Beside,
    /// Into the same subfolder of this folder.
    Mirror(PathBuf),
}

/// The whole path of a result; `source` is below `root`.
pub fn result(output: &Output, pattern: &Pattern, root: &Path, source: &Path, fps: u32) -> PathBuf {
    let root = match output {
        Output::Beside => root,
        Output::Mirror(folder) => folder,
    };
    let folder = source.parent().map_or_else(|| root.to_owned(), |folder| root.join(folder));
    folder.join(pattern.name(source, fps))
}

/// What a file that is written to is called until it is whole.
pub fn partial(whole: &Path) -> PathBuf {
    let mut name = whole.as_os_str().to_owned();
    name.push(super::name::PARTIAL);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_lies_beside_its_source_or_in_the_mirror() {
        let check = |output: &Output, pattern: &str, source: &str, expected: &str| {
            let pattern = Pattern::new(pattern).unwrap();
            assert_eq!(result(output, &pattern, Path::new("/in"), Path::new(source), 60), Path::new(expected));
        };
        let mirror = Output::Mirror("/out".into());
        check(&Output::Beside, "{name}.{fps}fps.mp4", "a.mov", "/in/a.60fps.mp4");
        check(&Output::Beside, "{name}.{fps}fps.mp4", "x/y/a.b.mov", "/in/x/y/a.b.60fps.mp4");
        check(&mirror, "{name}.mp4.mp4", "x/a.mov", "/out/x/a.mp4.mp4");
        check(&mirror, "{name}-{ext}-{fps}.mp4", "a", "/out/a--60.mp4");
        check(&mirror, "{name}{name}.mp4", "a{fps}.mkv", "/out/a{fps}a{fps}.mp4");
    }

    #[test]
    fn bytes_of_a_name_stay_as_they_are_and_a_long_one_is_cut() {
        let pattern = Pattern::new("{name}.{fps}fps.mp4").unwrap();
        let odd = OsStr::from_bytes(b"\xff\xfe \n.mov");
        let made = result(&Output::Beside, &pattern, Path::new("/in"), Path::new(odd), 60);
        assert_eq!(made.as_os_str().as_bytes(), b"/in/\xff\xfe \n.60fps.mp4");
        let long = format!("{}.mp4", "x".repeat(251));
        let made = partial(&result(&Output::Beside, &pattern, Path::new("/in"), Path::new(&long), 60));
        assert_eq!(made.file_name().unwrap().len(), 255);
        assert!(made.as_os_str().as_bytes().ends_with(b"x.60fps.mp4.partial"));
    }

    #[test]
    fn a_pattern_that_could_hide_or_misplace_a_result_is_refused() {
        for wrong in ["", "{name}", "out.mp4", "{name}.mkv", "../{name}.60.mp4", ".{name}.60.mp4", "{nam}{name}.mp4"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
        let keeps = |text: &str| Pattern::new(text).unwrap().keeps_names();
        assert_eq!(["{name}.mp4", "{name}.{fps}.mp4", "{name}-smooth.mp4"].map(keeps), [true, false, false]);
    }
}
