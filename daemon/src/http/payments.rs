//! Payments: what a provider's webhook, translated and signed by the operator's own adapter, turns into xeconds, and back.
//! `docs/payments.md` tells how to put a provider in front.
//!
//! The signature is the credential. An event is booked once, however often it is sent.

use super::{
    HttpState,
    body::{Fields, read_object, whole_body},
    error::Failure,
    openapi::{Access, Operation, Surface},
};
use crate::{
    farm::{Bought, MoneyBack, Payer, Payment, Reversed},
    model::Currency,
    pricing,
};
use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, Method},
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
const REASON_BYTES_MAX: usize = 500;
const EXAMPLE_ID: &str = "0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10";

pub fn surface() -> Surface {
    let event = json!({ "event_id": "evt_1", "email": "ann@example.org", "pack": "starter", "currency": "USD" });
    let signature = json!({ "type": "string" });
    let booking = Operation::new(
        Method::POST,
        "/internal/payments",
        Access::Signed,
        ("Payments", "bookPayment"),
        "A payment, or its way back",
    )
    .says(
        "Sent by the operator's own adapter of a payment provider, not by clients. `refund_of` takes a purchase back, as \
         far as its xeconds are left; without it the event is a payment and needs `pack`, `currency`, and `account` or \
         `email`. An event is booked once, however often it is sent.",
    )
    .parameter("header", "Tweenfarm-Signature", true, "t=SECONDS,v1=HEX: HMAC-SHA256 of both and the body", signature)
    .takes("PaymentEvent", true, event)
    .answers(
        200,
        "Booked, now or before",
        "BookedPayment",
        json!({ "event_id": "evt_1", "account": EXAMPLE_ID, "xeconds": 600, "balance_after": 720, "replayed": false }),
    )
    .refuses(404, "account not found");
    Surface::default().serve(booking, post(book))
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
    let fields = read_object(&body)?;
    let event = name_of_event(&fields, "event_id")?.to_owned();
    match fields.optional_text("refund_of")? {
        None => {
            let Bought { account, xeconds, balance_after, replayed } =
                state.farm.buy(payment(&fields, event.clone())?).await?;
            tracing::info!(%account, event, %xeconds, replayed, "a payment");
            Ok(Json(json!({
                "event_id": event,
                "account": account,
                "xeconds": xeconds,
                "balance_after": balance_after,
                "replayed": replayed,
            })))
        }
        Some(_) => {
            let Reversed { account, taken, missing, balance_after, replayed } =
                state.farm.reverse(money_back(&fields, event.clone())?).await?;
            tracing::info!(%account, event, %taken, %missing, replayed, "a payment went back");
            Ok(Json(json!({
                "event_id": event,
                "account": account,
                "xeconds": -taken.0,
                "xeconds_missing": missing,
                "balance_after": balance_after,
                "replayed": replayed,
            })))
        }
    }
}

fn name_of_event<'a>(fields: &'a Fields, field: &'static str) -> Result<&'a str, Failure> {
    let event = fields.text(field)?;
    if !(1..=EVENT_BYTES_MAX).contains(&event.len()) || !event.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::invalid(format!("{field} must have 1 to {EVENT_BYTES_MAX} ASCII characters, no blanks")));
    }
    Ok(event)
}

fn money_back(fields: &Fields, event: String) -> Result<MoneyBack, Failure> {
    if let Some(field) = ["pack", "currency", "account", "email"].into_iter().find(|field| fields.has(field)) {
        let sentence = format!("{field} and refund_of: an event is a payment or a refund; send one for each");
        return Err(Failure::invalid(sentence));
    }
    let reason = fields.optional_text("reason")?.map_or("refunded by the provider", str::trim);
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        return Err(Failure::invalid(format!(
            "reason must have 1 to {REASON_BYTES_MAX} bytes: it stays in the ledger"
        )));
    }
    let payment = name_of_event(fields, "refund_of")?.to_owned();
    Ok(MoneyBack { event, payment, reason: reason.to_owned() })
}

fn payment(fields: &Fields, event: String) -> Result<Payment, Failure> {
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
    Ok(Payment { event, payer, pack, currency })
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
