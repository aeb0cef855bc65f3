//! Serving an agent: orders from standard input, events to standard output, one order at a time.

use crate::{
    failure,
    gpu::{Gpu, Profile},
    join, mark,
    pipeline::{self, encoder, sessions},
    programs,
    render::Renderer,
    start_up::Start,
};
use std::{
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Instant,
};
use tweenfarm_agent::worker::messages::{Event, Order};
use tweenfarm_element::shader_cache;
use tweenfarm_protocol::{service::Inventory, task::Failure};

/// Exit code of a worker that cannot work here; the reason was told before.
const EXIT_UNFIT: u8 = 3;
/// The agent sends one order at a time; one more may wait.
const ORDERS_WAITING: usize = 1;

/// Runs until standard input ends.
pub fn serve(began: Instant, device: Option<&str>, shader_cache: Option<&Path>, profile: Option<PathBuf>) -> ExitCode {
    let renderer = match prepare(began, device, shader_cache, profile) {
        Ok(renderer) => renderer,
        Err(unfit) => {
            tell(&Event::Failed(unfit));
            return ExitCode::from(EXIT_UNFIT);
        }
    };
    let facts = renderer.gpu.facts();
    tell(&Event::Ready {
        device_uuid: facts.uuid.clone(),
        device_name: facts.name.clone(),
        engine: Gpu::engine_name().to_owned(),
        encoders: renderer.encoders.clone(),
        inventory: Inventory {
            memory_bytes: facts.memory_bytes,
            driver: facts.driver.clone(),
            encoder_sessions: sessions::of_cards(&renderer.encoders),
            pixels_per_second: 0,
        },
    });
    for order in orders() {
        let done = match order {
            Ok(order) => perform(&renderer, &order),
            Err(cause) => Err(failure::internal(format!("the order cannot be read: {cause}"))),
        };
        tell(&match done {
            Ok(facts) => Event::Done { facts },
            Err(failure) => Event::Failed(failure),
        });
    }
    ExitCode::SUCCESS
}

fn prepare(
    began: Instant,
    device: Option<&str>,
    shader_cache: Option<&Path>,
    profile: Option<PathBuf>,
) -> Result<Renderer, Failure> {
    pipeline::init()?;
    let cache = shader_cache.map(|folder| shader_cache::file_in(folder, device));
    let gpu = Gpu::open(device, cache.as_deref()).map_err(|error| failure::of_engine(&error))?;
    gpu.check().map_err(|wrong| {
        failure::worker(format!("The device {} does not interpolate: {wrong}. Update its driver.", gpu.facts().name))
    })?;
    let encoders: Vec<String> = encoder::working().into_iter().map(str::to_owned).collect();
    if encoders.is_empty() {
        return Err(failure::worker("No H.264 encoder works: install the package gstreamer1.0-plugins-ugly."));
    }
    let profile = profile.map(|file| Profile { file, start: Start { began, ready: Instant::now() } });
    Ok(Renderer::new(gpu, encoders, profile))
}

/// Orders as they come. When standard input ends the agent is gone, and nobody waits for what is being made: the
/// process ends there and then.
fn orders() -> mpsc::Receiver<Result<Order, serde_json::Error>> {
    let (send, receive) = mpsc::sync_channel(ORDERS_WAITING);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if !line.trim().is_empty() && send.send(serde_json::from_str(&line)).is_err() {
                break;
            }
        }
        programs::end_running();
        std::process::exit(0);
    });
    receive
}

fn perform(renderer: &Renderer, order: &Order) -> Result<tweenfarm_protocol::task::RenderFacts, Failure> {
    let mut on_progress = |progress| tell(&Event::Progress(progress));
    match order {
        Order::Render { source, plan, slots, output } => {
            renderer.render(source, plan, *slots, output, &mut on_progress)
        }
        Order::Join { source, plan, segments, output } => join::join(source, plan, segments, output, &mut on_progress),
        Order::Mark { source, plan, output } => mark::mark(&renderer.encoders, source, plan, output, &mut on_progress),
    }
}

/// One line per event. An agent that cannot be told is gone.
fn tell(event: &Event) {
    let mut line = serde_json::to_vec(event).expect("an event has nothing that JSON cannot say");
    line.push(b'\n');
    let mut out = io::stdout().lock();
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        programs::end_running();
        std::process::exit(0);
    }
}
