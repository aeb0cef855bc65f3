//! The rule of sign-in tokens: what the claims of a token whose signature holds must say. Pure; the time is an argument.

use serde_json::{Map, Value};
use std::time::Duration;
use tweenfarm_protocol::{AccountId, Timestamp};

/// Who is both the audience and the role of a signed-in user, in the words of Supabase.
const AUTHENTICATED: &str = "authenticated";
/// How far the clocks of the issuer and of this machine may differ.
const LEEWAY: Duration = Duration::from_secs(30);
/// The longest address that mail can be sent to.
const EMAIL_BYTES_MAX: usize = 254;

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: AccountId,
    /// Empty for users without one; nobody is found by it.
    pub email: String,
    pub issued_at: Timestamp,
}

/// The identity in the claims, or what is wrong with them.
pub fn check(claims: &Map<String, Value>, issuer: Option<&str>, now: Timestamp) -> Result<Identity, &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let audience = match claims.get("aud") {
        Some(Value::String(audience)) => audience == AUTHENTICATED,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == AUTHENTICATED),
        _ => false,
    };
    if !audience {
        return Err("its audience is not 'authenticated'");
    }
    if text("role") != Some(AUTHENTICATED) {
        return Err("its role is not 'authenticated': send the token of a signed-in user");
    }
    if issuer.is_some_and(|issuer| text("iss") != Some(issuer)) {
        return Err("it was issued by somebody else than this farm trusts");
    }
    let expires = moment(claims, "exp").ok_or("it does not say when it expires")?;
    if expires.plus(LEEWAY) <= now {
        return Err("it has expired: sign in again");
    }
    let issued = moment(claims, "iat").ok_or("it does not say when it was issued")?;
    if issued > now.plus(LEEWAY) {
        return Err("it was issued in the future: the clocks differ");
    }
    if claims.contains_key("nbf") && moment(claims, "nbf").is_none_or(|from| from > now.plus(LEEWAY)) {
        return Err("it is not valid yet");
    }
    let account = text("sub").and_then(|sub| sub.parse().ok()).ok_or("its subject is not the id of a user")?;
    let email = text("email").filter(|email| email.len() <= EMAIL_BYTES_MAX && !email.chars().any(char::is_control));
    Ok(Identity { account, email: email.unwrap_or_default().to_owned(), issued_at: issued })
}

/// Seconds since 1970, which may have a fraction.
fn moment(claims: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    let seconds = claims.get(name)?.as_f64().filter(|seconds| (0.0..9.0e12).contains(seconds))?;
    Some(Timestamp((seconds * 1e6) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_782_900_000;
    const USER: &str = "0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10";

    /// A good token's claims with some of them replaced; null takes one away.
    fn checked(changes: Value) -> Result<Identity, &'static str> {
        let mut claims = json!({
            "sub": USER, "aud": "authenticated", "role": "authenticated", "exp": NOW + 3600, "iat": NOW - 10,
            "iss": "https://p.example.org/auth/v1", "email": "Ada@example.org", "is_anonymous": false, "aal": "aal1",
        });
        let claims = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => claims.remove(name),
                value => claims.insert(name.clone(), value.clone()),
            };
        }
        check(claims, Some("https://p.example.org/auth/v1"), Timestamp(NOW * 1_000_000))
    }

    #[test]
    fn good_claims_name_the_user() {
        let identity = |issued: i64| Identity {
            account: USER.parse().unwrap(),
            email: "Ada@example.org".into(),
            issued_at: Timestamp(issued * 1_000_000),
        };
        for good in [
            json!({}),
            json!({ "aud": ["other", "authenticated"] }),
            json!({ "exp": NOW as f64 + 0.5 }),
            json!({ "exp": NOW - 29 }),
            json!({ "iat": NOW + 30 }),
            json!({ "nbf": NOW + 30 }),
        ] {
            let issued = good.get("iat").and_then(Value::as_i64).unwrap_or(NOW - 10);
            assert_eq!(checked(good.clone()), Ok(identity(issued)), "{good}");
        }
        assert_eq!(checked(json!({ "email": null })).unwrap().email, "");
        assert_eq!(checked(json!({ "email": "a\nb" })).unwrap().email, "");
    }

    #[test]
    fn each_claim_that_is_wrong_is_refused_for_what_it_is() {
        let check = |wrong: Value, phrase: &str| {
            let refusal = checked(wrong.clone()).expect_err(&format!("{wrong} is accepted"));
            assert!(refusal.contains(phrase), "{wrong}: {refusal}");
        };
        for aud in [json!(null), json!("anon"), json!(["anon"]), json!([]), json!(5), json!({ "authenticated": 1 })] {
            check(json!({ "aud": aud }), "audience");
        }
        for role in [json!(null), json!("anon"), json!("service_role"), json!(["authenticated"]), json!("")] {
            check(json!({ "role": role }), "role");
        }
        for iss in [json!(null), json!("https://q.example.org/auth/v1"), json!(["https://p.example.org/auth/v1"])] {
            check(json!({ "iss": iss }), "issued by");
        }
        for exp in [json!(NOW - 30), json!(0), json!(NOW - 3600)] {
            check(json!({ "exp": exp }), "expired");
        }
        for exp in [json!(null), json!((NOW + 60).to_string()), json!(1e300), json!(-1), json!(true)] {
            check(json!({ "exp": exp }), "when it expires");
        }
        for iat in [json!(null), json!("yesterday")] {
            check(json!({ "iat": iat }), "when it was issued");
        }
        check(json!({ "iat": NOW + 31 }), "future");
        check(json!({ "nbf": NOW + 31 }), "not valid yet");
        check(json!({ "nbf": "soon" }), "not valid yet");
        for sub in [json!(null), json!(""), json!("ada"), json!(7), json!("../../etc")] {
            check(json!({ "sub": sub }), "subject");
        }
    }

    #[test]
    fn the_issuer_is_compared_only_where_one_is_configured() {
        let claims = json!({ "sub": USER, "aud": "authenticated", "role": "authenticated", "exp": 20, "iat": 5 });
        assert!(check(claims.as_object().unwrap(), None, Timestamp(10_000_000)).is_ok());
    }
}
