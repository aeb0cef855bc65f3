//! Commands of the operator on the schedule: what is stopped and goes on again, weights, priorities.

use super::{
    board::Held,
    command::Command,
    error::FarmError,
    handle::{Farm, FarmRules},
    leases, story,
    transaction::Transaction,
};
use crate::model::{About, Account, Controls, Duty, Event, Job, Priority, Queue, Weight, What};
use tweenfarm_protocol::{AccountId, AgentId, JobId, LeaseId};

/// What an agent is told to do; twice is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Work,
    /// It finishes what it has in hand.
    Drain,
    /// What it has in hand goes to others at once, without blame.
    Pause,
}

/// They return when their transaction is durable.
impl Farm {
    /// The job goes on where it was cancelled, and is charged again. `NothingToUndo` when there is nothing kept of it.
    pub async fn undo_cancel(&self, id: JobId) -> Result<Job, FarmError> {
        self.send(|reply| Command::UndoCancel { job: id, reply }).await
    }

    /// A failed job is made once more and charged again. `NotFailed` for any other, `SourceGone` when its clip is not kept.
    pub async fn retry(&self, id: JobId) -> Result<Job, FarmError> {
        self.send(|reply| Command::Retry { job: id, reply }).await
    }

    /// Cancelled jobs that can be undone no longer; how many there were.
    pub async fn forget_cancelled(&self) -> Result<u64, FarmError> {
        self.send(|reply| Command::ForgetCancelled { reply }).await
    }

    /// While it is paused, nothing new is handed out to anybody.
    pub async fn pause_queue(&self, paused: bool) -> Result<Controls, FarmError> {
        self.send(|reply| Command::PauseQueue { paused, reply }).await
    }

    /// While it is paused, nothing new of the job is handed out.
    pub async fn pause_job(&self, job: JobId, paused: bool) -> Result<Job, FarmError> {
        self.send(|reply| Command::PauseJob { job, paused, reply }).await
    }

    pub async fn prioritise(&self, job: JobId, priority: Priority) -> Result<Job, FarmError> {
        self.send(|reply| Command::Prioritise { job, priority, reply }).await
    }

    pub async fn weigh(&self, account: AccountId, weight: Weight) -> Result<Account, FarmError> {
        self.send(|reply| Command::Weigh { account, weight, reply }).await
    }

    /// What an agent does from now on; any agent, here or not.
    pub async fn order(&self, agent: AgentId, order: Order) -> Result<Option<Duty>, FarmError> {
        self.send(|reply| Command::Order { agent, order, reply }).await
    }
}

pub(super) fn pause_queue(tx: &mut Transaction, paused: bool) -> Result<Controls, FarmError> {
    let mut controls = tx.controls()?;
    if controls.is_paused() != paused {
        controls.queue = if paused { Queue::Paused { at: tx.now } } else { Queue::Running };
        tx.put_controls(controls.clone());
        let (what, text) = match paused {
            true => (What::Configured("queue_paused"), "the queue is paused: nothing new is handed out"),
            false => (What::Configured("queue_resumed"), "the queue goes on"),
        };
        tx.tell(Event::new(tx.now, what, About::default(), text));
    }
    Ok(controls)
}

/// `held` is what the agent has in hand.
pub(super) fn order(
    tx: &mut Transaction,
    rules: &FarmRules,
    agent: AgentId,
    order: Order,
    held: Vec<(LeaseId, Held)>,
) -> Result<Option<Duty>, FarmError> {
    let mut controls = tx.controls()?;
    let before = controls.duties.get(&agent).copied();
    let duty = match (order, before) {
        (Order::Work, _) => None,
        (Order::Drain, Some(Duty::Draining { at })) => Some(Duty::Draining { at }),
        (Order::Drain, _) => Some(Duty::Draining { at: tx.now }),
        (Order::Pause, Some(Duty::Paused { at })) => Some(Duty::Paused { at }),
        (Order::Pause, _) => Some(Duty::Paused { at: tx.now }),
    };
    if duty != before {
        match duty {
            None => controls.duties.remove(&agent),
            Some(duty) => controls.duties.insert(agent, duty),
        };
        tx.put_controls(controls);
        let (word, text) = match order {
            Order::Work => ("resumed", "the agent is given work again"),
            Order::Drain => ("draining", "the agent finishes what it has in hand and is given nothing new"),
            Order::Pause => ("paused", "the agent is paused: what it had in hand goes to others"),
        };
        let about = About { agent: Some(agent), ..About::default() };
        tx.tell(Event::new(tx.now, What::AgentChanged(word), about, text));
    }
    if order == Order::Pause {
        for (lease, held) in held {
            leases::give_back(tx, rules, Some((held.job, held.spot)), lease)?;
        }
    }
    Ok(duty)
}

pub(super) fn pause_job(tx: &mut Transaction, id: JobId, paused: bool) -> Result<Job, FarmError> {
    let mut job = under_way(tx, id)?;
    if job.paused_at.is_some() == paused {
        return Ok(job);
    }
    job.paused_at = paused.then_some(tx.now);
    let (word, text) = match paused {
        true => ("paused", "paused: nothing new of it is handed out"),
        false => ("resumed", "it goes on"),
    };
    tx.tell(Event::new(tx.now, What::JobChanged(word), story::of(&job), text));
    tx.put_job(job)
}

pub(super) fn prioritise(tx: &mut Transaction, id: JobId, priority: Priority) -> Result<Job, FarmError> {
    let job = under_way(tx, id)?;
    if job.priority == priority {
        return Ok(job);
    }
    let text = format!("its priority is {}", priority.get());
    tx.tell(Event::new(tx.now, What::JobChanged("prioritised"), story::of(&job), text));
    tx.put_job(Job { priority, ..job })
}

pub(super) fn weigh(tx: &mut Transaction, id: AccountId, weight: Weight) -> Result<Account, FarmError> {
    let account = Account { weight, ..tx.account(id)? };
    tx.put_account(account.clone());
    let about = About { account: Some(id), ..About::default() };
    let text = format!("the account's weight is {}", weight.get());
    tx.tell(Event::new(tx.now, What::Configured("weighed"), about, text));
    Ok(account)
}

fn under_way(tx: &Transaction, id: JobId) -> Result<Job, FarmError> {
    let job = tx.job(id)?;
    if job.has_ended() { Err(FarmError::JobEnded) } else { Ok(job) }
}
