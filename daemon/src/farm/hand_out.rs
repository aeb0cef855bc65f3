//! Hands work to the workers that wait for it, the one that has waited longest first: the writer's part that looks at the
//! line whenever somebody in it may have become lucky.
//!
//! After a look nobody waits for something that is to be had. So one is due when the board was stirred, when somebody joined
//! the line (then they alone are looked at), when an agent came, went or said how it is, and at a moment that was known
//! before. What none of these tells, such as a clock that was set, is found by looking every few seconds.

use super::{
    board::Board,
    command::{Handed, Reply},
    error::FarmError,
    leases,
    line::{Line, Ticket, Waiter},
    presence::Presence,
    writer::{Promise, Writer},
};
use crate::schedule::{
    queue::Pick,
    share::{self, Share},
};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tweenfarm_protocol::{AgentId, Timestamp};

/// Leases of one look: whoever has theirs need not wait until a thousand others do.
const LEASES_MAX: usize = 128;
/// The slow look.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The shortest wait for a moment that is known: no clock is read more often.
const ALARM_MIN: Duration = Duration::from_millis(1);

/// The line, and who in it is to be looked at.
pub(super) struct Lookout {
    line: Line,
    /// Those from this ticket on; the others found nothing, and nothing has changed for them.
    from: Ticket,
    /// Those before this ticket were looked at before.
    known: Ticket,
    /// When something that waits may be handed out.
    due: Option<Timestamp>,
    /// When all were looked at.
    looked_at: Instant,
}

/// Who in the line gets what.
struct Match {
    ticket: Ticket,
    pick: Pick,
    engine: String,
    share: Share,
}

impl Default for Lookout {
    fn default() -> Lookout {
        Lookout { line: Line::default(), from: 0, known: 0, due: None, looked_at: Instant::now() }
    }
}

impl Lookout {
    pub(super) fn join(&mut self, worker: (AgentId, u32), is_in_haste: bool, reply: Reply<Option<Handed>>) {
        self.line.join(Waiter { worker, is_in_haste, reply });
    }

    pub(super) fn forget_gone(&mut self) {
        self.line.forget_gone();
    }
}

impl Writer {
    /// Leases what those that wait can have. Says whether there may be more of them.
    pub(super) fn hand_out(&mut self) -> bool {
        if !self.shared.may_write() {
            self.lookout.line.refuse_all(|| FarmError::Unavailable);
            return false;
        }
        let now = self.clock.now();
        let is_nudged = self.shared.nudged.swap(false, Ordering::SeqCst);
        let (is_stirred, has_nothing) = {
            let mut board = self.shared.board();
            (board.take_stirred(), board.has_nothing())
        };
        let lookout = &mut self.lookout;
        let is_due = lookout.due.is_some_and(|due| due <= now) || lookout.looked_at.elapsed() >= LOOK_EVERY;
        if is_stirred || is_nudged || is_due {
            (lookout.from, lookout.looked_at) = (0, Instant::now());
        }
        if has_nothing {
            lookout.from = lookout.from.max(lookout.known);
        }
        let mut may_be_more = true;
        for _ in 0..LEASES_MAX {
            let found = self.next_match(now);
            let Some(found) = found else {
                may_be_more = false;
                break;
            };
            self.hand_to(found);
        }
        self.lookout.due = self.shared.board().changes_at(now);
        may_be_more
    }

    /// How long the writer may sleep; none where only a command changes anything.
    pub(super) fn alarm(&self) -> Option<Duration> {
        if self.lookout.line.is_empty() || self.shared.board().has_nothing() {
            return None;
        }
        let slow = LOOK_EVERY.saturating_sub(self.lookout.looked_at.elapsed());
        let known = self.lookout.due.map_or(slow, |due| due.since(self.clock.now()));
        Some(known.min(slow).max(ALARM_MIN))
    }

    /// The first in the line who can have something; everybody before is looked at by then.
    fn next_match(&mut self, now: Timestamp) -> Option<Match> {
        // Whoever takes both takes them in this order.
        let (presence, board) = (self.shared.presence(), self.shared.board());
        let (mut gone, mut found) = (Vec::new(), None);
        for (ticket, waiter) in self.lookout.line.from(self.lookout.from) {
            if waiter.reply.is_closed() {
                gone.push(ticket);
                continue;
            }
            found = matched(&board, &presence, (ticket, waiter.worker), now);
            if found.is_some() {
                break;
            }
            if waiter.is_in_haste {
                gone.push(ticket);
            }
        }
        drop((presence, board));
        for waiter in gone.into_iter().filter_map(|ticket| self.lookout.line.leave(ticket)) {
            let _ = waiter.reply.send(Ok(None));
        }
        let end = found.as_ref().map_or(self.lookout.line.end(), |found| found.ticket + 1);
        (self.lookout.from, self.lookout.known) = (end, self.lookout.known.max(end));
        found
    }

    fn hand_to(&mut self, found: Match) {
        let Match { ticket, pick, engine, share } = found;
        let Some(Waiter { worker, reply, .. }) = self.lookout.line.leave(ticket) else { return };
        let (rules, at) = (*self.rules.now(), (pick.job, pick.spot));
        let leased = self.is_out(worker.0).and_then(|is_out| {
            if is_out {
                return Ok(None);
            }
            self.change(Promise::Durable, |tx| leases::lease(tx, &rules, at, share, worker, &engine))
        });
        let handed = leased.map(|work| {
            let work = work?;
            self.shared.board().given(&work.job, pick, work.lease);
            Some(Handed::new(work, self.back.clone()))
        });
        // Without work, and without an error, where the clock went backwards meanwhile: who asks again is looked at again.
        self.reply_once_durable(reply, handed);
    }

    /// Decided here, where nothing comes between: an agent is given nothing after its revocation.
    fn is_out(&self, agent: AgentId) -> Result<bool, FarmError> {
        Ok(self.store.agent(agent)?.is_some_and(|agent| !agent.is_member()))
    }
}

fn matched(
    board: &Board,
    presence: &Presence,
    (ticket, worker): (Ticket, (AgentId, u32)),
    now: Timestamp,
) -> Option<Match> {
    let pick = board.next(presence, worker, now)?;
    let engine = presence.candidate(worker)?.facts.engine.clone();
    let ask = board.ask(presence, (pick.job, pick.spot), worker, now);
    let share = ask.map_or(Share::About(1), |ask| share::share(&ask));
    Some(Match { ticket, pick, engine, share })
}
