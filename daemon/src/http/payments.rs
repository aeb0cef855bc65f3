//! Payments: what a provider's webhook, translated and signed by the operator's own adapter, turns into xeconds.
//! `docs/payments.md` tells how to put a provider in front.
//!
//! The signature is the credential. An event is booked once, however often it is sent.

use super::{
    HttpState,
    body::{Fields, read_object, whole_body},
    error::Failure,
};
use crate::{
    farm::{Payer, Payment},
    model::Currency,
    pricing,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::HeaderMap,
    routing::post,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tweenfarm_protocol::{AccountId, Timestamp};

const SIGNATURE: &str = "tweenfarm-signature";
/// How far the time of a signature may be from now, either way: an event that was overheard is of no use later.
const REPLAY_WINDOW: Duration = Duration::from_secs(5 * 60);
const SECRET_BYTES_MIN: usize = 32;
const EVENT_BYTES_MAX: usize = 255;

pub fn routes() -> Router<HttpState> {
    Router::new().route("/internal/payments", post(book))
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("payments.secret_file: read {0}")]
    Read(PathBuf, #[source] std::io::Error),
    #[error(
        "payments.secret_file: {0} holds fewer than {SECRET_BYTES_MIN} bytes: make one with `openssl rand -hex 32`"
    )]
    Short(PathBuf),
}

/// The secret that the operator's adapter signs with.
#[derive(Clone)]
pub struct PaymentSecret(Vec<u8>);

impl PaymentSecret {
    pub fn read(path: &Path) -> Result<PaymentSecret, SecretError> {
        let bytes = std::fs::read(path).map_err(|cause| SecretError::Read(path.to_owned(), cause))?;
        // An editor's newline is not part of the secret.
        let bytes = bytes.trim_ascii();
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(SecretError::Short(path.to_owned()));
        }
        Ok(PaymentSecret(bytes.to_vec()))
    }

    /// `t=SECONDS,v1=HEX`: HMAC-SHA256 over the seconds, a dot and the body as it was sent.
    fn verify(&self, header: &str, body: &[u8], now: Timestamp) -> Result<(), &'static str> {
        let mut at = None;
        let mut signatures = Vec::new();
        for part in header.split(',') {
            match part.trim().split_once('=') {
                Some(("t", seconds)) => at = Some(seconds),
                // More than one while the secret is changed.
                Some(("v1", signature)) => signatures.push(signature),
                _ => {}
            }
        }
        let at = at.ok_or("it has no time (t=)")?;
        let sent: i64 = at.parse().map_err(|_| "its time (t=) is not a number of seconds")?;
        let sent = Timestamp(sent.saturating_mul(1_000_000));
        let signed = signatures.iter().any(|signature| {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return false };
            mac.update(at.as_bytes());
            mac.update(b".");
            mac.update(body);
            hex::decode(signature).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
        });
        if !signed {
            return Err("it does not fit time, body and secret");
        }
        if now.since(sent) > REPLAY_WINDOW || sent.since(now) > REPLAY_WINDOW {
            return Err("it was made more than 5 minutes from now: send events at once, and set the clock");
        }
        Ok(())
    }
}

async fn book(State(state): State<HttpState>, headers: HeaderMap, request: Request) -> Result<Json<Value>, Failure> {
    let secret = state.payments.as_ref().ok_or(Failure::NoRoute)?;
    let body = whole_body(request, &state).await?;
    let header = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let header = header.ok_or(Failure::PaymentSignature("the header Tweenfarm-Signature is missing"))?;
    secret.verify(header, &body, state.farm.now()).map_err(Failure::PaymentSignature)?;
    let payment = payment(&read_object(&body)?)?;
    let event = payment.event.clone();
    let bought = state.farm.buy(payment).await?;
    tracing::info!(account = %bought.account, event, xeconds = %bought.xeconds, replayed = bought.replayed, "a payment");
    Ok(Json(json!({
        "event_id": event,
        "account": bought.account,
        "xeconds": bought.xeconds,
        "balance_after": bought.balance_after,
        "replayed": bought.replayed,
    })))
}

fn payment(fields: &Fields) -> Result<Payment, Failure> {
    let event = fields.text("event_id")?;
    if !(1..=EVENT_BYTES_MAX).contains(&event.len()) || !event.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::invalid(format!("event_id must have 1 to {EVENT_BYTES_MAX} ASCII characters, no blanks")));
    }
    let account: Option<AccountId> = fields.optional_id("account")?;
    let email = fields.optional_text("email")?;
    let payer = match (account, email) {
        (Some(account), None) => Payer::Account(account),
        (None, Some(email)) if email.contains('@') => Payer::Email(email.to_owned()),
        (None, Some(_)) => return Err(Failure::invalid("email must be an e-mail address")),
        _ => return Err(Failure::invalid("either account (a UUID) or email must say who paid, and not both")),
    };
    let pack = fields.text("pack")?;
    let pack = pricing::pack(pack).ok_or_else(|| {
        let known = pricing::CREDIT_PACKS.map(|pack| pack.id).join(", ");
        Failure::invalid(format!("pack must be one of {known}"))
    })?;
    let currency = fields.text("currency")?;
    let currency = Currency::ALL.into_iter().find(|known| known.code() == currency);
    let currency = currency.ok_or_else(|| Failure::invalid("currency must be USD or INR"))?;
    Ok(Payment { event: event.to_owned(), payer, pack, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_782_900_000;

    fn signed(secret: &[u8], at: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn only_a_fresh_signature_of_this_body_with_this_secret_is_taken() {
        let secret = PaymentSecret(b"a secret of the tests".to_vec());
        let check = |header: &str, phrase: Option<&str>| {
            let verified = secret.verify(header, b"body", Timestamp(NOW * 1_000_000));
            match phrase {
                None => assert_eq!(verified, Ok(()), "{header}"),
                Some(phrase) => assert!(verified.is_err_and(|said| said.contains(phrase)), "{header}: {verified:?}"),
            }
        };
        let of = |at: i64| signed(&secret.0, at, b"body");
        check(&of(NOW), None);
        check(&of(NOW - 300), None);
        check(&of(NOW + 300), None);
        check(&of(NOW - 301), Some("5 minutes"));
        check(&of(NOW + 301), Some("5 minutes"));
        check(&format!("{},v1=00ff", of(NOW)), None);
        check(&format!(" v1=00ff , {}", of(NOW)), None);
        check(&signed(&secret.0, NOW, b"other body"), Some("does not fit"));
        check(&signed(b"another secret", NOW, b"body"), Some("does not fit"));
        check(&of(NOW).replace(&format!("t={NOW}"), &format!("t={}", NOW - 1)), Some("does not fit"));
        check(&of(NOW).replace("v1", "v0"), Some("does not fit"));
        check(&format!("t={NOW},v1="), Some("does not fit"));
        check(&format!("t={NOW}"), Some("does not fit"));
        check("v1=00", Some("no time"));
        check("t=soon,v1=00", Some("not a number"));
        check("", Some("no time"));
    }
}
