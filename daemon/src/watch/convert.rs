//! One file on its way: uploaded, submitted, waited for, fetched, proven, published, and then its source.
//!
//! Each step is begun only when the one before it is on disk, and doing a step twice is harmless: that is what makes a
//! crash at any point safe. Nothing of the source is touched before its result has its name.

use super::{
    board::Board,
    config::{Afterwards, Rule},
    crash, files,
    journal::{Journal, Reserved},
    link::{Link, LinkError},
    proof::{self, Unproven},
};
use crate::{
    intake::{Failure, Item, ItemState, Place, Promise, RetryRules, Stage, name, place, retry},
    pricing,
    store::StoreError,
};
use reqwest::StatusCode;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tweenfarm_media::{ProbeError, ProbeLimits, SourceFacts};
use tweenfarm_protocol::{
    JobId, Timestamp,
    intake::{JobStanding, NewJob, NewUpload},
};

/// Jobs take seconds at least; a hundred that are waited for make fifty calls a second.
const POLL_EVERY: Duration = Duration::from_secs(2);

/// What the conversion of any file needs. Cheap to clone.
#[derive(Clone)]
pub struct Tools {
    pub rule: Arc<Rule>,
    pub journal: Arc<Journal>,
    pub board: Arc<Board>,
    pub link: Link,
    pub retry: RetryRules,
    /// Looks into files at once: each may use a gigabyte.
    pub looks: Arc<Semaphore>,
    pub stop: CancellationToken,
}

/// Why a step did not lead to the next one.
enum Halt {
    Failed(Failure),
    /// Over, and no failure.
    Ended(Box<ItemState>),
    Store(StoreError),
    /// The watcher stops; the item stays where it is.
    Stopping,
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Halt {
        Halt::Store(error)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Halt {
        Halt::Failed(failure)
    }
}

type Step = Result<Item, Halt>;

fn ended(state: ItemState) -> Halt {
    Halt::Ended(Box::new(state))
}

fn skipped(reason: impl Into<String>) -> Halt {
    ended(ItemState::Skipped { reason: reason.into() })
}

fn clip(reason: impl Into<String>) -> Halt {
    Failure::Clip(reason.into()).into()
}

fn elsewhere(reason: impl Into<String>) -> Halt {
    Failure::Elsewhere(reason.into()).into()
}

impl Tools {
    /// Takes an item as far as it goes now.
    pub async fn convert(&self, mut item: Item) {
        let id = item.id;
        let shown = item.path.display().to_string();
        while let ItemState::Working(stage) = item.state.clone() {
            let before = item.clone();
            tracing::debug!(rule = self.rule.name, path = shown, doing = stage.doing(), "next");
            let next = match stage {
                Stage::Taken => self.upload(item).await,
                Stage::Uploaded { promise, place } => self.submit(item, promise, place).await,
                Stage::Submitted { promise, job } => self.fetch(item, promise, job).await,
                Stage::Proven { promise, job, result } => {
                    self.blocking(move |tools| tools.publish(item, promise, job, result)).await
                }
                Stage::Published { promise, .. } => self.blocking(move |tools| tools.source(item, promise)).await,
            };
            item = match next {
                Ok(next) => next,
                Err(Halt::Stopping) => break,
                Err(Halt::Store(error)) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        path = shown,
                        "the watcher's store fails"
                    );
                    break;
                }
                Err(Halt::Ended(state)) => before.ended(*state, Timestamp::now()),
                Err(Halt::Failed(failure)) => match retry::after(before, failure, &self.retry, Timestamp::now()) {
                    Some(after) => after,
                    None => {
                        tracing::info!(rule = self.rule.name, path = shown, "gone or another file by now");
                        if let Err(error) = self.journal.forget(id) {
                            tracing::error!(error = &error as &dyn std::error::Error, "the watcher's store fails");
                        }
                        break;
                    }
                },
            };
            if !matches!(item.state, ItemState::Working(_)) {
                self.over(&item);
            }
        }
        self.board.ended(id);
    }

    /// Runs a step that blocks off the runtime.
    async fn blocking(&self, step: impl FnOnce(&Tools) -> Step + Send + 'static) -> Step {
        let tools = self.clone();
        let done = tokio::task::spawn_blocking(move || step(&tools)).await;
        done.unwrap_or_else(|_| Err(Failure::Step("the step broke off; it has been logged".to_owned()).into()))
    }

    /// Says how it ended beside the file where the rule asks for that, writes it down, and logs it: whoever is told
    /// finds the note.
    fn over(&self, item: &Item) {
        let (rule, path) = (&self.rule.name, item.path.display().to_string());
        self.note(item);
        if let Err(error) = self.journal.put_synced(item) {
            tracing::error!(error = &error as &dyn std::error::Error, path, "the watcher's store fails");
        }
        match &item.state {
            ItemState::Done { output } => tracing::info!(rule, path, output = %output.display(), "done"),
            ItemState::Skipped { reason } => tracing::info!(rule, path, reason, "passed over"),
            ItemState::Retrying { reason, .. } => tracing::warn!(rule, path, reason, "to be tried again"),
            ItemState::Quarantined { reason } => tracing::warn!(rule, path, reason, "in quarantine"),
            ItemState::Waiting | ItemState::Working(_) => {}
        }
    }

    /// Beside a file in quarantine lies the reason; beside one that is done lies none.
    fn note(&self, item: &Item) {
        if !self.rule.error_note {
            return;
        }
        let mut note = self.source_path(item).into_os_string();
        note.push(name::ERROR_NOTE);
        let note = PathBuf::from(note);
        match &item.state {
            ItemState::Done { .. } => {
                // Most files never had one.
                let _ = fs::remove_file(note);
            }
            ItemState::Quarantined { reason } => {
                if let Err(cause) = fs::write(&note, format!("{reason}\n")) {
                    tracing::warn!(note = %note.display(), %cause, "the note could not be written");
                }
            }
            _ => {}
        }
    }

    fn source_path(&self, item: &Item) -> PathBuf {
        self.rule.folder.join(&item.path)
    }

    async fn upload(&self, item: Item) -> Step {
        let look = self.looks.clone().acquire_owned().await;
        let (item, promise, file) = {
            let tools = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let _look = look;
                tools.promise(item)
            });
            looked.await.map_err(|_| Failure::Step("the look into the clip broke off".to_owned()))??
        };
        crash::reach("looked into");
        let asked = NewUpload {
            account: self.rule.account.clone(),
            filename: item.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            size_bytes: item.stamp.size_bytes,
        };
        let given = self.unless_stopping(self.link.place(&asked)).await?.map_err(of_link)?;
        self.unless_stopping(self.link.send(&given, file, item.stamp.size_bytes)).await?.map_err(
            |error| match error {
                // The daemon began anew since it gave the place, or its store took the bytes and was in doubt.
                LinkError::Refused { status, sentence } if status.is_client_error() => Failure::Step(sentence).into(),
                other => of_link(other),
            },
        )?;
        crash::reach("sent, not noted");
        let item = item.at(Stage::Uploaded { promise, place: Place(given.key) }, Timestamp::now());
        self.journal.put_synced(&item)?;
        crash::reach("uploaded");
        Ok(item)
    }

    /// Reads the whole file, looks into it, and fixes what its result is to be.
    fn promise(&self, item: Item) -> Result<(Item, Promise, File), Halt> {
        let (rule, path) = (&self.rule, self.source_path(&item));
        let file = files::open(&path).map_err(of_source)?;
        if files::stamp_of(&file.metadata().map_err(of_source)?) != Some(item.stamp) {
            return Err(Failure::Changed.into());
        }
        if item.stamp.size_bytes > rule.size_bytes_max {
            let (size, most) = (item.stamp.size_bytes, rule.size_bytes_max);
            return Err(clip(format!("it has {size} bytes, the most is {most} (size_bytes_max)")));
        }
        let source = files::sha256_of(&file).map_err(of_source)?;
        if self.journal.is_output_content(&source)? {
            return Err(skipped("it is a result that was made here"));
        }
        if let Some(owner) = self.journal.claim_content(&rule.name, &source, item.id)?
            && !item.again
        {
            let other = self.journal.item(owner)?.map(|item| item.path.display().to_string());
            let other = other.unwrap_or_else(|| "a file that is gone".to_owned());
            return Err(skipped(format!("it has the same content as {other}")));
        }
        let facts = look_into(&path, item.stamp.size_bytes)?;
        if !pricing::duration_allowed(facts.video.duration, rule.duration_seconds_max) {
            let (long, most) = (facts.video.duration.as_f64(), rule.duration_seconds_max);
            return Err(clip(format!("it lasts {long:.1} s, the most is {most} s (duration_seconds_max)")));
        }
        let fps = rule.target.fps(facts.video.average_rate);
        let fps = fps.map_err(|none| skipped(none.to_string()))?;
        let frames = facts.video.slot_count(tweenfarm_protocol::Rational::whole(i64::from(fps)));
        let output = place::result(&rule.output, &rule.result_name, &rule.folder, &item.path, fps);
        self.reserve(&item, &output)?;
        if files::stamp_at(&path).map_err(of_source)? != Some(item.stamp) {
            return Err(Failure::Changed.into());
        }
        use io::Seek;
        (&file).rewind().map_err(of_source)?;
        Ok((item, Promise { source, fps, frames, output }, file))
    }

    /// Before anything is paid for: the result's name is free, or holds what this same file was made into before.
    fn reserve(&self, item: &Item, output: &Path) -> Result<(), Halt> {
        let there = match fs::symlink_metadata(output) {
            Ok(found) => Some(files::stamp_of(&found)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(of_output(cause)),
        };
        match self.journal.reserve_output(output, item.id, there.is_some())? {
            Reserved::Other(owner) => {
                let other = self.journal.item(owner)?.map(|item| item.path.display().to_string()).unwrap_or_default();
                let output = output.display();
                Err(clip(format!(
                    "{output} is the result of {other}, too: let {{ext}} be part of result_name, or rename one of them"
                )))
            }
            Reserved::Own(before) => match there {
                Some(found) if found.is_none() || found != before => Err(clip(taken(output))),
                _ => Ok(()),
            },
        }
    }

    async fn submit(&self, item: Item, promise: Promise, Place(key): Place) -> Step {
        let asked = NewJob {
            account: self.rule.account.clone(),
            key,
            sha256: hex::encode(promise.source),
            target_fps: promise.fps,
        };
        let name = submission_name(&self.rule.name, &promise, item.attempt);
        let answer = self.unless_stopping(self.link.submit(&asked, &name)).await?;
        let answer = answer.map_err(|error| match error {
            LinkError::Refused { status: StatusCode::BAD_REQUEST, sentence } => clip(sentence),
            // The upload is gone, or holds other bytes.
            LinkError::Refused { status: StatusCode::NOT_FOUND | StatusCode::CONFLICT, sentence } => {
                Failure::Job(sentence).into()
            }
            other => of_link(other),
        })?;
        tracing::info!(rule = self.rule.name, path = %item.path.display(), job = %answer.job, charged = %answer.charged, "submitted");
        crash::reach("charged, not noted");
        let item = item.at(Stage::Submitted { promise, job: answer.job }, Timestamp::now());
        self.journal.put_synced(&item)?;
        crash::reach("submitted");
        Ok(item)
    }

    /// Waits for the job's end, fetches its result under its partial name, and proves it.
    async fn fetch(&self, item: Item, promise: Promise, job: JobId) -> Step {
        let (url, size_bytes, sha256) = loop {
            let standing = match self.unless_stopping(self.link.standing(job)).await? {
                Ok(standing) => standing,
                // The farm works on, whoever can be reached.
                Err(LinkError::Unreachable(_)) => {
                    self.unless_stopping(tokio::time::sleep(POLL_EVERY)).await?;
                    continue;
                }
                Err(LinkError::Refused { status: StatusCode::NOT_FOUND, sentence }) => {
                    return Err(Failure::Job(sentence).into());
                }
                Err(other) => return Err(of_link(other)),
            };
            match standing {
                JobStanding::Open { progress_percent } => {
                    self.board.set_progress(item.id, progress_percent);
                    self.unless_stopping(tokio::time::sleep(POLL_EVERY)).await?;
                }
                JobStanding::Done { url, size_bytes, sha256 } => break (url, size_bytes, sha256),
                JobStanding::Failed { error } => return Err(Failure::Job(format!("the job failed: {error}")).into()),
                JobStanding::Cancelled => return Err(clip("its job was cancelled by the operator")),
                JobStanding::Gone => {
                    return Err(Failure::Job("the result was deleted before it was fetched".to_owned()).into());
                }
            }
        };
        let output = promise.output.clone();
        let begun = tokio::task::spawn_blocking(move || {
            files::make_folders_to(&output)?;
            let free = files::free_bytes(output.parent().unwrap_or(Path::new("/")))?;
            if free < size_bytes {
                return Err(io::Error::new(
                    io::ErrorKind::StorageFull,
                    format!("{free} bytes are free, {size_bytes} are needed"),
                ));
            }
            files::create_partial(&output)
        });
        let file =
            begun.await.map_err(|_| Failure::Step("the result could not be begun".to_owned()))?.map_err(of_output)?;
        self.unless_stopping(self.link.fetch(&url, file, size_bytes)).await?.map_err(|error| match error {
            LinkError::File { source, .. } => of_output(source),
            LinkError::Refused { status: StatusCode::NOT_FOUND, sentence } => Failure::Job(sentence).into(),
            other => of_link(other),
        })?;
        let look = self.looks.clone().acquire_owned().await;
        self.blocking(move |tools| {
            let _look = look;
            tools.prove(item, promise, job, (size_bytes, sha256))
        })
        .await
    }

    fn prove(&self, item: Item, promise: Promise, job: JobId, (size_bytes, sha256): (u64, String)) -> Step {
        crash::reach("fetched, not proven");
        let partial = place::partial(&promise.output);
        let file = File::open(&partial).map_err(of_output)?;
        file.sync_all().map_err(of_output)?;
        let result = files::sha256_of(&file).map_err(of_output)?;
        if hex::encode(result) != sha256 {
            return Err(Failure::Step("the result arrived with other bytes than the farm has".to_owned()).into());
        }
        if let Err(error) = proof::prove(&partial, size_bytes, &promise) {
            let _ = fs::remove_file(&partial);
            return Err(match error {
                Unproven::Wrong(_) => clip(error.to_string()),
                Unproven::Tool(_) => elsewhere(format!("{error}: is the package ffmpeg installed?")),
            });
        }
        let item = item.at(Stage::Proven { promise, job, result }, Timestamp::now());
        self.journal.proven(&item)?;
        crash::reach("proven");
        Ok(item)
    }

    /// Gives the result its name, never in place of a file that was not made here from this same source.
    fn publish(&self, item: Item, promise: Promise, job: JobId, result: [u8; 32]) -> Step {
        let (output, partial) = (&promise.output, place::partial(&promise.output));
        let there = files::stamp_at(output).map_err(of_output)?;
        if files::stamp_at(&partial).map_err(of_output)?.is_none() {
            // Renamed before a crash, or taken away by somebody.
            let is_ours =
                there.is_some() && files::open(output).and_then(files::sha256_of).map_err(of_output)? == result;
            if !is_ours {
                let item = item.at(Stage::Submitted { promise, job }, Timestamp::now());
                self.journal.put_synced(&item)?;
                return Ok(item);
            }
        } else {
            let before = self.journal.output_stamp(output)?;
            let renamed = match before {
                Some(_) if there == before => files::rename_over(&partial, output),
                _ => files::rename_to_free(&partial, output),
            };
            renamed.map_err(|cause| match cause.kind() {
                io::ErrorKind::AlreadyExists => {
                    elsewhere(format!("{}; the result waits beside it as {}", taken(output), partial.display()))
                }
                _ => of_output(cause),
            })?;
        }
        crash::reach("named, not noted");
        let stamp = files::stamp_at(output).map_err(of_output)?;
        let stamp = stamp.ok_or_else(|| Failure::Step("the result was taken away at once".to_owned()))?;
        let output = output.clone();
        let item = item.at(Stage::Published { promise, job }, Timestamp::now());
        self.journal.published(&item, &output, stamp)?;
        crash::reach("published");
        Ok(item)
    }

    /// What becomes of the source. Its result is proven and has its name; that it still has is looked at once more.
    fn source(&self, item: Item, promise: Promise) -> Step {
        let done = ItemState::Done { output: promise.output.clone() };
        let path = self.source_path(&item);
        if self.rule.source == Afterwards::Keep {
            return Err(ended(done));
        }
        let published = self.journal.output_stamp(&promise.output)?;
        if published.is_none() || files::stamp_at(&promise.output).map_err(of_output)? != published {
            tracing::warn!(path = %path.display(), output = %promise.output.display(), "the source stays: its result is not there as it was published");
            return Err(ended(done));
        }
        match files::stamp_at(&path).map_err(of_output)? {
            // Moved or deleted before a crash.
            None => return Err(ended(done)),
            Some(stamp) if stamp != item.stamp => {
                tracing::info!(path = %path.display(), "the source stays: it is another file by now");
                return Err(ended(done));
            }
            Some(_) => {}
        }
        let to = match &self.rule.source {
            Afterwards::Keep => return Err(ended(done)),
            Afterwards::Delete => None,
            Afterwards::Move(folder) => Some(folder.join(&item.path)),
        };
        let went = to.as_ref().map_or_else(|| files::delete(&path), |to| files::move_to_free(&path, to));
        went.map_err(|cause| {
            let to = to.map(|to| format!(" to {}", to.display())).unwrap_or_default();
            elsewhere(format!("the result is there, but the source cannot go{to}: {cause}"))
        })?;
        crash::reach("source gone, not noted");
        Err(ended(done))
    }

    /// A stop leaves the item where it is.
    async fn unless_stopping<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        self.stop.run_until_cancelled(work).await.ok_or(Halt::Stopping)
    }
}

fn look_into(path: &Path, size_bytes: u64) -> Result<SourceFacts, Halt> {
    tweenfarm_media::probe(path, &ProbeLimits::of_size(size_bytes)).map_err(|error| match error {
        ProbeError::Tool(cause) => elsewhere(format!("run ffprobe: {cause}: is the package ffmpeg installed?")),
        of_clip => clip(of_clip.to_string()),
    })
}

/// The same for the same wish: a submission that is sent again after a crash is answered with the job it made.
fn submission_name(rule: &str, promise: &Promise, attempt: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(rule.as_bytes());
    hash.update([0]);
    hash.update(promise.source);
    hash.update(promise.fps.to_be_bytes());
    hash.update(attempt.to_be_bytes());
    format!("watch-{}", hex::encode(hash.finalize()))
}

fn taken(output: &Path) -> String {
    format!("{} is there and was not made here from this clip: move it away", output.display())
}

fn of_source(cause: io::Error) -> Halt {
    // A link took its place: what that leads to was never looked at.
    let is_link = cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    match cause.kind() {
        io::ErrorKind::NotFound => Failure::Changed.into(),
        _ if is_link => Failure::Changed.into(),
        _ => Failure::Step(format!("it cannot be read: {cause}")).into(),
    }
}

/// Never the clip's fault, nor does it end by trying often: a full disk, a folder without the right to write.
fn of_output(cause: io::Error) -> Halt {
    elsewhere(format!("the result cannot be written: {cause}"))
}

fn of_link(error: LinkError) -> Halt {
    match error {
        LinkError::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, sentence } => clip(sentence),
        other => elsewhere(other.to_string()),
    }
}
