//! The workers that wait for work, in the order in which they came. Each is there once, however often it asks.

use super::{
    command::{Handed, Reply},
    error::FarmError,
};
use std::collections::{BTreeMap, HashMap};
use tweenfarm_protocol::AgentId;

/// Place in the line: the lower, the longer it waits.
pub(super) type Ticket = u64;

#[derive(Default)]
pub(super) struct Line {
    waiters: BTreeMap<Ticket, Waiter>,
    tickets: HashMap<(AgentId, u32), Ticket>,
    next: Ticket,
}

pub(super) struct Waiter {
    pub(super) worker: (AgentId, u32),
    /// Goes away when there is nothing at once.
    pub(super) is_in_haste: bool,
    pub(super) reply: Reply<Option<Handed>>,
}

impl Line {
    /// A worker that asks again was given up by its earlier self, which is told that there is nothing. Gives its ticket.
    pub(super) fn join(&mut self, waiter: Waiter) -> Ticket {
        if let Some(earlier) = self.tickets.get(&waiter.worker).copied().and_then(|ticket| self.leave(ticket)) {
            let _ = earlier.reply.send(Ok(None));
        }
        let ticket = self.next;
        self.next += 1;
        self.tickets.insert(waiter.worker, ticket);
        self.waiters.insert(ticket, waiter);
        ticket
    }

    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waiter> {
        let waiter = self.waiters.remove(&ticket)?;
        self.tickets.remove(&waiter.worker);
        Some(waiter)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Those with this ticket or a later one, in the order in which they came.
    pub(super) fn from(&self, ticket: Ticket) -> impl Iterator<Item = (Ticket, &Waiter)> {
        self.waiters.range(ticket..).map(|(ticket, waiter)| (*ticket, waiter))
    }

    /// The ticket of whoever comes next.
    pub(super) fn end(&self) -> Ticket {
        self.next
    }

    /// Forgets those that wait no more.
    pub(super) fn forget_gone(&mut self) {
        let gone: Vec<_> =
            self.waiters.iter().filter(|(_, waiter)| waiter.reply.is_closed()).map(|(ticket, _)| *ticket).collect();
        gone.into_iter().for_each(|ticket| drop(self.leave(ticket)));
    }

    /// Sends all away.
    pub(super) fn refuse_all(&mut self, why: impl Fn() -> FarmError) {
        self.tickets.clear();
        for (_, waiter) in std::mem::take(&mut self.waiters) {
            let _ = waiter.reply.send(Err(why()));
        }
    }
}
