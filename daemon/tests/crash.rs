//! Crashes at every point of every transaction: the write fails, the sync fails, the process dies between the two,
//! or dies after them and before the answer. Reopened, what was confirmed is there and nothing is charged twice.

mod scene;

use scene::*;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};
use tweenfarm_daemon::{
    farm::{Farm, FarmError, FarmRules, LeasedWork, Payer, Payment, SignedIn, Submission},
    model::*,
    store::{MemoryStore, Store, StoreError, Write},
};
use tweenfarm_protocol::{
    AccountId, AgentId, EntryId, FileId, JobId, ProjectId, Timestamp, Xeconds,
    join::Fingerprint,
    task::{Failure, FailureClass, Outcome},
};

/// Where the store breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    BeforeWrite,
    BeforeSync,
    AfterSync,
}

/// What the next process finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// `kill -9`: the system still has what was written.
    Process,
    /// A power cut: only what was synced.
    Power,
}

/// A memory store that breaks at the n-th time a point is reached, and stays broken.
struct Breaking {
    inner: Arc<MemoryStore>,
    at: Point,
    left: AtomicU32,
    /// What was on disk when it broke.
    remains: Mutex<Option<MemoryStore>>,
}

impl Breaking {
    fn reach(&self, point: Point) -> Result<(), StoreError> {
        if point == self.at && self.left.load(Ordering::SeqCst) > 0 && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            *self.remains.lock().unwrap() = Some(self.inner.crash());
        }
        if self.left.load(Ordering::SeqCst) == 0 { Err(broken()) } else { Ok(()) }
    }
}

fn broken() -> StoreError {
    StoreError::Io { doing: "reach", source: "the disk is gone".into() }
}

impl Store for Breaking {
    fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.inner.account(id)
    }
    fn account_with_email(&self, email: &str) -> Result<Option<AccountId>, StoreError> {
        self.inner.account_with_email(email)
    }
    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.inner.accounts()
    }
    fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.inner.key(hash)
    }
    fn active_key(&self, account: AccountId) -> Result<Option<ApiKey>, StoreError> {
        self.inner.active_key(account)
    }
    fn named_keys(&self, account: AccountId) -> Result<Vec<ApiKey>, StoreError> {
        self.inner.named_keys(account)
    }
    fn key_used_at(&self, hash: KeyHash) -> Result<Option<Timestamp>, StoreError> {
        self.inner.key_used_at(hash)
    }
    fn last_entry(&self, account: AccountId) -> Result<Option<LedgerEntry>, StoreError> {
        self.inner.last_entry(account)
    }
    fn accounts_after(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.inner.accounts_after(after, limit)
    }
    fn entries_before(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        self.inner.entries_before(account, before, limit)
    }
    fn entries(&self, account: AccountId) -> Result<Vec<LedgerEntry>, StoreError> {
        self.inner.entries(account)
    }
    fn refund_of(&self, charge: EntryId) -> Result<Option<EntryId>, StoreError> {
        self.inner.refund_of(charge)
    }
    fn payment(&self, event: &str) -> Result<Option<LedgerEntry>, StoreError> {
        self.inner.payment(event)
    }
    fn project(&self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        self.inner.project(id)
    }
    fn projects_of(
        &self,
        account: AccountId,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Result<Vec<Project>, StoreError> {
        self.inner.projects_of(account, limit, before)
    }
    fn project_with_share(&self, token: ShareToken) -> Result<Option<Project>, StoreError> {
        self.inner.project_with_share(token)
    }
    fn files_of(&self, project: ProjectId) -> Result<Vec<MediaFile>, StoreError> {
        self.inner.files_of(project)
    }
    fn jobs_in(&self, project: ProjectId) -> Result<Vec<Job>, StoreError> {
        self.inner.jobs_in(project)
    }
    fn file(&self, id: FileId) -> Result<Option<MediaFile>, StoreError> {
        self.inner.file(id)
    }
    fn totals(&self) -> Result<(u64, u64), StoreError> {
        self.inner.totals()
    }
    fn files_due(&self, now: Timestamp, after: Option<&MediaFile>, limit: usize) -> Result<Vec<MediaFile>, StoreError> {
        self.inner.files_due(now, after, limit)
    }
    fn file_with_key(&self, key: &ObjectKey) -> Result<Option<MediaFile>, StoreError> {
        self.inner.file_with_key(key)
    }
    fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.inner.job(id)
    }
    fn jobs_of(&self, account: AccountId, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, StoreError> {
        self.inner.jobs_of(account, limit, after)
    }
    fn origin(&self, job: JobId) -> Result<Option<Origin>, StoreError> {
        self.inner.origin(job)
    }
    fn default_project(&self, account: AccountId) -> Result<Option<ProjectId>, StoreError> {
        self.inner.default_project(account)
    }
    fn jobs_recent(&self, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, StoreError> {
        self.inner.jobs_recent(limit, after)
    }
    fn open_jobs(&self) -> Result<Vec<Job>, StoreError> {
        self.inner.open_jobs()
    }
    fn story(&self, job: JobId) -> Result<Vec<StoryLine>, StoreError> {
        self.inner.story(job)
    }
    fn story_length(&self, job: JobId) -> Result<u32, StoreError> {
        self.inner.story_length(job)
    }
    fn webhook(&self, job: JobId) -> Result<Option<Webhook>, StoreError> {
        self.inner.webhook(job)
    }
    fn open_webhooks(&self) -> Result<Vec<JobId>, StoreError> {
        self.inner.open_webhooks()
    }
    fn answer(&self, account: AccountId, route: &str, key: &str) -> Result<Option<FirstAnswer>, StoreError> {
        self.inner.answer(account, route, key)
    }
    fn answers_before(&self, cut: Timestamp) -> Result<Vec<FirstAnswer>, StoreError> {
        self.inner.answers_before(cut)
    }
    fn agent(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.inner.agent(id)
    }
    fn agent_with_key(&self, key: Fingerprint) -> Result<Option<Agent>, StoreError> {
        self.inner.agent_with_key(key)
    }
    fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        self.inner.agents()
    }
    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.inner.size_bytes()
    }
    fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.inner.operators()
    }
    fn invite(&self, name: &str) -> Result<Option<Invite>, StoreError> {
        self.inner.invite(name)
    }
    fn controls(&self) -> Result<Controls, StoreError> {
        self.inner.controls()
    }
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.reach(Point::BeforeWrite)?;
        self.inner.commit(writes)
    }
    fn copy(&self, record: &mut dyn FnMut(&[u8], &[u8]) -> std::io::Result<()>) -> Result<(), StoreError> {
        self.inner.copy(record)
    }
    fn sync(&self) -> Result<(), StoreError> {
        self.reach(Point::BeforeSync)?;
        self.inner.sync()?;
        self.reach(Point::AfterSync)
    }
}

/// What the story has been told so far.
#[derive(Default)]
struct Confirmed {
    account: Option<Account>,
    job: Option<Job>,
    done: bool,
    /// The user who signs in: balance after each thing that was confirmed.
    user_balance: Option<Xeconds>,
    refunded: bool,
}

/// Signs in, pays, and sends a clip that nobody can decode.
const USER: AccountId = AccountId(uuid::Uuid::from_u128(0x05E4));

/// One clip from account to output, and one from sign-in and payment to failure and refund; stops at the first thing
/// that was not confirmed.
async fn story(scene: &Scene, confirmed: &mut Confirmed) -> Result<(), FarmError> {
    let farm = &scene.farm;
    let account = match &confirmed.account {
        Some(account) => account.clone(),
        None => match farm.add_account(new_account("ada", KeyHash([1; 32]), 50)).await {
            Ok((account, _)) => account,
            // It was there all the same: only the answer was lost.
            Err(FarmError::EmailTaken) => farm.accounts()?.remove(0),
            Err(other) => return Err(other),
        },
    };
    confirmed.account = Some(account.clone());
    let upload = tweenfarm_daemon::farm::NewUpload {
        account: account.id,
        home: tweenfarm_daemon::farm::Home::NewProject,
        filename: "surf.mp4".into(),
        content_type: "video/mp4".into(),
    };
    let file = farm.new_upload(upload).await?;
    let clip = farm.upload_stored(file.key, facts(2).size_bytes, "ab".into()).await?;
    let marked = Submission { watermark: true, ..submission(&clip, 2, 8) };
    let submitted = farm.submit(with_key(marked, "k", 1)).await?;
    assert!(confirmed.job.as_ref().is_none_or(|job| job.id == submitted.job.id), "one key made two jobs");
    confirmed.job = Some(submitted.job);
    farm.hello(hello(AGENT, 1)).await?;
    // Leases from before the crash are not worked on any more.
    scene.clock.advance(RULES.lease_for * 2);
    farm.expire_leases().await?;
    scene.clock.advance(RULES.retry_after * 8);
    while let Some(work) = farm.lease_next(AGENT, 0, std::time::Duration::ZERO).await? {
        farm.report(work.lease, outcome(&work)).await?;
    }
    confirmed.done = true;
    user_story(scene, confirmed).await
}

async fn user_story(scene: &Scene, confirmed: &mut Confirmed) -> Result<(), FarmError> {
    let farm = &scene.farm;
    let user =
        farm.sign_in(SignedIn { account: USER, email: "eve@example.org".into(), issued_at: Timestamp(0) }).await?;
    confirmed.user_balance = confirmed.user_balance.max(Some(Xeconds(120)));
    let payment = Payment {
        event: "evt_1".into(),
        payer: Payer::Account(USER),
        pack: tweenfarm_daemon::pricing::pack("starter").unwrap(),
        currency: Currency::Usd,
    };
    farm.buy(payment).await?;
    confirmed.user_balance = confirmed.user_balance.max(Some(Xeconds(720)));
    let clip = scene.try_clip(&user, 2).await?;
    farm.submit(with_key(submission(&clip, 2, 20), "k", 1)).await?;
    while let Some(work) = farm.lease_next(AGENT, 0, std::time::Duration::ZERO).await? {
        farm.report(work.lease, outcome(&work)).await?;
        confirmed.refunded = true;
    }
    Ok(())
}

fn outcome(work: &LeasedWork) -> Outcome {
    if work.job.account != USER {
        return done(work);
    }
    Outcome::Failed(Failure::new(FailureClass::Input, "The clip could not be decoded.".into()))
}

/// The user's ledger holds what was confirmed, and nothing twice.
fn check_user(farm: &Farm, confirmed: &Confirmed, case: &str) {
    let entries = farm.entries(USER).unwrap();
    let mut kinds: Vec<&str> = entries.iter().map(|entry| kind(&entry.kind)).collect();
    let (booked, before_dedup) = (kinds.concat(), kinds.len());
    kinds.dedup();
    assert_eq!(kinds.len(), before_dedup, "{case}: {booked}");
    assert!("trial purchase charge refund ".starts_with(&booked), "{case}: {booked}");
    let charged = booked.contains("charge") && !booked.contains("refund");
    let expected = Xeconds(confirmed.user_balance.unwrap_or_default().0 - if charged { 20 } else { 0 });
    assert!(farm.balance(USER).unwrap() >= expected, "{case}: {booked}");
    assert!(!confirmed.refunded || booked.ends_with("refund "), "{case}: {booked}");
}

fn kind(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::TrialGrant => "trial ",
        EntryKind::Purchase(_) => "purchase ",
        EntryKind::Charge { .. } => "charge ",
        EntryKind::Refund { .. } => "refund ",
        EntryKind::Reversal(_) => "reversal ",
        EntryKind::OperatorGrant { .. } | EntryKind::Adjustment { .. } => "by hand ",
    }
}

async fn check(point: Point, loss: Loss, times: u32) -> bool {
    let case = format!("{point:?} {loss:?} {times}");
    let clock = TestClock::new();
    let inner = Arc::new(MemoryStore::new());
    let left = AtomicU32::new(times);
    let breaking = Arc::new(Breaking { inner: inner.clone(), at: point, left, remains: Mutex::default() });
    let rules = FarmRules { segment_slots_max: 60, ..RULES };
    let mut confirmed = Confirmed::default();
    let scene = match opened(breaking.clone(), rules, clock.clone()) {
        Some(scene) => scene,
        None => return true,
    };
    let told = story(&scene, &mut confirmed).await;
    let broke = breaking.remains.lock().unwrap().take();
    let Some(remains) = broke else {
        told.unwrap();
        return false;
    };
    assert!(matches!(told, Err(FarmError::Unavailable)), "{case}: {told:?}");
    // Broken for good: nothing is promised or shown any more.
    assert!(matches!(
        scene.farm.grant(AccountId(uuid::Uuid::nil()), Xeconds(1), "x".into(), Credit::Paid).await,
        Err(FarmError::Unavailable)
    ));
    assert!(matches!(scene.farm.accounts(), Err(FarmError::Unavailable)));

    let remains: Arc<MemoryStore> = match loss {
        Loss::Process => inner,
        Loss::Power => Arc::new(remains),
    };
    let scene = Scene::at(remains, rules, clock);
    let audit = scene.farm.audit().unwrap();
    assert!(audit.differences.is_empty(), "{case}");
    if let Some(account) = &confirmed.account {
        assert_eq!(scene.farm.account(account.id).unwrap().as_ref(), Some(account), "{case}");
    }
    if let Some(job) = &confirmed.job {
        assert!(scene.farm.job(job.id).unwrap().is_some(), "{case}");
    }
    check_user(&scene.farm, &confirmed, &case);
    story(&scene, &mut confirmed).await.unwrap();
    check_user(&scene.farm, &confirmed, &case);
    assert_eq!(scene.farm.entries(USER).unwrap().len(), 4, "{case}");
    assert_eq!(scene.farm.balance(USER).unwrap(), Xeconds(720), "{case}");
    let (account, job) = (confirmed.account.unwrap(), confirmed.job.unwrap());
    let JobEnd::Done { output, master, .. } = scene.end(job.id) else { panic!("{case}: {:?}", scene.end(job.id)) };
    let key = |id: FileId| scene.farm.file(id).unwrap().expect("the file of an output").key;
    assert_eq!((key(output), master.map(key)), (job.marked_key(), Some(job.output_key())), "{case}");
    assert_eq!(scene.balance(&account), 42, "{case}");
    assert_eq!(scene.farm.jobs_recent(9, None).unwrap().len(), 2, "{case}");
    true
}

/// None when the store broke while it was opened.
fn opened(store: Arc<dyn Store>, rules: FarmRules, clock: Arc<TestClock>) -> Option<Scene> {
    let (sender, effects) = tokio::sync::mpsc::channel(100);
    let farm = tweenfarm_daemon::farm::Farm::open(store, rules, clock.clone(), sender);
    farm.ok().map(|farm| Scene { farm, clock, effects })
}

#[tokio::test]
async fn a_crash_at_any_point_loses_nothing_confirmed_and_charges_nothing_twice() {
    for point in [Point::BeforeWrite, Point::BeforeSync, Point::AfterSync] {
        for loss in [Loss::Process, Loss::Power] {
            let mut reached = 0;
            while check(point, loss, reached + 1).await {
                reached += 1;
            }
            // Account, upload, bytes, job, a lease and a report for each of two segments, join and mark; sign-in,
            // payment, upload, bytes, job, lease and the report of its failure.
            assert!(reached >= 19, "the story reached {point:?} only {reached} times");
        }
    }
}
