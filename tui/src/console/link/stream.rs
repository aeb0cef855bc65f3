//! The farm's events as they come: server-sent events, resumed where they broke off.

use crate::{
    client::{Client, ClientError},
    console::event::{Event, Subject, Told},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};
use tweenfarm_protocol::{
    Timestamp,
    operator::{EventRow, LostEvents},
};

/// With what happened before this console was opened.
const EVENTS: &str = "/operator/events?recent=500";
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// No event is longer; what is has lost its line ends.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Follows until the console closes. Each batch of events has the screen read anew.
pub async fn follow(client: Arc<Client>, told: mpsc::Sender<Event>, anew: Arc<Notify>) {
    let mut lines = Lines::default();
    let mut said = false;
    loop {
        let broke = read(&client, &mut lines, &told, &anew).await;
        if told.is_closed() {
            return;
        }
        match broke {
            // The reader notices a lost daemon by itself; a daemon that has no events is told of once.
            Err(ClientError::Refused { sentence }) if !said => {
                said = true;
                let why = format!("no events from the daemon: {sentence}");
                let _ = told.send(Event::Untold { subject: Subject::Events, why }).await;
            }
            _ => {}
        }
        lines.rest.clear();
        sleep(TRY_AGAIN_AFTER).await;
    }
}

async fn read(
    client: &Client,
    lines: &mut Lines,
    told: &mpsc::Sender<Event>,
    anew: &Notify,
) -> Result<(), ClientError> {
    let mut stream = client.stream(EVENTS, lines.last_id()).await?;
    while let Some(bytes) = stream.next().await? {
        let (events, lost) = lines.take(&bytes);
        let lost = lost.map(Told::EventsLost);
        let events = (!events.is_empty()).then_some(Told::Events(events));
        for tell in lost.into_iter().chain(events) {
            if told.send(Event::Told { at: Timestamp::now(), told: Box::new(tell) }).await.is_err() {
                return Ok(());
            }
            anew.notify_one();
        }
    }
    Ok(())
}

/// Bytes of server-sent events into events, wherever the bytes are cut.
#[derive(Default)]
pub struct Lines {
    /// Of a line that has not ended.
    rest: Vec<u8>,
    part: Part,
}

/// What the lines since the last empty one have said.
#[derive(Default)]
struct Part {
    last_id: Vec<u8>,
    event: Vec<u8>,
    data: Vec<u8>,
}

impl Lines {
    /// Of the last event, to go on after it.
    pub fn last_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.part.last_id).ok().filter(|id| !id.is_empty())
    }

    /// Copies no line that is whole: a busy farm tells fifty events in a millisecond.
    pub fn take(&mut self, bytes: &[u8]) -> (Vec<EventRow>, Option<LostEvents>) {
        let (mut events, mut lost) = (Vec::new(), None);
        let mut left = bytes;
        while let Some(length) = left.iter().position(|byte| *byte == b'\n') {
            let line = &left[..length];
            left = &left[length + 1..];
            if self.rest.is_empty() {
                self.part.line(line, &mut events, &mut lost);
            } else {
                self.rest.extend_from_slice(line);
                self.part.line(&self.rest, &mut events, &mut lost);
                self.rest.clear();
            }
        }
        self.rest.extend_from_slice(left);
        if self.rest.len() > LINE_BYTES_MAX {
            self.rest.clear();
        }
        (events, lost)
    }
}

impl Part {
    fn line(&mut self, line: &[u8], events: &mut Vec<EventRow>, lost: &mut Option<LostEvents>) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            return self.field(line);
        }
        if self.event == b"lost" {
            *lost = serde_json::from_slice(&self.data).ok().or(lost.take());
        } else if !self.data.is_empty() {
            // What cannot be read is of a newer daemon: the rest is still worth showing.
            events.extend(serde_json::from_slice::<EventRow>(&self.data));
        }
        self.event.clear();
        self.data.clear();
    }

    fn field(&mut self, line: &[u8]) {
        let end = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(end + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..end] {
            b"id" => set(&mut self.last_id, value),
            b"event" => set(&mut self.event, value),
            b"data" => {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            // A comment keeps the connection alive; others are not for us.
            _ => {}
        }
    }
}

fn set(field: &mut Vec<u8>, value: &[u8]) {
    field.clear();
    field.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::{super::super::seeded, *};

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let rows: Vec<EventRow> = (0..3).map(seeded::event).collect();
        let text: String = rows
            .iter()
            .map(|row| format!("id: {}\nevent: {}\ndata: {}\n\n: alive\n\n", row.id, row.kind, serde_json::json!(row)))
            .collect();
        for size in [1, 2, 7, 64, text.len()] {
            let mut lines = Lines::default();
            let events: Vec<EventRow> = text.as_bytes().chunks(size).flat_map(|part| lines.take(part).0).collect();
            assert_eq!(events, rows, "cut every {size} bytes");
            assert_eq!(lines.last_id(), Some(rows[2].id.as_str()));
            assert!(lines.rest.is_empty());
        }
    }

    #[test]
    fn lost_events_are_told_and_nonsense_is_passed_over() {
        let mut lines = Lines::default();
        let (events, lost) = lines
            .take(b"data: {\"what\": 1}\n\nevent: lost\ndata: {\"count\": 7, \"text\": \"7 events are missing\"}\n\n");
        assert_eq!(events, []);
        assert_eq!(lost.map(|lost| lost.count), Some(Some(7)));
        lines.take(&vec![b'x'; LINE_BYTES_MAX + 1]);
        assert!(lines.rest.is_empty());
    }
}
