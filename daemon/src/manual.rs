//! A program's own words on its command line, as a manual page and as what makes a shell complete it.

use clap::{Args, Command};
use clap_complete::Shell;
use std::{io, path::PathBuf};

/// Flags that print and stop.
#[derive(Args, Clone, Debug, Default)]
pub struct ManualFlags {
    /// Write the manual page into this folder and stop
    #[arg(long, value_name = "FOLDER")]
    man: Option<PathBuf>,
    /// Print what makes a shell complete this command line and stop
    #[arg(long, value_name = "SHELL")]
    completions: Option<Shell>,
}

impl ManualFlags {
    /// Whether something was asked for; then it is written by now.
    pub fn answer(&self, mut command: Command) -> io::Result<bool> {
        if let Some(folder) = &self.man {
            std::fs::create_dir_all(folder)?;
            clap_mangen::Man::new(command.clone()).section("8").generate_to(folder)?;
        }
        if let Some(shell) = self.completions {
            let name = command.get_name().to_owned();
            clap_complete::generate(shell, &mut command, name, &mut io::stdout());
        }
        Ok(self.man.is_some() || self.completions.is_some())
    }
}
