//! Where the built programs are. Nothing is built here.

use anyhow::{Context, Result, bail};
use std::{
    env,
    path::{Path, PathBuf},
};

/// Names the folder with the programs, for those who keep them elsewhere.
pub const FOLDER_VARIABLE: &str = "TWEENFARM_BIN_DIR";

/// Finds a program in `TWEENFARM_BIN_DIR`, else beside the running one, else (a test) one folder above it.
pub fn find(name: &str) -> Result<PathBuf> {
    let given = env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
    let own = env::current_exe().context("find the running program")?;
    find_in(name, given.as_deref(), &own)
}

fn find_in(name: &str, given: Option<&Path>, own: &Path) -> Result<PathBuf> {
    let folders: Vec<&Path> = match given {
        Some(folder) => vec![folder],
        None => own.ancestors().skip(1).take(2).collect(),
    };
    if let Some(found) = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()) {
        return Ok(found);
    }
    let searched: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let profile = if own.components().any(|part| part.as_os_str() == "release") { " --release" } else { "" };
    bail!(
        "{name} is not in {}: build the programs first (cargo build{profile} --workspace --bins), \
         or name their folder in {FOLDER_VARIABLE}",
        searched.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_beside_a_program_and_above_a_test() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let program = folder.path().join("tweenfarmd");
        std::fs::write(&program, "").expect("write");
        for own in ["tweenfarm-demo", "deps/render-1234"] {
            assert_eq!(find_in("tweenfarmd", None, &folder.path().join(own)).expect("it is there"), program);
        }
    }

    #[test]
    fn a_missing_program_says_what_to_build() {
        let refusal = find_in("tweenfarmd", None, Path::new("/target/release/tweenfarm-demo")).expect_err("not there");
        assert!(refusal.to_string().contains("cargo build --release --workspace --bins"), "{refusal}");
        let refusal = find_in("tweenfarmd", Some(Path::new("/elsewhere")), Path::new("/a/b")).expect_err("not there");
        assert!(refusal.to_string().contains("not in /elsewhere:"), "{refusal}");
    }
}
