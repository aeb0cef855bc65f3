//! The operator of a farm, over the daemon's local socket: accounts, grants, agents, status.

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;
use tweenfarm_protocol::{
    AccountId, AgentId, Xeconds,
    operator::{
        AddKey, AddUser, AddedKey, AddedUser, AgentRow, CreditKind, Grant, Granted, Invite, Invited, Problem,
        RevokedAgent, Status, WatchOrdered, WatchView,
    },
};

#[derive(Clone, Debug)]
pub struct Operator {
    http: reqwest::Client,
}

impl Operator {
    pub fn at(socket: &Path) -> Result<Operator> {
        let http = reqwest::Client::builder().unix_socket(socket).build().context("set up the operator's HTTP")?;
        Ok(Operator { http })
    }

    /// A new account with a key, and xeconds to spend.
    pub async fn add_user(&self, email: &str, xeconds: i64) -> Result<AddedUser> {
        let body = AddUser { email: email.to_owned(), xeconds: Xeconds(xeconds), trial: false };
        self.call(Method::POST, "/operator/users", Some(&body)).await
    }

    /// One more key of an account, for the Apiframe surface.
    pub async fn add_key(&self, account: AccountId, name: &str) -> Result<AddedKey> {
        let body = AddKey { name: name.to_owned() };
        self.call(Method::POST, &format!("/operator/users/{account}/keys"), Some(&body)).await
    }

    /// A new account on trial with a key.
    pub async fn add_trial_user(&self, email: &str) -> Result<AddedUser> {
        let body = AddUser { email: email.to_owned(), xeconds: Xeconds::ZERO, trial: true };
        self.call(Method::POST, "/operator/users", Some(&body)).await
    }

    /// Paid credit.
    pub async fn grant(&self, account: AccountId, xeconds: i64) -> Result<Granted> {
        let body = Grant { xeconds: Xeconds(xeconds), reason: "test".to_owned(), kind: CreditKind::Paid };
        self.call(Method::POST, &format!("/operator/users/{account}/grants"), Some(&body)).await
    }

    /// A line by which one agent joins within a quarter of an hour.
    pub async fn invite(&self, name: &str) -> Result<Invited> {
        let body = Invite { name: name.to_owned(), valid_seconds: 900 };
        self.call(Method::POST, "/operator/invitations", Some(&body)).await
    }

    pub async fn revoke_agent(&self, agent: AgentId) -> Result<RevokedAgent> {
        self.call(Method::DELETE, &format!("/operator/agents/{agent}"), None::<&()>).await
    }

    pub async fn agents(&self) -> Result<Vec<AgentRow>> {
        self.call(Method::GET, "/operator/agents", None::<&()>).await
    }

    /// How the watch folders stand.
    pub async fn watch(&self) -> Result<WatchView> {
        self.call(Method::GET, "/operator/watch", None::<&()>).await
    }

    /// `release` or `retry`, for a file of a watch folder.
    pub async fn order(&self, file: &str, order: &str) -> Result<WatchOrdered> {
        self.call(Method::POST, &format!("/operator/watch/{file}/{order}"), None::<&()>).await
    }

    pub async fn status(&self) -> Result<Status> {
        self.call(Method::GET, "/operator/status", None::<&()>).await
    }

    /// What Prometheus is told.
    pub async fn metrics(&self) -> Result<String> {
        let answer = self.http.get("http://tweenfarmd/metrics").send().await?.error_for_status()?;
        Ok(answer.text().await?)
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<T> {
        let what = format!("{method} {path} on the operator's socket");
        // The host is only a name: the socket decides where it goes.
        let mut request = self.http.request(method, format!("http://tweenfarmd{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.context(what.clone())?;
        let (status, text) = (answer.status(), answer.text().await.context(what.clone())?);
        if !status.is_success() {
            let problem = serde_json::from_str::<Problem>(&text).map_or(text, |problem| problem.error);
            bail!("{what} was refused with {status}: {problem}");
        }
        serde_json::from_str(&text).with_context(|| format!("{what}: unexpected answer {text}"))
    }
}
