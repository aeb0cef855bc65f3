//! Accounts, keys and what they are given, buy and give back, through the farm's handle.

mod scene;

use scene::*;
use tweenfarm_daemon::{
    farm::{Bought, FarmError, MoneyBack, NewAccount, Payer, Payment, Reversed, SignedIn},
    model::{Credit, Currency, EntryKind, KeyHash, Tier},
};
use tweenfarm_protocol::{AccountId, Timestamp, Xeconds};
use uuid::Uuid;

#[tokio::test]
async fn an_account_gets_its_grant_and_a_tier_that_follows_from_it() {
    let scene = Scene::new();
    let paid = scene.account("Ada@Example.org ", 50).await;
    assert_eq!((paid.email.as_str(), paid.tier), ("ada@example.org", Tier::Paid));
    let free = scene.account("bob@example.org", 0).await;
    assert_eq!((free.tier, scene.balance(&free)), (Tier::Free, 0));
    assert_eq!(scene.farm.grant(free.id, Xeconds(7), "welcome".into(), Credit::Paid).await.unwrap(), Xeconds(7));
    assert_eq!(scene.farm.account(free.id).unwrap().unwrap().tier, Tier::Paid);

    let again = scene.farm.add_account(new_account("ADA@example.org", KeyHash([9; 32]), 1)).await;
    assert!(matches!(again, Err(FarmError::EmailTaken)));
    assert_eq!(scene.farm.caller(KeyHash([9; 32])).unwrap(), None, "a refused account leaves nothing");
    assert!(matches!(scene.farm.grant(free.id, Xeconds(0), "x".into(), Credit::Paid).await, Err(FarmError::Amount(_))));
    let too_much = scene.farm.adjust(free.id, Xeconds(-8), "x".into()).await;
    assert!(matches!(too_much, Err(FarmError::InsufficientXeconds { needed: Xeconds(8), available: Xeconds(7) })));
    assert!(matches!(
        scene.farm.grant(AccountId(Uuid::nil()), Xeconds(1), "x".into(), Credit::Paid).await,
        Err(FarmError::NotFound { .. })
    ));
}

#[tokio::test]
async fn only_paid_credit_makes_an_account_a_paying_one() {
    let scene = Scene::new();
    let trial = NewAccount { trial: true, ..new_account("ada@example.org", KeyHash([1; 32]), 0) };
    let (ada, balance) = scene.farm.add_account(trial).await.unwrap();
    assert_eq!((ada.tier, balance), (Tier::Free, Xeconds(120)));
    let tier = || scene.farm.account(ada.id).unwrap().unwrap().tier;
    scene.farm.grant(ada.id, Xeconds(5), "sorry".into(), Credit::Trial).await.unwrap();
    scene.farm.adjust(ada.id, Xeconds(5), "miscounted".into()).await.unwrap();
    assert_eq!((tier(), scene.balance(&ada)), (Tier::Free, 130));
    assert_eq!(scene.farm.adjust(ada.id, Xeconds(-130), "miscounted".into()).await.unwrap(), Xeconds(0));
    scene.farm.grant(ada.id, Xeconds(1), "partner".into(), Credit::Paid).await.unwrap();
    assert_eq!(tier(), Tier::Paid);
    assert!(matches!(scene.farm.grant(ada.id, Xeconds(-1), "x".into(), Credit::Paid).await, Err(FarmError::Amount(_))));
    assert!(scene.farm.audit().unwrap().differences.is_empty());
}

fn payment(event: &str, payer: Payer) -> Payment {
    let pack = tweenfarm_daemon::pricing::pack("power").unwrap();
    Payment { event: event.into(), payer, pack, currency: Currency::Inr }
}

#[tokio::test]
async fn a_payment_is_booked_once_however_often_it_is_reported() {
    let scene = Scene::new();
    let (ada, bob) = (scene.account("ada@example.org", 0).await, scene.account("bob@example.org", 0).await);
    let by_address = payment("evt_1", Payer::Email(" ADA@example.org".into()));
    let first = scene.farm.buy(by_address.clone()).await.unwrap();
    let expected = Bought { account: ada.id, xeconds: Xeconds(4000), balance_after: Xeconds(4000), replayed: false };
    assert_eq!(first, expected);
    assert_eq!(scene.farm.account(ada.id).unwrap().unwrap().tier, Tier::Paid);
    for again in [by_address.clone(), payment("evt_1", Payer::Account(ada.id))] {
        assert_eq!(scene.farm.buy(again).await.unwrap(), Bought { replayed: true, ..first.clone() });
    }
    for other in [
        payment("evt_1", Payer::Account(bob.id)),
        Payment { currency: Currency::Usd, ..by_address.clone() },
        Payment { pack: tweenfarm_daemon::pricing::pack("pro").unwrap(), ..by_address },
    ] {
        assert!(matches!(scene.farm.buy(other).await, Err(FarmError::PaymentConflict)));
    }
    let nobody = payment("evt_2", Payer::Email("carl@example.org".into()));
    assert!(matches!(scene.farm.buy(nobody).await, Err(FarmError::NotFound { what: "account" })));
    assert_eq!((scene.balance(&ada), scene.balance(&bob)), (4000, 0));
    assert_eq!(scene.farm.spent_usd_cents(ada.id).unwrap(), 2500, "counted in dollars, though paid in rupees");
}

#[tokio::test]
async fn a_user_seen_for_the_first_time_by_many_at_once_gets_one_account_and_one_trial() {
    let scene = Scene::new();
    let owner = scene.account("ada@example.org", 0).await;
    let id = AccountId(Uuid::from_u128(77));
    let asking = (0..50).map(|_| scene.farm.sign_in(signed_in(id, "Ada@example.org", 0)));
    let accounts = futures::future::try_join_all(asking).await.unwrap();
    assert!(accounts.iter().all(|account| (account.id, account.tier) == (id, Tier::Free)));
    let kinds: Vec<_> = scene.farm.entries(id).unwrap().into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::TrialGrant]);
    assert_eq!(scene.farm.balance(id).unwrap(), Xeconds(120));
    // A user who shares an address with another account is nobody but themselves.
    let paid = scene.farm.buy(payment("evt_1", Payer::Email("ada@example.org".into()))).await.unwrap();
    assert_eq!(paid.account, owner.id);
}

fn signed_in(account: AccountId, email: &str, issued_seconds: i64) -> SignedIn {
    SignedIn { account, email: email.into(), issued_at: Timestamp(issued_seconds * 1_000_000) }
}

#[tokio::test]
async fn an_account_follows_the_address_of_its_newest_token_and_payments_find_it_there() {
    let scene = Scene::new();
    let (ada, bob) = (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
    let say = async |id, email: &str, at| scene.farm.sign_in(signed_in(id, email, at)).await.unwrap().email;
    assert_eq!(say(ada, "Ada@example.org", 10).await, "ada@example.org");
    assert_eq!(say(bob, "bob@example.org", 10).await, "bob@example.org");
    assert_eq!(say(ada, "ada@new.example.org", 20).await, "ada@new.example.org");
    assert_eq!(say(ada, "ada@example.org", 19).await, "ada@new.example.org", "an older token brings nothing back");
    assert_eq!(say(ada, "", 30).await, "ada@new.example.org", "a token without an address says nothing");
    let paid_by = async |event: &str, email: &str| {
        let bought = scene.farm.buy(payment(event, Payer::Email(email.into()))).await;
        bought.map(|bought| bought.account).map_err(|error| error.to_string())
    };
    assert_eq!(paid_by("evt_1", "ada@new.example.org").await, Ok(ada));
    assert!(paid_by("evt_2", "ada@example.org").await.is_err(), "the old address leads to nobody");
    // An address that was given up is its next owner's, whoever is heard of first.
    assert_eq!(say(bob, "ada@new.example.org", 40).await, "ada@new.example.org");
    assert_eq!(paid_by("evt_3", "ada@new.example.org").await, Ok(ada));
    assert_eq!(say(ada, "ada@third.example.org", 50).await, "ada@third.example.org");
    say(bob, "ada@new.example.org", 40).await;
    assert_eq!(paid_by("evt_4", "ada@new.example.org").await, Ok(bob));
    assert_eq!(scene.farm.accounts().unwrap().len(), 2);
    assert_eq!(scene.farm.totals(), (2, 0));
}

fn money_back(event: &str, payment: &str) -> MoneyBack {
    MoneyBack { event: event.into(), payment: payment.into(), reason: "charged back".into() }
}

#[tokio::test]
async fn a_payment_that_went_back_is_taken_back_once_as_far_as_it_is_left() {
    let scene = Scene::new();
    let farm = &scene.farm;
    let ada = scene.account("ada", 0).await;
    farm.buy(payment("evt_1", Payer::Account(ada.id))).await.unwrap();
    farm.buy(payment("evt_2", Payer::Account(ada.id))).await.unwrap();
    let clip = scene.clip(&ada, 2).await;
    scene.submit(&clip, 2, 7_000).await.unwrap();
    assert_eq!(scene.balance(&ada), 1000);
    for replayed in [false, true] {
        let reversed = farm.reverse(money_back("re_1", "evt_1")).await.unwrap();
        let Reversed { account, taken, missing, balance_after, .. } = reversed;
        assert_eq!((account, taken.0, missing.0, balance_after.0), (ada.id, 1000, 3000, 0));
        assert_eq!(reversed.replayed, replayed);
    }
    assert!(matches!(farm.reverse(money_back("re_2", "evt_1")).await, Err(FarmError::AlreadyReversed)));
    assert!(matches!(farm.reverse(money_back("re_1", "evt_2")).await, Err(FarmError::PaymentConflict)));
    assert!(matches!(farm.reverse(money_back("evt_2", "evt_1")).await, Err(FarmError::PaymentConflict)));
    let nothing = farm.reverse(money_back("re_3", "evt_9")).await;
    assert!(matches!(nothing, Err(FarmError::NotFound { what: "payment" })));
    let no_payment = farm.reverse(money_back("re_3", "re_1")).await;
    assert!(matches!(no_payment, Err(FarmError::NotFound { what: "payment" })));
    assert!(matches!(farm.buy(payment("re_1", Payer::Account(ada.id))).await, Err(FarmError::PaymentConflict)));
    // One purchase is kept: the account pays still. What was missing is not taken from what comes later.
    let tier = || farm.account(ada.id).unwrap().unwrap().tier;
    assert_eq!((tier(), farm.spent_usd_cents(ada.id).unwrap()), (Tier::Paid, 2500));
    let gone = farm.reverse(money_back("re_4", "evt_2")).await.unwrap();
    assert_eq!((gone.taken.0, gone.missing.0), (0, 4000));
    assert_eq!((tier(), farm.spent_usd_cents(ada.id).unwrap()), (Tier::Free, 0));
    farm.buy(payment("evt_3", Payer::Account(ada.id))).await.unwrap();
    assert_eq!((tier(), scene.balance(&ada)), (Tier::Paid, 4000));
    assert!(farm.audit().unwrap().differences.is_empty());
}

#[tokio::test]
async fn who_was_granted_paid_credit_stays_a_paying_account_when_a_payment_goes_back() {
    let scene = Scene::new();
    let ada = scene.account("ada", 10).await;
    scene.farm.buy(payment("evt_1", Payer::Account(ada.id))).await.unwrap();
    scene.farm.reverse(money_back("re_1", "evt_1")).await.unwrap();
    assert_eq!((scene.farm.account(ada.id).unwrap().unwrap().tier, scene.balance(&ada)), (Tier::Paid, 10));
}

#[tokio::test]
async fn a_rotated_key_stops_working_and_a_revoked_one_is_revoked_once() {
    let scene = Scene::new();
    let (farm, account) = (&scene.farm, scene.account("ada", 0).await);
    let first = farm.active_key(account.id).unwrap().map(|key| key.hash).unwrap();
    farm.rotate_key(account.id, KeyHash([2; 32])).await.unwrap();
    assert_eq!(farm.caller(first).unwrap().map(|(account, _)| account), None);
    assert_eq!(farm.caller(KeyHash([2; 32])).unwrap().map(|(account, _)| account), Some(account.clone()));
    assert!(farm.revoke_key(account.id).await.unwrap());
    assert!(!farm.revoke_key(account.id).await.unwrap());
    assert_eq!(farm.caller(KeyHash([2; 32])).unwrap().map(|(account, _)| account), None);
    assert_eq!(farm.active_key(account.id).unwrap().map(|key| key.hash), None);
}
