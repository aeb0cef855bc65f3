//! `logs`: one job's story, or what happens in the whole farm as it happens.

use crate::{
    client::{Client, ClientError},
    console::sse::Lines,
    show,
};
use std::{io::Write, time::Duration};
use tokio::time::sleep;
use tweenfarm_protocol::{
    JobId,
    operator::{JobDetail, LogRow},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Prints until the story ends, or without end when it follows the farm. A reader that has had enough ends it too.
pub async fn run(client: &Client, job: Option<JobId>, follow: bool, json: bool) -> Result<(), ClientError> {
    match job {
        Some(job) => story(client, job, follow, json).await,
        None => farm(client, json).await,
    }
}

async fn story(client: &Client, job: JobId, follow: bool, json: bool) -> Result<(), ClientError> {
    let mut last: Option<LogRow> = None;
    loop {
        // First the state, then the log: what a job logs as it ends is printed then.
        let ended = client.get::<JobDetail>(&format!("/operator/jobs/{job}")).await?.row.completed_at.is_some();
        let rows: Vec<LogRow> = client.get(&format!("/operator/jobs/{job}/log")).await?;
        let new = rows.iter().rposition(|row| Some(row) == last.as_ref()).map_or(0, |place| place + 1);
        for row in &rows[new..] {
            if !print(&if json { show::json_line(row) } else { show::log_row(row) }) {
                return Ok(());
            }
        }
        last = rows.last().cloned().or(last);
        if ended || !follow {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn farm(client: &Client, json: bool) -> Result<(), ClientError> {
    let mut lines = Lines::default();
    loop {
        let mut stream = client.stream("/operator/events", lines.last_id()).await?;
        while let Some(bytes) = stream.next().await? {
            let (events, lost) = lines.take(&bytes);
            if let Some(lost) = lost {
                eprintln!("tweenfarm: {}", lost.text);
            }
            for event in &events {
                if !print(&if json { show::json_line(event) } else { show::event_row(event) }) {
                    return Ok(());
                }
            }
        }
    }
}

/// False when nobody reads any more.
fn print(line: &str) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}
