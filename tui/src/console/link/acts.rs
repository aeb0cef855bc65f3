//! What the operator asks for, done by the daemon, and told in a sentence.

use crate::{
    client::{Client, ClientError},
    command::AccountName,
    console::{
        action::Asked,
        event::{Event, Secret},
        text,
    },
};
use tweenfarm_protocol::operator::{AddKey, AddUser, Grant, Invite, Pinned, Swept};

pub async fn done(client: &Client, asked: Asked) -> Event {
    match answer(client, &asked).await {
        Ok((said, shown_once)) => Event::Done { asked, said, shown_once },
        Err(error) => Event::Refused { asked, why: error.to_string() },
    }
}

async fn answer(client: &Client, asked: &Asked) -> Result<(String, Option<Secret>), ClientError> {
    let said = match asked.clone() {
        Asked::Cancel(job) => {
            let row = client.cancel(job).await?;
            match row.state.as_str() {
                "cancelled" => {
                    format!("{} is cancelled, {} xeconds are given back", text::clip(&row), row.xeconds_refunded)
                }
                state => format!("{} was {state} before: nothing was changed", text::clip(&row)),
            }
        }
        Asked::UndoCancel(job) => {
            client.undo_cancel(job).await?;
            "the cancelling is undone: charged again, and what was rendered is kept".to_owned()
        }
        Asked::Retry(job) => {
            client.retry(job).await?;
            "the job is tried again: charged again, from its first frame".to_owned()
        }
        Asked::PauseJob { job, paused } => {
            client.pause_job(job, paused).await?;
            if paused { "the job is paused: o lets it go on" } else { "the job goes on" }.to_owned()
        }
        Asked::Prioritise { job, priority } => {
            let schedule = client.prioritise(job, priority).await?;
            format!("the priority is {} now", schedule.priority)
        }
        Asked::PauseQueue { paused } => {
            client.pause_queue(paused).await?;
            if paused { "the queue is paused: O lets it go on" } else { "the queue goes on" }.to_owned()
        }
        Asked::Order { agent, order } => {
            let duty = client.order_agent(agent, order).await?;
            format!("{} is {} now", duty.name, duty.duty.name())
        }
        Asked::Weigh { account, weight } => {
            let row = client.weigh(&AccountName::Id(account), weight).await?;
            format!("the weight is {} now", row.weight)
        }
        Asked::Revoke(agent) => {
            let revoked = client.revoke_agent(&agent.to_string()).await?;
            format!("{} is out: its work goes to others", revoked.name)
        }
        Asked::Invite { name, valid_seconds } => {
            let invited = client.invite(Invite { name, valid_seconds }).await?;
            let secret = Secret {
                title: "Paste this on that machine",
                text: format!("tweenfarm-agent join {}", invited.line),
                note: format!("It makes that machine {}; it works once, until {}.", invited.name, invited.expires_at),
            };
            return Ok((format!("{} is invited", invited.name), Some(secret)));
        }
        Asked::AddUser { email, xeconds } => {
            let added = client.add_user(AddUser { email, xeconds, trial: false }).await?;
            let note = format!("The key of {}, for the ReframeFX API.", added.email);
            let secret = Secret { title: "API key", text: added.api_key, note };
            return Ok((format!("{} is added, its balance is {}", added.email, added.balance), Some(secret)));
        }
        Asked::Grant { account, xeconds, reason, kind } => {
            let granted = client.grant(&AccountName::Id(account), Grant { xeconds, reason, kind }).await?;
            format!("{xeconds} xeconds given, the balance is {}", granted.balance)
        }
        Asked::Adjust { account, xeconds, reason } => {
            let adjusted = client.adjust(&AccountName::Id(account), xeconds, reason).await?;
            format!("corrected by {:+}, the balance is {}", xeconds.0, adjusted.balance)
        }
        Asked::AddKey { account, name } => {
            let added = client.add_key(&AccountName::Id(account), AddKey { name }).await?;
            let note = format!("The key {}, for the Apiframe API.", added.name);
            let secret = Secret { title: "API key", text: added.api_key, note };
            return Ok((format!("the key {} is made", added.name), Some(secret)));
        }
        Asked::Sweep { dry_run } => swept(&client.sweep(dry_run).await?),
        Asked::Pin { file, pinned } => {
            let Pinned { pinned, expires_at, .. } = client.pin(file, pinned).await?;
            match pinned {
                true => "pinned: no sweep deletes it".to_owned(),
                false => format!("unpinned: its time ends {expires_at}"),
            }
        }
        Asked::Watched { file, order } => {
            client.order_watched(&file, order).await?;
            "the watcher hears of it at its next call, within seconds".to_owned()
        }
    };
    Ok((said, None))
}

fn swept(swept: &Swept) -> String {
    let kept = if swept.in_use > 0 { format!(", {} more are kept for jobs", swept.in_use) } else { String::new() };
    match swept.dry_run {
        true => {
            format!("a sweep now would delete {} files, {}{kept}", swept.candidates, text::size(swept.candidate_bytes))
        }
        false => {
            let errors =
                if swept.errors > 0 { format!(", {} could not be: see the log", swept.errors) } else { String::new() };
            format!("{} files, {} are deleted{kept}{errors}", swept.deleted, text::size(swept.deleted_bytes))
        }
    }
}
