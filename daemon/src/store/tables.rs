//! The store's content as plain maps: the memory store's body, and what a transaction has written so far.

use super::Write;
use crate::model::{
    Account, Agent, ApiKey, Controls, EntryKind, FirstAnswer, Invite, Job, KeyHash, KeyKind, LedgerEntry, MediaFile,
    ObjectKey, Operator, Origin, Project, StoryLine, Webhook,
};
use std::collections::BTreeMap;
use tweenfarm_protocol::{AccountId, AgentId, EntryId, FileId, JobId, ProjectId, Timestamp, join::Fingerprint};

#[derive(Clone, Debug, Default)]
pub struct Tables {
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) emails: BTreeMap<String, AccountId>,
    pub(super) keys: BTreeMap<KeyHash, ApiKey>,
    pub(super) key_uses: BTreeMap<KeyHash, Timestamp>,
    pub(super) newest_keys: BTreeMap<AccountId, KeyHash>,
    pub(super) entries: BTreeMap<(AccountId, u64), LedgerEntry>,
    pub(super) refunds: BTreeMap<EntryId, EntryId>,
    pub(super) payments: BTreeMap<String, (AccountId, u64)>,
    pub(super) projects: BTreeMap<ProjectId, Project>,
    pub(super) default_projects: BTreeMap<AccountId, ProjectId>,
    pub(super) files: BTreeMap<FileId, MediaFile>,
    pub(super) objects: BTreeMap<ObjectKey, FileId>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) origins: BTreeMap<JobId, Origin>,
    pub(super) webhooks: BTreeMap<JobId, Webhook>,
    pub(super) story: BTreeMap<(JobId, u32), StoryLine>,
    pub(super) answers: BTreeMap<(AccountId, String, String), FirstAnswer>,
    pub(super) agents: BTreeMap<AgentId, Agent>,
    pub(super) invites: BTreeMap<String, Invite>,
    pub(super) operators: BTreeMap<String, Operator>,
    pub(super) controls: Option<Controls>,
}

impl Tables {
    pub fn apply(&mut self, write: Write) {
        match write {
            Write::PutAccount(account) => {
                let before = self.accounts.get(&account.id).map(|before| &before.email);
                if let Some(before) = before.filter(|before| **before != account.email)
                    && self.emails.get(before) == Some(&account.id)
                {
                    self.emails.remove(before);
                }
                self.emails.entry(account.email.clone()).or_insert(account.id);
                self.accounts.insert(account.id, account);
            }
            Write::PutKey(key) => {
                if key.is_active() && key.kind == KeyKind::Rfx {
                    self.newest_keys.insert(key.account, key.hash);
                }
                self.keys.insert(key.hash, key);
            }
            Write::PutKeyUse { key, at } => {
                self.key_uses.insert(key, at);
            }
            Write::PutEntry(entry) => {
                match &entry.kind {
                    EntryKind::Refund { charge, .. } => {
                        self.refunds.insert(*charge, entry.id);
                    }
                    EntryKind::Purchase(purchase) => {
                        self.payments.insert(purchase.event.clone(), (entry.account, entry.sequence));
                    }
                    EntryKind::Reversal(reversal) => {
                        self.refunds.insert(reversal.purchase, entry.id);
                        self.payments.insert(reversal.event.clone(), (entry.account, entry.sequence));
                    }
                    EntryKind::TrialGrant
                    | EntryKind::OperatorGrant { .. }
                    | EntryKind::Adjustment { .. }
                    | EntryKind::Charge { .. } => {}
                }
                self.entries.insert((entry.account, entry.sequence), entry);
            }
            Write::PutProject(project) => {
                if !project.listed && project.is_deleted() {
                    self.default_projects.remove(&project.account);
                } else if !project.listed {
                    self.default_projects.insert(project.account, project.id);
                }
                self.projects.insert(project.id, project);
            }
            Write::PutOrigin(origin) => {
                self.origins.insert(origin.job, origin);
            }
            Write::PutFile(file) => {
                self.objects.insert(file.key.clone(), file.id);
                self.files.insert(file.id, file);
            }
            Write::PutJob(job) => {
                self.jobs.insert(job.id, job);
            }
            Write::PutWebhook(webhook) => {
                self.webhooks.insert(webhook.job, webhook);
            }
            Write::PutStoryLine(line) => {
                self.story.insert((line.job, line.sequence), line);
            }
            Write::PutAnswer(answer) => {
                self.answers.insert((answer.account, answer.route.clone(), answer.key.clone()), answer);
            }
            Write::PutAgent(agent) => {
                self.agents.insert(agent.id, agent);
            }
            Write::PutInvite(invite) => {
                self.invites.insert(invite.name.clone(), invite);
            }
            Write::PutOperator(operator) => {
                self.operators.insert(operator.name.clone(), operator);
            }
            Write::PutControls(controls) => self.controls = Some(controls),
            Write::ForgetAnswer { account, route, key } => {
                self.answers.remove(&(account, route, key));
            }
        }
    }

    pub fn account(&self, id: AccountId) -> Option<Account> {
        self.accounts.get(&id).cloned()
    }

    pub fn account_with_email(&self, email: &str) -> Option<AccountId> {
        self.emails.get(email).copied()
    }

    pub fn key(&self, hash: KeyHash) -> Option<ApiKey> {
        self.keys.get(&hash).cloned()
    }

    /// Which key the account was given last, whatever became of it.
    pub fn newest_key(&self, account: AccountId) -> Option<KeyHash> {
        self.newest_keys.get(&account).copied()
    }

    pub fn last_entry(&self, account: AccountId) -> Option<LedgerEntry> {
        self.entries.range((account, 0)..=(account, u64::MAX)).next_back().map(|(_, entry)| entry.clone())
    }

    pub fn refund_of(&self, charge: EntryId) -> Option<EntryId> {
        self.refunds.get(&charge).copied()
    }

    pub fn payment(&self, event: &str) -> Option<LedgerEntry> {
        self.payments.get(event).and_then(|at| self.entries.get(at)).cloned()
    }

    pub fn project(&self, id: ProjectId) -> Option<Project> {
        self.projects.get(&id).cloned()
    }

    pub fn file(&self, id: FileId) -> Option<MediaFile> {
        self.files.get(&id).cloned()
    }

    pub fn file_with_key(&self, key: &ObjectKey) -> Option<MediaFile> {
        self.objects.get(key).and_then(|id| self.file(*id))
    }

    pub fn job(&self, id: JobId) -> Option<Job> {
        self.jobs.get(&id).cloned()
    }

    pub fn webhook(&self, job: JobId) -> Option<Webhook> {
        self.webhooks.get(&job).cloned()
    }

    pub fn agent(&self, id: AgentId) -> Option<Agent> {
        self.agents.get(&id).cloned()
    }

    pub fn agent_with_key(&self, key: Fingerprint) -> Option<Agent> {
        self.agents.values().find(|agent| agent.key == key).cloned()
    }

    pub fn operator(&self, name: &str) -> Option<Operator> {
        self.operators.get(name).cloned()
    }

    pub fn controls(&self) -> Option<Controls> {
        self.controls.clone()
    }

    pub fn invite(&self, name: &str) -> Option<Invite> {
        self.invites.get(name).cloned()
    }

    pub fn answer(&self, account: AccountId, route: &str, key: &str) -> Option<FirstAnswer> {
        self.answers.get(&(account, route.to_owned(), key.to_owned())).cloned()
    }
}
