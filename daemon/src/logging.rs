//! Logging: one subscriber, to standard error, as text for people or JSON for collectors. Never a secret: requests are
//! logged by method and path, without query, headers or body.

use crate::config::{LogConfig, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// How much is logged; can be changed while the process runs.
pub struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    pub fn set(&self, filter: &str) -> anyhow::Result<()> {
        Ok(self.0.reload(self::filter(filter)?)?)
    }
}

/// Starts logging for the whole process. Called once, by `main`.
pub fn start(config: &LogConfig) -> anyhow::Result<Filter> {
    let (filter, handle) = reload::Layer::new(filter(&config.filter)?);
    // Colours are for a terminal: in a file or a journal they are noise.
    let coloured = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(coloured);
    let lines = match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(Filter(handle))
}

/// tarpc's spans around calls say nothing that the lines in them do not; that a connection broke in the middle, as that of an
/// agent that was killed may, is told by the line that the agent left, and of strangers it is no warning.
fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let filter = EnvFilter::try_new(text)?;
    Ok(if text.contains("tarpc") { filter } else { filter.add_directive("tarpc=error".parse()?) })
}
