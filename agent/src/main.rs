//! `tweenfarm-agent`: the command line. Exit codes: 0 done, 1 failed, 2 wrong usage.

use anyhow::Context;
use clap::{
    ArgAction, Args, CommandFactory, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use tweenfarm_agent::{
    command::{doctor, render},
    config::{self, Config, DeviceChoice, Flags, LogFormat, LogSettings},
    discovery,
    halt::Halt,
    join,
    link::ToDaemon,
    log, reload, run,
    state_folder::JoiningFolder,
    worker::program::Program,
};
use tweenfarm_protocol::{
    Rational,
    join::{Invitation, is_host_and_port},
    output::{Codec, Depth, OutputFormat, PictureSize},
    task::{EncodeSettings, EncoderClass, EngineSettings, Quality},
};

/// How long `discover` waits for answers.
const LOOK_AROUND: Duration = Duration::from_secs(3);

/// Leases interpolation work from a Tweenfarm daemon and renders it on this machine's GPUs.
#[derive(Parser)]
#[command(
    name = "tweenfarm-agent",
    version,
    about,
    args_conflicts_with_subcommands = true,
    after_help = "At work, SIGTERM drains it and a second one hands back what it holds; SIGHUP reads the configuration again."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunFlags,
}

#[derive(Subcommand)]
enum Command {
    /// Work for a daemon until stopped (the default).
    Run(RunFlags),
    /// Join a farm, by the line that `tweenfarm invite NAME` prints on the daemon's machine.
    Join(JoinFlags),
    /// List daemons of the local network; a hint where one may be, nothing more.
    Discover,
    /// Render one file to another frame rate, without any server.
    Render(RenderFlags),
    /// Say item by item whether this machine has what the agent needs.
    Doctor(DoctorFlags),
    /// Print what makes a shell complete this command line.
    Completions { shell: clap_complete::Shell },
    /// Write the manual pages, one for each command.
    Man { folder: PathBuf },
}

#[derive(Args, Clone, Default)]
struct RunFlags {
    /// Configuration file; config/agent.toml shows every key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and stop.
    #[arg(long)]
    check_config: bool,
    /// Where the daemon is: its socket, or host and port of the one it joined.
    #[arg(long, value_name = "SOCKET|HOST:PORT")]
    daemon: Option<String>,
    /// Name shown to people.
    #[arg(long)]
    name: Option<String>,
    /// Folder of what outlives a restart.
    #[arg(long, value_name = "FOLDER")]
    state: Option<String>,
    /// text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// error, warn, info, debug, trace, or directives per module
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Args)]
struct JoinFlags {
    /// The line, as it was printed; it works once.
    #[arg(value_name = "LINE")]
    line: Invitation,
    /// Configuration file of the agent that is to join.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the daemon is, when the line does not say it or is out of date.
    #[arg(long, value_name = "HOST:PORT")]
    daemon: Option<String>,
    /// Folder of what outlives a restart.
    #[arg(long, value_name = "FOLDER")]
    state: Option<String>,
}

#[derive(Args)]
#[command(after_help = "The variable TWEENFARM_LOG sets a log level: warn, info, debug or directives per module.")]
struct RenderFlags {
    /// The clip.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The result; its extension says the container (mp4, m4v, mov or mkv). Replaced when it exists.
    #[arg(value_name = "OUT", value_parser = output_path)]
    output: PathBuf,
    /// Output frames per second, above 0 and up to 240: 60, 59.94 or 60000/1001.
    #[arg(long, value_name = "N", value_parser = output_rate)]
    fps: Rational,
    /// Picture size of the result, both sides even; by default the source's. Other proportions keep the picture
    /// undistorted by pixels that are not square.
    #[arg(long, value_name = "WxH")]
    size: Option<PictureSize>,
    /// Codec of the result.
    #[arg(long, value_name = "CODEC", default_value = "h264", value_parser = codec())]
    codec: Codec,
    /// Bits of a code of the result.
    #[arg(long, value_name = "BITS", default_value = "8", value_parser = depth())]
    depth: Depth,
    /// Quality on x264's scale, 0 to 51, lower is better.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=51), conflicts_with = "lossless")]
    crf: Option<u8>,
    /// H.264 or HEVC without loss, for measuring.
    #[arg(long)]
    lossless: bool,
    /// How much work goes into a pair of frames.
    #[arg(long, value_name = "TIER", default_value = "balanced", value_parser = quality())]
    quality: Quality,
    /// Whether a scene cut is shown as one; off mixes both scenes.
    #[arg(long, value_name = "SWITCH", default_value = "on", value_parser = switch(), action = ArgAction::Set)]
    scene_cuts: bool,
    /// Move drawings that are shown two or three times each; without it they are repeated as in the source.
    #[arg(long)]
    dedupe: bool,
    /// Make no frame: each slot shows the source frame nearest to it, so that a lower rate drops frames.
    #[arg(long, conflicts_with = "dedupe")]
    nearest: bool,
    /// Kind of encoder; by default the best that works here.
    #[arg(long, value_name = "KIND", value_parser = encoder_class(), conflicts_with = "lossless")]
    encoder: Option<EncoderClass>,
    /// Vulkan device UUID; by default the first GPU, or the software renderer where there is none.
    #[arg(long, value_name = "UUID", value_parser = device_uuid)]
    device: Option<String>,
    /// Kill the worker when it makes no new frame for this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    stall_seconds: u64,
    /// Time the start, and every pass of the engine by the device's clock, and print a table of them.
    #[arg(long)]
    profile: bool,
    /// Print the facts of the result as JSON, and no progress.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct DoctorFlags {
    /// Also look at what this configuration names: state folder, disk, daemon.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the items as JSON.
    #[arg(long)]
    json: bool,
}

fn output_rate(text: &str) -> Result<Rational, String> {
    let rate: Rational = text.parse().map_err(|cause: tweenfarm_protocol::RationalError| cause.to_string())?;
    if rate.is_positive() && rate <= Rational::whole(240) {
        Ok(rate)
    } else {
        Err("it takes a rate above 0 and up to 240".to_owned())
    }
}

fn quality() -> impl TypedValueParser<Value = Quality> {
    PossibleValuesParser::new(Quality::ALL.map(Quality::name)).try_map(|name| name.parse())
}

fn encoder_class() -> impl TypedValueParser<Value = EncoderClass> {
    PossibleValuesParser::new(EncoderClass::ALL.map(EncoderClass::name)).try_map(|name| name.parse())
}

fn codec() -> impl TypedValueParser<Value = Codec> {
    PossibleValuesParser::new(Codec::ALL.map(Codec::name)).try_map(|name| name.parse())
}

fn depth() -> impl TypedValueParser<Value = Depth> {
    PossibleValuesParser::new(["8", "10"]).try_map(|bits| bits.parse())
}

fn switch() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|name| name == "on")
}

fn output_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("mp4" | "m4v" | "mov" | "mkv") => Ok(path),
        _ => Err("the name must end in .mp4, .m4v, .mov or .mkv".to_owned()),
    }
}

fn device_uuid(text: &str) -> Result<String, String> {
    config::device_uuid(text).ok_or_else(|| "it takes 32 hex digits; `tweenfarm-agent doctor` shows them".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        None => work(cli.run).await,
        Some(Command::Run(flags)) => work(flags).await,
        Some(Command::Join(flags)) => join_farm(flags).await,
        Some(Command::Discover) => discover().await,
        Some(Command::Render(flags)) => render_file(flags).await,
        Some(Command::Doctor(flags)) => examine(flags).await,
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "tweenfarm-agent", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man { folder }) => write_manual(&folder),
    };
    ended.unwrap_or_else(|cause| {
        eprintln!("tweenfarm-agent: {cause:#}");
        ExitCode::FAILURE
    })
}

fn write_manual(folder: &Path) -> anyhow::Result<ExitCode> {
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.with_context(|| format!("write the manual pages to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

async fn work(flags: RunFlags) -> anyhow::Result<ExitCode> {
    let config = configuration(&flags)?;
    if flags.check_config {
        println!("the configuration is good");
        return Ok(ExitCode::SUCCESS);
    }
    let filter = log::start(&config.log);
    let halt = Halt::default();
    let dial = ToDaemon::of(&config)?;
    let (settings, config) = watch::channel(config);
    halt.on_signals(config.clone())?;
    reload::on_signals(move || configuration(&flags), settings, filter, halt.drain.clone())?;
    run::run(config, Program::beside_this()?, dial, halt).await?;
    Ok(ExitCode::SUCCESS)
}

async fn join_farm(flags: JoinFlags) -> anyhow::Result<ExitCode> {
    let JoinFlags { line, config, daemon, state } = flags;
    let address = match daemon {
        Some(address) if is_host_and_port(&address) => Some(address),
        Some(address) => anyhow::bail!("--daemon {address}: it takes a host and a port"),
        None => None,
    };
    let config = config::load(config.as_deref(), None, &Flags { state, ..Flags::default() })?;
    go_on_as_owner_of(&config.state)?;
    let state = JoiningFolder::open(&config.state)?;
    let joined = join::join(&state, &line, address).await?;
    let next = if state.at_work {
        "restart the agent (systemctl restart tweenfarm-agent)"
    } else {
        "start the agent (systemctl start tweenfarm-agent, or tweenfarm-agent run)"
    };
    println!("joined the farm at {} as {}: {next}", joined.daemon, joined.name);
    Ok(ExitCode::SUCCESS)
}

/// Root joins as the user whose agent it is: that one could not read what root has written.
fn go_on_as_owner_of(folder: &Path) -> anyhow::Result<()> {
    let owner = match std::fs::metadata(folder) {
        Ok(facts) if rustix::process::geteuid().is_root() && facts.uid() != 0 => facts,
        // Also a folder that is not there yet: it will be of who makes it.
        Ok(_) | Err(_) => return Ok(()),
    };
    let program = std::env::current_exe().context("find this program")?;
    let mut again = std::process::Command::new(program);
    let cause = again.args(std::env::args_os().skip(1)).uid(owner.uid()).gid(owner.gid()).exec();
    Err(cause).with_context(|| format!("go on as the owner of {}", folder.display()))
}

async fn discover() -> anyhow::Result<ExitCode> {
    let found = discovery::look_around(LOOK_AROUND).await?;
    for daemon in &found {
        println!("{}  {}", daemon.addresses.join(" "), daemon.name);
    }
    if found.is_empty() {
        eprintln!("no daemon tells this network where it is: ask its operator for the address");
        return Ok(ExitCode::FAILURE);
    }
    println!("\nAnybody can call itself a daemon here: only an invitation proves which one is yours.");
    Ok(ExitCode::SUCCESS)
}

fn configuration(flags: &RunFlags) -> Result<Config, config::ConfigError> {
    let RunFlags { config, check_config: _, daemon, name, state, log_format, log_level } = flags.clone();
    config::load(config.as_deref(), None, &Flags { daemon, name, state, log_format, log_level })
}

async fn render_file(flags: RenderFlags) -> anyhow::Result<ExitCode> {
    // What matters is said by the result and by errors; the log is for those who ask for it.
    let level = std::env::var("TWEENFARM_LOG").unwrap_or_else(|_| "off".to_owned());
    log::start(&LogSettings { format: LogFormat::Text, level });
    let encode = match (flags.lossless, flags.crf) {
        (true, _) => EncodeSettings::Lossless,
        (false, Some(crf)) => EncodeSettings::Quality { crf },
        (false, None) => EncodeSettings::default(),
    };
    let request = render::Request {
        input: flags.input,
        output: flags.output,
        rate: flags.fps,
        encode,
        encoder: flags.encoder,
        engine: EngineSettings {
            quality: flags.quality,
            scene_cuts: flags.scene_cuts,
            dedupe: flags.dedupe,
            nearest: flags.nearest,
        },
        format: OutputFormat { size: flags.size, codec: flags.codec, depth: flags.depth },
        device: flags.device.map_or(DeviceChoice::All, |uuid| DeviceChoice::Only(vec![uuid])),
        profile: flags.profile,
        quiet: flags.json,
        stall: Duration::from_secs(flags.stall_seconds),
    };
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let program = Program::beside_this()?;
    // Dropping the render ends its worker and removes what it began.
    let summary = tokio::select! {
        summary = render::render(&request, &program) => summary?,
        () = stop.cancelled() => anyhow::bail!("stopped: nothing was written"),
    };
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&summary).context("write the facts as JSON")?);
    } else {
        print!("{}", summary.table());
        if let Some(passes) = &summary.passes {
            print!("\n{passes}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn examine(flags: DoctorFlags) -> anyhow::Result<ExitCode> {
    let config = match flags.config {
        Some(file) => Some(config::load(Some(&file), None, &Flags::default())?),
        None => None,
    };
    let items = doctor::examine(Program::beside_this(), config.as_ref()).await;
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&items).context("write the items as JSON")?);
    } else {
        print!("{}", doctor::report(&items, doctor::colours_wanted()));
    }
    Ok(if doctor::is_healthy(&items) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        stop.cancel();
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &str) -> Result<RenderFlags, clap::Error> {
        let words = ["tweenfarm-agent", "render", "in.mp4", "out.mp4", "--fps", "60"]
            .into_iter()
            .chain(words.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            Some(Command::Render(flags)) => Ok(flags),
            _ => panic!("'render' is another command"),
        }
    }

    #[test]
    fn how_frames_are_made_is_read_from_the_command_line() {
        let usual = flags("").unwrap();
        let engine = |flags: &RenderFlags| (flags.quality, flags.scene_cuts, flags.dedupe, flags.encoder);
        assert_eq!(engine(&usual), (Quality::Balanced, true, false, None));
        let asked = flags("--quality high --scene-cuts off --dedupe --encoder va").unwrap();
        assert_eq!(engine(&asked), (Quality::High, false, true, Some(EncoderClass::Va)));
        assert!(flags("--scene-cuts on").unwrap().scene_cuts);
        assert!(!usual.nearest && flags("--nearest").unwrap().nearest);
    }

    #[test]
    fn the_shape_of_the_result_is_read_from_the_command_line() {
        let shape = |words| flags(words).map(|flags| (flags.size, flags.codec, flags.depth)).unwrap();
        assert_eq!(shape(""), (None, Codec::H264, Depth::Eight));
        let size = PictureSize::new(1280, 720).ok();
        assert_eq!(shape("--size 1280x720 --codec hevc --depth 10"), (size, Codec::Hevc, Depth::Ten));
    }

    #[test]
    fn what_is_no_choice_is_refused_with_the_choices() {
        for (words, expected) in [
            ("--quality best", "fast, balanced, high"),
            ("--scene-cuts true", "on, off"),
            ("--encoder h264", "x264, x265, svt_av1, aom, nvenc, va, qsv"),
            ("--size 1281x720", "both even"),
            ("--codec h265", "h264, hevc, av1"),
            ("--depth 12", "8, 10"),
            ("--lossless --encoder nvenc", "--encoder"),
            ("--nearest --dedupe", "--dedupe"),
        ] {
            let refused = flags(words).err().expect("it was taken").to_string();
            assert!(refused.contains(expected), "{words}: {refused}");
        }
    }
}
