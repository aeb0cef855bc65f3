//! tweenfarm: the operator's command line. It speaks to the daemon of this machine over its socket and keeps nothing.

mod client;
mod command;
mod show;

use clap::{CommandFactory, Parser};
use client::{Client, ClientError};
use command::{Cli, Command};
use std::{io::Write, process::ExitCode};
use tweenfarm_protocol::operator::{AddKey, AddUser, CreditKind, Grant, Invite};

/// The daemon refused what was asked.
const REFUSED: u8 = 1;
/// The daemon could not be reached; 2 is clap's, for a wrong command line.
const UNREACHABLE: u8 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let Some(command) = cli.command else {
        let _ = Cli::command().print_help();
        return ExitCode::SUCCESS;
    };
    let client = Client::new(cli.socket);
    match run(&client, command, cli.json).await {
        Ok(text) => {
            // A reader such as `head` may have had enough.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tweenfarm: {error}");
            ExitCode::from(match error {
                ClientError::Refused { .. } | ClientError::NoSuchAccount(_) | ClientError::NoSuchAgent(_) => REFUSED,
                _ => UNREACHABLE,
            })
        }
    }
}

/// Does one command; what to print.
async fn run(client: &Client, command: Command, json: bool) -> Result<String, ClientError> {
    match command {
        Command::Users { command } => match command {
            command::Users::Add { email, xeconds, trial } => {
                let added = client.add_user(AddUser { email, xeconds, trial }).await?;
                Ok(if json { show::json(&added) } else { show::added_user(&added) })
            }
            command::Users::List => {
                let users = client.users().await?;
                Ok(if json { show::json(&users) } else { show::users(&users) })
            }
        },
        Command::Grant { account, xeconds, reason, kind } => {
            let kind = match kind {
                command::Kind::Trial => CreditKind::Trial,
                command::Kind::Paid => CreditKind::Paid,
            };
            let granted = client.grant(&account, Grant { xeconds, reason, kind }).await?;
            Ok(if json { show::json(&granted) } else { show::granted(&granted, xeconds) })
        }
        Command::Adjust { account, xeconds, reason } => {
            let adjusted = client.adjust(&account, xeconds, reason).await?;
            Ok(if json { show::json(&adjusted) } else { show::granted(&adjusted, xeconds) })
        }
        Command::Ledger { account } => {
            let rows = client.ledger(&account).await?;
            Ok(if json { show::json(&rows) } else { show::ledger(&rows) })
        }
        Command::Keys { command } => match command {
            command::Keys::List { account } => {
                let rows = client.keys(&account).await?;
                Ok(if json { show::json(&rows) } else { show::keys(&rows) })
            }
            command::Keys::Add { account, name } => {
                let added = client.add_key(&account, AddKey { name }).await?;
                Ok(if json { show::json(&added) } else { show::added_key(&added) })
            }
            command::Keys::New { account } => {
                let key = client.new_key(&account).await?;
                Ok(if json { show::json(&key) } else { show::new_key(&key) })
            }
            command::Keys::Revoke { account, key } => {
                let revoked = client.revoke_key(&account, key).await?;
                Ok(if json { show::json(&revoked) } else { show::revoked_key(&revoked) })
            }
        },
        Command::Jobs { limit } => {
            let jobs = client.jobs(limit).await?;
            Ok(if json { show::json(&jobs) } else { show::jobs(&jobs) })
        }
        Command::Job { job } => {
            let job = client.job(job).await?;
            Ok(if json { show::json(&job) } else { show::job(&job) })
        }
        Command::Cancel { job } => {
            let job = client.cancel(job).await?;
            Ok(if json { show::json(&job) } else { show::cancelled(&job) })
        }
        Command::Sweep { dry_run } => {
            let swept = client.sweep(dry_run).await?;
            Ok(if json { show::json(&swept) } else { show::swept(&swept) })
        }
        Command::Invite { name, ttl } => {
            let invited = client.invite(Invite { name, valid_seconds: ttl }).await?;
            Ok(if json { show::json(&invited) } else { show::invited(&invited) })
        }
        Command::Agents { command } => match command.unwrap_or(command::Agents::List) {
            command::Agents::List => {
                let agents = client.agents().await?;
                Ok(if json { show::json(&agents) } else { show::agents(&agents) })
            }
            command::Agents::Revoke { agent } => {
                let revoked = client.revoke_agent(&agent).await?;
                Ok(if json { show::json(&revoked) } else { show::revoked_agent(&revoked) })
            }
        },
        Command::Status => {
            let status = client.status().await?;
            Ok(if json { show::json(&status) } else { show::status(&status) })
        }
    }
}
