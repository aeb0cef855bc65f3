//! `tweenfarm-worker`: renders segments and joins them, as its agent orders. Holds no keys, reaches no network.

mod colours;
mod doctor;
mod gpu;
mod join;
mod mark;
mod pipeline;
mod programs;
mod proof;
mod render;
mod serve;
mod start_up;
#[cfg(test)]
mod testing;

use clap::{Parser, Subcommand};
use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};
use tracing_subscriber::EnvFilter;
use tweenfarm_element::failure;

#[derive(Parser)]
#[command(version, about = "Renders clips on one Vulkan device; started by tweenfarm-agent")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take orders from standard input until it ends: one JSON object per line
    Serve {
        /// UUID of the Vulkan device; without it the best there is
        #[arg(long)]
        device: Option<String>,
        /// Folder where compiled shaders are kept from one run to the next
        #[arg(long)]
        shader_cache: Option<PathBuf>,
        /// File for tables of what the start and each pass of the engine took in a render
        #[arg(long)]
        profile: Option<PathBuf>,
    },
    /// Print the Vulkan devices as a JSON array
    Devices,
    /// Look at everything a render needs and print the findings as a JSON array; fails when something needed is missing
    Doctor,
}

fn main() -> ExitCode {
    let began = Instant::now();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours).without_time().init();
    match Arguments::parse().command {
        Command::Serve { device, shader_cache, profile } => {
            serve::serve(began, device.as_deref(), shader_cache.as_deref(), profile)
        }
        Command::Devices => match gpu::devices() {
            Ok(devices) => print(&devices),
            Err(error) => {
                tracing::error!("{error}");
                ExitCode::FAILURE
            }
        },
        Command::Doctor => {
            let findings = doctor::examine();
            let printed = print(&findings.items);
            if findings.fit { printed } else { ExitCode::FAILURE }
        }
    }
}

fn print(value: &impl serde::Serialize) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
