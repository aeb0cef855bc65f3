//! tweenfarmd: the HTTP APIs, accounts, ledger, jobs, files and the schedule of a Tweenfarm.
//!
//! Data flows one way: `http`, `rpc` and `sweep` use `farm`; `farm` uses the rules (`ledger`, `schedule`, `pricing`, `retention`, `intake`);
//! the rules use `model`. Rules and model read no clock, disk, socket or random source.

pub mod admission;
pub mod alerts;
pub mod backup;
pub mod blobs;
pub mod config;
pub mod farm;
pub mod history;
pub mod http;
pub mod intake;
pub mod join;
pub mod ledger;
pub mod live;
pub mod logging;
pub mod manual;
pub mod marks;
pub mod metrics;
pub mod model;
pub mod open_files;
pub mod outbound;
pub mod preview;
pub mod pricing;
pub mod private_file;
pub mod private_socket;
pub mod probation;
pub mod probe;
pub mod reload;
pub mod retention;
pub mod rpc;
pub mod schedule;
pub mod store;
pub mod sweep;
pub mod systemd;
pub mod watch;
pub mod webhooks;
