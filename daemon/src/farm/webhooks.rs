//! Commands on webhooks: what is due is claimed before it is sent, and settled after. What is due follows from the job,
//! in the job's own transaction.

use super::{error::FarmError, transaction::Transaction, view::ClaimedNews};
use crate::{
    model::{About, Event, News, Webhook, WebhookRules, What},
    store::Write,
};
use tweenfarm_protocol::JobId;

/// Takes what may be said now; none when there is nothing.
pub(super) fn claim(tx: &mut Transaction, id: JobId) -> Result<Option<ClaimedNews>, FarmError> {
    let mut webhook = webhook(tx, id)?;
    let Some(news) = webhook.claim(tx.now) else { return Ok(None) };
    tx.put(Write::PutWebhook(webhook.clone()));
    Ok(Some(ClaimedNews { webhook, news, job: tx.job(id)? }))
}

pub(super) fn settle(
    tx: &mut Transaction,
    rules: WebhookRules,
    id: JobId,
    news: News,
    outcome: Result<u16, String>,
) -> Result<Webhook, FarmError> {
    let mut webhook = webhook(tx, id)?;
    // How far a job is may be told a hundred times: the story has the end only.
    if news == News::End {
        let delivered = outcome.as_ref().is_ok_and(|status| (200..300).contains(status));
        let text = match &outcome {
            Ok(status) => format!("the webhook answered {status}"),
            Err(failure) => format!("the webhook could not be told: {failure}"),
        };
        tx.tell(Event::new(tx.now, What::JobTold { delivered }, About { job: Some(id), ..About::default() }, text));
    }
    webhook.settle(news, outcome, rules, tx.now);
    tx.put(Write::PutWebhook(webhook.clone()));
    Ok(webhook)
}

/// At the start: what was being sent when the last process died.
pub(super) fn recover(tx: &mut Transaction, rules: WebhookRules) -> Result<(), FarmError> {
    for id in tx.open_webhooks()? {
        let mut webhook = webhook(tx, id)?;
        if webhook.recover(rules, tx.now) {
            tx.put(Write::PutWebhook(webhook));
        }
    }
    Ok(())
}

fn webhook(tx: &Transaction, id: JobId) -> Result<Webhook, FarmError> {
    tx.webhook(id)?.ok_or(FarmError::NotFound { what: "webhook" })
}
