//! tweenfarm: the operator's command line. It speaks to the daemon of this machine over its socket and keeps nothing.

mod client;
mod command;
mod show;

use clap::{CommandFactory, Parser};
use client::{Client, ClientError};
use command::{Cli, Command};
use std::{io::Write, process::ExitCode};

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
                ClientError::Refused { .. } | ClientError::NoSuchAccount(_) => REFUSED,
                _ => UNREACHABLE,
            })
        }
    }
}

/// Does one command; what to print.
async fn run(client: &Client, command: Command, json: bool) -> Result<String, ClientError> {
    match command {
        Command::Users { command } => match command {
            command::Users::Add { email, xeconds } => {
                let added = client.add_user(email, xeconds).await?;
                Ok(if json { show::json(&added) } else { show::added_user(&added) })
            }
            command::Users::List => {
                let users = client.users().await?;
                Ok(if json { show::json(&users) } else { show::users(&users) })
            }
        },
        Command::Grant { account, xeconds, reason } => {
            let granted = client.grant(&account, xeconds, reason).await?;
            Ok(if json { show::json(&granted) } else { show::granted(&granted, xeconds) })
        }
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
        Command::Agents => {
            let agents = client.agents().await?;
            Ok(if json { show::json(&agents) } else { show::agents(&agents) })
        }
        Command::Status => {
            let status = client.status().await?;
            Ok(if json { show::json(&status) } else { show::status(&status) })
        }
    }
}
