//! The log: to standard error, for people or for collectors.

use crate::config::{LogFormat, LogSettings};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// How much is logged; can be changed while the process runs.
pub struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    pub fn set(&self, level: &str) {
        if let Err(error) = self.0.reload(filter(level)) {
            tracing::warn!(%error, "as much is logged as before");
        }
    }
}

/// Sets the log up, once per process. `settings.level` was checked by the configuration.
pub fn start(settings: &LogSettings) -> Filter {
    let (filter, handle) = reload::Layer::new(filter(&settings.level));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        // Ids of a task under way are in `span`.
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    Filter(handle)
}

fn filter(level: &str) -> EnvFilter {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    // A call that failed is told by whoever made it, with what it was for.
    match "tarpc::client=error".parse() {
        Ok(calls) => filter.add_directive(calls),
        Err(_) => filter,
    }
}
