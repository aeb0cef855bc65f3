//! Sign-in tokens at the door: signatures, algorithms, keys and their rotation. What claims must say is `claims`' own.

use super::*;
use crate::http::auth::tokens::{KeysFrom, TokenSettings};
use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::sync::{Mutex, atomic::AtomicUsize};

const SECRET: &str = "a JWT secret of the tests, long enough";
const USER: &str = "0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10";

/// Signs tokens in every way an issuer, or somebody else, could.
enum Signing<'a> {
    Hmac(&'a [u8]),
    Ecdsa(&'a EcdsaKeyPair),
    Rsa(&'a RsaPair),
    Nothing,
}

fn token(header: Value, claims: &Value, signing: Signing) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = match signing {
        Signing::Hmac(secret) => {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes()).as_ref().to_vec()
        }
        Signing::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
        Signing::Rsa(pair) => {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
            signature
        }
        Signing::Nothing => Vec::new(),
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn ecdsa() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn ecdsa_jwk(kid: &str, pair: &EcdsaKeyPair) -> Value {
    // An uncompressed point: 4, x, y.
    let point = pair.public_key().as_ref();
    let [x, y] = [&point[1..33], &point[33..65]].map(|half| URL_SAFE_NO_PAD.encode(half));
    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", "x": x, "y": y })
}

fn rsa_jwk(kid: &str, pair: &RsaPair) -> Value {
    // PKCS #1 in DER: a sequence of the modulus (257 bytes with its leading zero) and 65537.
    let der = pair.public_key().as_ref();
    let n = URL_SAFE_NO_PAD.encode(&der[der.len() - 5 - 256..der.len() - 5]);
    json!({ "kty": "RSA", "kid": kid, "use": "sig", "n": n, "e": "AQAB" })
}

impl Bench {
    fn with_tokens(settings: &TokenSettings) -> Bench {
        let mut bench = Bench::new();
        bench.state.tokens = Arc::new(Tokens::open(settings).unwrap());
        bench.router = router(bench.state.clone());
        bench
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().0 / 1_000_000;
        json!({
            "sub": USER, "aud": "authenticated", "role": "authenticated", "email": "Ada@example.org",
            "iat": now, "exp": now + 3600,
        })
    }

    async fn status_of(&self, token: &str) -> StatusCode {
        self.call(Method::GET, "/me", Some(token), Value::Null).await.status
    }
}

fn in_file(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn the_first_token_of_a_user_makes_the_account_and_its_trial_once() {
    let folder = tempfile::tempdir().unwrap();
    let secret_file = Some(in_file(folder.path(), "secret", &format!("{SECRET}\n")));
    let bench = Bench::with_tokens(&TokenSettings { secret_file, ..TokenSettings::default() });
    let token = token(json!({ "alg": "HS256", "typ": "JWT" }), &bench.claims(), Signing::Hmac(SECRET.as_bytes()));
    for _ in 0..2 {
        let me = bench.call(Method::GET, "/me", Some(&token), Value::Null).await.json();
        let expected = json!({
            "id": USER, "email": "ada@example.org", "balance_xeconds": 120, "total_spent_usd": 0, "api_key_hash": null,
        });
        assert_eq!(me, expected);
    }
    let made = bench.call(Method::POST, "/api-tokens", Some(&token), Value::Null).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let me = bench.call(Method::GET, "/me", made.json()["api_key"].as_str(), Value::Null).await.json();
    assert_eq!(me["id"], USER, "the key is the user's");
    bench.clock.0.fetch_add(3_600_000_000 + 31_000_000, Ordering::SeqCst);
    let late = bench.call(Method::GET, "/me", Some(&token), Value::Null).await;
    assert_eq!((late.status, late.detail().contains("expired")), (StatusCode::UNAUTHORIZED, true));
}

#[tokio::test]
async fn a_token_opens_the_other_surface_too_where_a_key_beside_it_decides() {
    let folder = tempfile::tempdir().unwrap();
    let secret_file = Some(in_file(folder.path(), "secret", SECRET));
    let bench = Bench::with_tokens(&TokenSettings { secret_file, ..TokenSettings::default() });
    let token = token(json!({ "alg": "HS256" }), &bench.claims(), Signing::Hmac(SECRET.as_bytes()));
    let me = bench.call(Method::GET, "/v2/me", Some(&token), Value::Null).await.json();
    assert_eq!((&me["user"]["id"], &me["apiKey"], &me["team"]["credits"]), (&json!(USER), &Value::Null, &json!(120)));
    let both = async |key: &str| {
        let request = Request::get("/v2/me").header("authorization", format!("Bearer {token}"));
        bench.send(request.header("x-api-key", key).body(Body::empty()).unwrap()).await
    };
    assert_eq!(both("afk_wrong").await.status, StatusCode::UNAUTHORIZED);
    let other = bench.user("bob@example.org", 5).await;
    let (key, hash) = auth::new_named_key();
    let new = crate::farm::NewKey { hash, name: "bob's".into(), prefix: key[..8].into() };
    bench.farm.add_named_key(other.account.id, new).await.unwrap();
    assert_eq!(both(&key).await.json()["user"]["email"], "bob@example.org");
    let bad = bench.call(Method::GET, "/v2/me", Some("a.b.c"), Value::Null).await;
    assert_eq!((bad.status, bad.json()["error"].is_string()), (StatusCode::UNAUTHORIZED, true));
}

#[tokio::test]
async fn a_token_is_taken_only_with_the_algorithm_of_its_key() {
    let (ec, other, rsa) = (ecdsa(), ecdsa(), RsaPair::generate(KeySize::Rsa2048).unwrap());
    let oct = json!({ "kty": "oct", "kid": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let (ec_jwk, rsa_jwk) = (ecdsa_jwk("ec", &ec), rsa_jwk("rsa", &rsa));
    let set = json!({ "keys": [ec_jwk, rsa_jwk, oct, { "kty": "new" }] }).to_string();
    let folder = tempfile::tempdir().unwrap();
    let settings = TokenSettings {
        secret_file: Some(in_file(folder.path(), "secret", SECRET)),
        keys: Some(KeysFrom::File(in_file(folder.path(), "keys.json", &set))),
        issuer: None,
    };
    let bench = Bench::with_tokens(&settings);
    let claims = bench.claims();
    let signed = |alg: &str, kid: &str, signing| token(json!({ "alg": alg, "kid": kid }), &claims, signing);
    let good = [
        signed("HS256", "any", Signing::Hmac(SECRET.as_bytes())),
        signed("ES256", "ec", Signing::Ecdsa(&ec)),
        signed("RS256", "rsa", Signing::Rsa(&rsa)),
    ];
    for token in &good {
        assert_eq!(bench.status_of(token).await, StatusCode::OK, "{token}");
    }
    let modulus = URL_SAFE_NO_PAD.decode(rsa_jwk["n"].as_str().unwrap()).unwrap();
    let bad = [
        ("no algorithm", signed("none", "ec", Signing::Nothing)),
        ("an algorithm in other letters", signed("NoNe", "ec", Signing::Nothing)),
        ("a public key as secret: its DER", signed("HS256", "rsa", Signing::Hmac(rsa.public_key().as_ref()))),
        ("a public key as secret: its modulus", signed("HS256", "rsa", Signing::Hmac(&modulus))),
        ("a public key as secret: its point", signed("HS256", "ec", Signing::Hmac(ec.public_key().as_ref()))),
        ("a public key as secret: its JWK", signed("HS256", "ec", Signing::Hmac(ec_jwk.to_string().as_bytes()))),
        ("the set as secret", signed("HS256", "ec", Signing::Hmac(set.as_bytes()))),
        ("an empty secret", signed("HS256", "ec", Signing::Hmac(b""))),
        ("a secret key of the public set", signed("ES256", "oct", Signing::Hmac(SECRET.as_bytes()))),
        ("another's key under a known name", signed("ES256", "ec", Signing::Ecdsa(&other))),
        ("an RSA key named, an EC key used", signed("ES256", "rsa", Signing::Ecdsa(&ec))),
        ("an EC key named for RSA", signed("RS256", "ec", Signing::Rsa(&rsa))),
        ("an unknown key", signed("ES256", "new", Signing::Ecdsa(&ec))),
        ("no key named", token(json!({ "alg": "ES256" }), &claims, Signing::Ecdsa(&ec))),
        ("an algorithm nobody pinned", signed("HS512", "any", Signing::Hmac(SECRET.as_bytes()))),
        (
            "a key in the header",
            token(
                json!({ "alg": "ES256", "kid": "ec", "jwk": ecdsa_jwk("ec", &other) }),
                &claims,
                Signing::Ecdsa(&other),
            ),
        ),
        ("other claims under a signature", {
            let (message, signature) = good[1].rsplit_once('.').unwrap();
            let header = message.split('.').next().unwrap();
            let mut more = claims.clone();
            more["sub"] = json!(uuid::Uuid::nil());
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(more.to_string()))
        }),
        ("no signature", format!("{}.", good[1].rsplit_once('.').unwrap().0)),
        ("nonsense", "a.b.c".to_owned()),
    ];
    for (what, token) in bad {
        assert_eq!(bench.status_of(&token).await, StatusCode::UNAUTHORIZED, "{what}");
    }
    assert_eq!(bench.farm.accounts().unwrap().len(), 1, "a refused token makes no account");
}

#[tokio::test]
async fn a_rotated_key_is_found_and_strangers_cannot_have_the_set_read_often() {
    let (first, second) = (ecdsa(), ecdsa());
    let set = Arc::new(Mutex::new(json!({ "keys": [ecdsa_jwk("one", &first)] })));
    let reads = Arc::new(AtomicUsize::new(0));
    let served = {
        let (set, reads) = (set.clone(), reads.clone());
        move || {
            reads.fetch_add(1, Ordering::SeqCst);
            let answer = set.lock().unwrap().to_string();
            async move { answer }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
    let serving = Router::new().route("/keys", axum::routing::get(served));
    tokio::spawn(crate::http::serve::serve(listener, serving, 8, Default::default()));

    let bench = Bench::with_tokens(&TokenSettings { keys: Some(KeysFrom::Url(url)), ..TokenSettings::default() });
    let advance = |seconds: i64| bench.clock.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    let claims = bench.claims();
    let of =
        |kid: &str, pair: &EcdsaKeyPair| token(json!({ "alg": "ES256", "kid": kid }), &claims, Signing::Ecdsa(pair));
    assert_eq!(bench.status_of(&of("one", &first)).await, StatusCode::OK);
    *set.lock().unwrap() = json!({ "keys": [ecdsa_jwk("two", &second)] });
    for _ in 0..5 {
        assert_eq!(bench.status_of(&of("two", &second)).await, StatusCode::UNAUTHORIZED, "within the minute");
        assert_eq!(bench.status_of(&of("one", &first)).await, StatusCode::OK);
    }
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    advance(60);
    assert_eq!(bench.status_of(&of("two", &second)).await, StatusCode::OK, "read again for an unknown key");
    assert_eq!(bench.status_of(&of("one", &first)).await, StatusCode::UNAUTHORIZED, "a withdrawn key is out");
    assert_eq!(reads.load(Ordering::SeqCst), 2);
    // A set that cannot be read leaves the keys as they are.
    *set.lock().unwrap() = json!({ "keys": [] });
    advance(600);
    assert_eq!(bench.status_of(&of("two", &second)).await, StatusCode::OK);
    assert_eq!(reads.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn without_keys_ever_read_a_client_is_told_to_come_again() {
    let pair = ecdsa();
    let url = "http://127.0.0.1:9/keys".parse().unwrap();
    let bench = Bench::with_tokens(&TokenSettings { keys: Some(KeysFrom::Url(url)), ..TokenSettings::default() });
    let token = token(json!({ "alg": "ES256", "kid": "one" }), &bench.claims(), Signing::Ecdsa(&pair));
    assert_eq!(bench.status_of(&token).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_secret_or_key_file_that_cannot_work_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |settings: TokenSettings| Tokens::open(&settings).err().expect("it is refused").to_string();
    let secret = |path| TokenSettings { secret_file: Some(path), ..TokenSettings::default() };
    assert!(refusal(secret(folder.path().join("none"))).contains("auth.jwt_secret_file"));
    assert!(refusal(secret(in_file(folder.path(), "short", "too short\n"))).contains("fewer than 32 bytes"));
    for set in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"YQ","kid":"a"}]}"#] {
        let keys = Some(KeysFrom::File(in_file(folder.path(), "set", set)));
        assert!(refusal(TokenSettings { keys, ..TokenSettings::default() }).contains("auth.jwks_file"), "{set}");
    }
}
