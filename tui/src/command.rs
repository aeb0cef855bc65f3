//! The command line: what can be asked, and in which words.

use crate::{console::ThemeName, submit::Submit, up::Up};
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use tweenfarm_protocol::{
    AccountId, JobId, KeyId, Xeconds,
    operator::{Role, WatchState},
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused: the daemon said no, or `doctor` found something to be done
  2  misused: the command line is wrong, or there is no terminal for the console
  3  unreachable: no daemon, or none that answers
  4  the job that was waited for failed or was cancelled";

/// Operate a Tweenfarm: without a command, in a full-screen console
#[derive(Debug, Parser)]
#[command(name = "tweenfarm", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Socket of the daemon's operator API. Without one: /run/tweenfarm/operator.sock, or that of `tweenfarm up`
    #[arg(long, global = true, env = "TWEENFARM_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// A daemon elsewhere, in place of the one in the pass
    #[arg(long, global = true, value_name = "https://HOST:PORT")]
    pub daemon: Option<String>,
    /// File with the pass that `tweenfarm operators add NAME` printed
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The pass itself
    #[arg(long, hide = true, env = "TWEENFARM_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Colours of the console; NO_COLOR makes it mono
    #[arg(long, value_enum)]
    pub theme: Option<ThemeName>,
    /// For tests: panic with the console on the screen
    #[cfg(debug_assertions)]
    #[arg(long, hide = true)]
    pub panic: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Ask(Ask),
    /// Run a whole farm on this machine: daemon and agent, until Ctrl-C
    Up(Up),
    /// Give the farm a clip, as a customer, and wait for its result if asked to
    Submit(Submit),
    /// Print a job's story, or what happens in the farm
    Logs {
        /// Without one: everything, as it happens
        #[arg(required_unless_present = "follow")]
        job: Option<JobId>,
        /// Go on until the job has ended; without a job, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
    },
    /// Copy accounts, ledger, jobs and the farm's keys into one file while the daemon runs; clips are not in it
    Backup {
        /// A new file, which only its owner can read
        file: PathBuf,
    },
    /// Make a state folder from a backup, for a daemon that is not running
    Restore {
        file: PathBuf,
        /// An empty or a new one
        #[arg(long, value_name = "FOLDER")]
        state_folder: PathBuf,
    },
    /// Say whether the farm is well and, if not, what to do
    Doctor,
    /// Print what makes a shell complete this command line
    Completions { shell: clap_complete::Shell },
    /// Write the manual pages
    Man {
        /// Into this folder, one page for each command
        folder: PathBuf,
    },
}

/// What is one question to the daemon and its answer.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// Add or list accounts
    Users {
        #[command(subcommand)]
        command: Users,
    },
    /// Give an account xeconds
    Grant {
        /// Id or e-mail address
        account: AccountName,
        #[arg(value_parser = xeconds)]
        xeconds: Xeconds,
        /// Why: it stays in the ledger
        #[arg(long)]
        reason: String,
        /// What it counts as: paid credit makes the account a paying one
        #[arg(long, value_enum, default_value = "paid")]
        kind: Kind,
    },
    /// Correct an account's balance, up or down, never below 0
    Adjust {
        /// Id or e-mail address
        account: AccountName,
        #[arg(allow_negative_numbers = true, value_parser = xeconds)]
        xeconds: Xeconds,
        /// Why: it stays in the ledger
        #[arg(long)]
        reason: String,
    },
    /// Show every change of an account's xeconds with the balance after it
    Ledger {
        /// Id or e-mail address
        account: AccountName,
    },
    /// Make, list and revoke an account's API keys
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// List jobs, newest first
    Jobs {
        /// How many, at most 1000
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one job
    Job { job: JobId },
    /// Cancel a job and refund it in full
    Cancel { job: JobId },
    /// Undo a cancelling: charge again, go on with what was rendered
    Undo { job: JobId },
    /// Make a failed job once more: charges again, under the same id
    Retry { job: JobId },
    /// Hand out nothing new: of one job, or of the whole queue
    Pause { job: Option<JobId> },
    /// Let a paused job, or the whole queue, go on
    Resume { job: Option<JobId> },
    /// Set a job's priority among those of its account
    Priority {
        job: JobId,
        /// -100 to 100; jobs are submitted with 0
        #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
        priority: i32,
    },
    /// Set an account's share of the farm beside other accounts
    Weight {
        /// Id or e-mail address
        account: AccountName,
        /// 1 to 1000; accounts begin with 1
        #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
        weight: u32,
    },
    /// Let an agent finish what it has in hand and give it nothing new
    Drain {
        /// Its name or its id
        agent: String,
    },
    /// Delete files past their time now; the daemon does so every hour by itself
    Sweep {
        /// Only say what would be deleted
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the line by which one machine joins the farm, to be pasted there
    Invite {
        /// What the agent will be called
        name: String,
        /// How long the line can be used: 90s, 15m, 2h or 7d
        #[arg(long, default_value = "15m", value_parser = span, value_name = "SPAN")]
        ttl: u64,
    },
    /// List agents and their workers, or put one out
    Agents {
        #[command(subcommand)]
        command: Option<Agents>,
    },
    /// Show the watch folders, or order something for one of their files
    Watch {
        #[command(subcommand)]
        command: Option<Watch>,
    },
    /// Say who may operate the farm from elsewhere, and as what
    Operators {
        #[command(subcommand)]
        command: Operators,
    },
    /// Show how busy the farm is and whether its ledgers add up
    Status,
}

#[derive(Debug, Subcommand)]
pub enum Users {
    /// Add an account; its API key is shown this once
    Add {
        email: String,
        /// Xeconds granted with it; more than 0 makes it a paying account
        #[arg(long, default_value = "0", value_parser = xeconds)]
        xeconds: Xeconds,
        /// With the trial grant, as a user who signs in for the first time gets it
        #[arg(long)]
        trial: bool,
    },
    /// List accounts with their balances
    List,
}

#[derive(Debug, Subcommand)]
pub enum Watch {
    /// List rules, and the files that are on their way or need somebody
    List {
        /// Only files in this state, done and skipped ones included
        #[arg(long, value_parser = watch_state)]
        state: Option<WatchState>,
    },
    /// Let a file out of quarantine, with all its tries
    Release {
        /// As the list shows it: 32 digits
        file: String,
    },
    /// Make a file once more, now: also one that is done or was skipped
    Retry {
        /// As the list shows it: 32 digits
        file: String,
    },
}

fn watch_state(text: &str) -> Result<WatchState, String> {
    let found = WatchState::ALL.into_iter().find(|state| state.name() == text);
    found.ok_or_else(|| format!("it takes one of {}", WatchState::ALL.map(WatchState::name).join(", ")))
}

#[derive(Debug, Subcommand)]
pub enum Operators {
    /// Add one; the pass is shown this once
    Add {
        name: String,
        /// viewer looks, operator runs the farm, admin gives money, keys and roles
        #[arg(long)]
        role: Role,
    },
    /// List them
    List,
    /// Make a token useless at once
    Revoke { name: String },
}

#[derive(Debug, Subcommand)]
pub enum Agents {
    /// List them
    List,
    /// Take from an agent what it has in hand, for others, and give it nothing new
    Pause { agent: String },
    /// Let a paused or drained agent work again
    Resume { agent: String },
    /// Put an agent out at once: its connection ends, its certificate is refused, its work goes to others
    Revoke {
        /// The name it was invited by, or its id
        agent: String,
    },
}

/// `90s`, `15m`, `2h` or `7d` in seconds.
pub fn span(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no span of time: it takes a whole number and s, m, h or d, such as 15m");
    let (number, seconds) = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).ok_or_else(wrong)
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List the keys with when each was last used
    List {
        /// Id or e-mail address
        account: AccountName,
    },
    /// Make one more key for the Apiframe API (afk_…), shown this once
    Add {
        /// Id or e-mail address
        account: AccountName,
        /// What it is for: it tells the account's keys apart
        name: String,
    },
    /// Make a new key for the ReframeFX API (rfx_live_…), shown this once; the earlier one stops working
    New {
        /// Id or e-mail address
        account: AccountName,
    },
    /// Revoke a key at once
    Revoke {
        /// Id or e-mail address
        account: AccountName,
        /// Id of an afk_ key, as `keys list` shows it; without one, the rfx_live_ key
        key: Option<KeyId>,
    },
}

/// What a grant counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Trial,
    Paid,
}

/// How an operator names an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountName {
    Id(AccountId),
    Email(String),
}

impl std::str::FromStr for AccountName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<AccountName, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(AccountName::Id(id));
        }
        if text.contains('@') {
            return Ok(AccountName::Email(text.to_owned()));
        }
        Err("give the id or the e-mail address that `tweenfarm users list` shows")
    }
}

fn xeconds(text: &str) -> Result<Xeconds, String> {
    text.parse().map(Xeconds).map_err(|_| "a whole number of xeconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_account_is_named_by_id_or_address() {
        let id = "0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10";
        assert_eq!(id.parse(), Ok(AccountName::Id(id.parse().unwrap())));
        assert_eq!("ann@example.org".parse(), Ok(AccountName::Email("ann@example.org".into())));
        assert!("ann".parse::<AccountName>().is_err());
    }

    #[test]
    fn a_span_is_a_number_with_its_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800)] {
            assert_eq!(span(text), Ok(seconds));
        }
        for text in ["", "15", "m", "1.5h", "-1m", "15 m", "99999999999999999999d", "18446744073709551615d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn xeconds_may_be_taken_back_but_not_in_parts() {
        let read = |word: &str, amount: &str| Cli::try_parse_from(["tweenfarm", word, "a@b", amount, "--reason", "x"]);
        assert!(read("adjust", "-5").is_ok());
        assert!(read("adjust", "5.5").is_err());
        assert!(read("grant", "5").is_ok());
        assert!(read("grant", "-5").is_err());
        assert!(Cli::try_parse_from(["tweenfarm", "grant", "a@b", "5"]).is_err(), "a reason is needed");
    }
}
