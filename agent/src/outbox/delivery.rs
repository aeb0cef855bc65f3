//! One delivery: the way of a result's bytes into the blob store, in one request or in parts.
//!
//! Where they go the daemon says anew at every try: addresses end, an upload whose answer was lost need not be repeated,
//! and of one in parts only what is missing.

use super::{Entry, Step};
use crate::{
    link::{Link, LinkError},
    transfer::{Transfer, TransferError},
};
use std::{collections::BTreeMap, path::Path};
use tweenfarm_protocol::{
    service::{Placement, Refusal},
    task::{Deliver, Outcome, Presigned},
};

/// How far a delivery is.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Nothing is left to send.
    pub is_done: bool,
    /// The upload in parts that is under way.
    upload: String,
    /// What the store said to the parts that it has, by their place.
    etags: BTreeMap<usize, String>,
}

impl Delivery {
    /// A failure has no file.
    pub fn of(entry: &Entry) -> Delivery {
        Delivery { is_done: entry.deliver.is_none(), ..Delivery::default() }
    }

    /// Sends what is missing; an error says what comes next.
    pub async fn go_on(
        &mut self,
        link: &Link,
        transfer: &Transfer,
        entry: &Entry,
        deliver: &Deliver,
        path: &Path,
    ) -> Result<(), Step> {
        let placement = match &entry.outcome {
            Outcome::Done(done) => {
                link.place(entry.lease, done.size_bytes, done.sha256.clone()).await.map_err(no_place)?
            }
            Outcome::Failed(_) => Some(Placement::There),
        };
        match placement {
            None => {
                let headers = vec![("content-type".to_owned(), deliver.content_type.clone())];
                put_whole(transfer, &Presigned { url: deliver.url.clone(), headers }, path).await?;
            }
            Some(Placement::Whole(to)) => put_whole(transfer, &to, path).await?,
            Some(Placement::Parts { upload, part_bytes, parts }) => {
                self.put_parts(transfer, upload, part_bytes, &parts, path).await?;
                let etags = self.etags.values().cloned().collect();
                let done = link.put_together(entry.lease, self.upload.clone(), etags).await;
                done.map_err(|cause| self.not_together(cause))?;
            }
            // Nobody waits for it: there is nothing to report either.
            Some(Placement::Over) => {
                tracing::info!("the lease of a finished result is over: deleting it");
                return Err(Step::Settled);
            }
            Some(Placement::There) => {}
        }
        self.is_done = true;
        Ok(())
    }

    async fn put_parts(
        &mut self,
        transfer: &Transfer,
        upload: String,
        part_bytes: u64,
        parts: &[Presigned],
        path: &Path,
    ) -> Result<(), Step> {
        if self.upload != upload {
            *self = Delivery { upload, ..Delivery::default() };
        }
        let size_bytes = tokio::fs::metadata(path).await.map_err(|cause| failed(TransferError::File(cause)))?.len();
        for (index, to) in parts.iter().enumerate() {
            if self.etags.contains_key(&index) {
                continue;
            }
            let first = part_bytes.saturating_mul(index as u64);
            let part = first..size_bytes.min(first.saturating_add(part_bytes));
            let etag = transfer.put(to, path, Some(part)).await.map_err(failed)?;
            self.etags.insert(index, etag);
        }
        Ok(())
    }

    fn not_together(&mut self, cause: LinkError) -> Step {
        match cause {
            LinkError::Refused(refusal @ (Refusal::NotDelivered | Refusal::Request(_))) => {
                *self = Delivery::default();
                Step::Refused(refusal.to_string())
            }
            cause => Step::Passing(cause.to_string()),
        }
    }
}

async fn put_whole(transfer: &Transfer, to: &Presigned, path: &Path) -> Result<(), Step> {
    match transfer.put(to, path, None).await {
        Ok(_) => Ok(()),
        // An address takes one upload: the bytes may be there from a try whose answer was lost.
        // The report tells, because the daemon compares.
        Err(TransferError::Status(409 | 412)) => Ok(()),
        Err(cause) => Err(failed(cause)),
    }
}

fn no_place(cause: LinkError) -> Step {
    match cause {
        LinkError::Refused(refusal @ Refusal::Request(_)) => Step::Refused(refusal.to_string()),
        cause => Step::Passing(cause.to_string()),
    }
}

fn failed(cause: TransferError) -> Step {
    match cause {
        cause if cause.is_passing() => Step::Passing(cause.to_string()),
        cause @ TransferError::File(_) => Step::Hopeless(cause.to_string()),
        cause => Step::Refused(cause.to_string()),
    }
}
