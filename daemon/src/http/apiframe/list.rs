//! `GET /v2/jobs`: filters, and pages that stay as they are while new jobs arrive.

use super::{
    caller::Client,
    job_body::{self, JobItem},
    models::Model,
};
use crate::{
    farm::{Farm, FarmError},
    http::{
        HttpState,
        error::{Failure, Flaws},
    },
    model::{Job, JobPlace, Origin},
};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{collections::HashMap, str::FromStr};
use tweenfarm_protocol::{AccountId, JobId, Timestamp};

pub const STATUSES: [&str; 5] = ["QUEUED", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED"];
pub const LIMIT_DEFAULT: usize = 20;
pub const LIMIT_MAX: usize = 100;
/// Jobs looked at for one page: a filter that fits few of very many gives a short page and a cursor to go on with.
const LOOKED_AT_MAX: usize = 2_000;
/// Jobs read at once.
const STRETCH: usize = 100;

/// Which jobs, and how many of them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wanted {
    status: Option<String>,
    model: Option<String>,
    limit: usize,
    after: Option<JobPlace>,
    search: Option<JobId>,
    include_models: bool,
}

impl Wanted {
    fn read(query: &HashMap<String, String>) -> Result<Wanted, Failure> {
        let mut flaws = Flaws::new();
        let mut complain = |name: &str, sentence: String| {
            flaws.insert(name.to_owned(), vec![sentence]);
        };
        let of = |name: &str| query.get(name).map(String::as_str);
        let status = of("status");
        if status.is_some_and(|status| !STATUSES.contains(&status)) {
            complain("status", format!("Must be one of {}", STATUSES.join(", ")));
        }
        let limit = of("limit").map_or(Some(LIMIT_DEFAULT), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=LIMIT_MAX).contains(limit));
        if limit.is_none() {
            complain("limit", format!("Must be an integer from 1 to {LIMIT_MAX}"));
        }
        let after = of("cursor").map(read_cursor);
        if after == Some(None) {
            complain("cursor", "Must be the nextCursor of an earlier page".to_owned());
        }
        // An account is a team of its own and its owner: both scopes hold the same jobs.
        if of("scope").is_some_and(|scope| !["user", "team"].contains(&scope)) {
            complain("scope", "Must be user or team".to_owned());
        }
        let search = of("search").map(|text| text.parse::<JobId>().ok());
        if search == Some(None) {
            complain("search", "Must be a UUID".to_owned());
        }
        let include = of("include_models").unwrap_or("false");
        if !["true", "false"].contains(&include) {
            complain("include_models", "Must be true or false".to_owned());
        }
        if !flaws.is_empty() {
            return Err(Failure::Fields(flaws));
        }
        Ok(Wanted {
            status: status.map(str::to_owned),
            model: of("model").map(str::to_owned),
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            after: after.flatten(),
            search: search.flatten(),
            include_models: include == "true",
        })
    }

    fn fits(&self, job: &Job, model: &str) -> bool {
        self.status.as_deref().is_none_or(|status| status == job_body::status(job))
            && self.model.as_deref().is_none_or(|wanted| wanted == model)
            && self.search.is_none_or(|id| id == job.id)
    }
}

/// Opaque to clients: where the last job of a page stands.
fn write_cursor(place: JobPlace) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", place.created_at.0, place.id))
}

fn read_cursor(text: &str) -> Option<JobPlace> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (time, id) = std::str::from_utf8(&bytes).ok()?.split_once('.')?;
    Some(JobPlace { created_at: Timestamp(i64::from_str(time).ok()?), id: id.parse().ok()? })
}

/// A part of the list.
#[derive(Default)]
struct Page {
    jobs: Vec<(Job, Option<Origin>)>,
    /// Where the next page goes on, if there is one.
    next: Option<JobPlace>,
}

/// Reads on until the page is full and it is known whether there is another one.
fn page(farm: &Farm, account: AccountId, wanted: &Wanted) -> Result<Page, FarmError> {
    let (mut page, mut after, mut looked_at) = (Page::default(), wanted.after, 0);
    loop {
        let stretch = farm.jobs_of(account, STRETCH, after)?;
        let is_last = stretch.len() < STRETCH;
        for job in stretch {
            let place = job.place();
            let origin = farm.origin(job.id)?;
            if wanted.fits(&job, job_body::model_of(origin.as_ref())) {
                if page.jobs.len() == wanted.limit {
                    page.next = page.jobs.last().map(|(job, _)| job.place());
                    return Ok(page);
                }
                page.jobs.push((job, origin));
            }
            after = Some(place);
            looked_at += 1;
        }
        if is_last {
            return Ok(page);
        }
        if looked_at >= LOOKED_AT_MAX {
            page.next = after;
            return Ok(page);
        }
    }
}

/// The models among the account's jobs, in the order of the catalogue: looked for until each was seen, or for as long
/// as for a page.
fn models(farm: &Farm, account: AccountId) -> Result<Vec<&'static str>, FarmError> {
    let (mut seen, mut after, mut looked_at) = ([false; Model::ALL.len()], None, 0);
    while seen.contains(&false) && looked_at < LOOKED_AT_MAX {
        let stretch = farm.jobs_of(account, STRETCH, after)?;
        for job in &stretch {
            let origin = farm.origin(job.id)?;
            let id = job_body::model_of(origin.as_ref());
            if let Some(place) = Model::ALL.into_iter().position(|model| model.id() == id) {
                seen[place] = true;
            }
        }
        looked_at += stretch.len();
        after = stretch.last().map(Job::place);
        if stretch.len() < STRETCH {
            break;
        }
    }
    Ok(Model::ALL.into_iter().zip(seen).filter(|(_, seen)| *seen).map(|(model, _)| model.id()).collect())
}

pub async fn list(
    State(state): State<HttpState>,
    client: Client,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(query) = query.map_err(|_| Failure::invalid("the query must be name=value pairs"))?;
    let wanted = Wanted::read(&query)?;
    // Up to thousands of jobs are read: on a thread that may wait for the disk.
    let read = tokio::task::spawn_blocking(move || body(&state, &client, &wanted)).await;
    Ok(Json(read.map_err(|_| Failure::Internal("the jobs could not be listed; it has been logged"))??))
}

fn body(state: &HttpState, client: &Client, wanted: &Wanted) -> Result<Value, FarmError> {
    let account = &client.account;
    let page = page(&state.farm, account.id, wanted)?;
    let jobs = page.jobs.iter().map(|(job, origin)| JobItem::of(state, job, origin.as_ref(), account.tier));
    let jobs: Vec<JobItem> = jobs.collect::<Result<_, _>>()?;
    let next = page.next.map(write_cursor);
    let mut body = json!({ "jobs": jobs, "hasMore": next.is_some(), "nextCursor": next });
    if wanted.include_models {
        body["models"] = json!(models(&state.farm, account.id)?);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let place = JobPlace { created_at: Timestamp(1_782_900_270_500_000), id: JobId(uuid::Uuid::from_u128(7)) };
        assert_eq!(read_cursor(&write_cursor(place)), Some(place));
        for wrong in ["", "abc", "!!!", &URL_SAFE_NO_PAD.encode("5"), &URL_SAFE_NO_PAD.encode("x.y")] {
            assert_eq!(read_cursor(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let query = [
            ("status", "DONE"),
            ("limit", "0"),
            ("cursor", "x"),
            ("scope", "all"),
            ("search", "5"),
            ("include_models", "yes"),
        ];
        let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let Err(Failure::Fields(flaws)) = Wanted::read(&query) else { panic!("it was taken") };
        let named: Vec<&String> = flaws.keys().collect();
        assert_eq!(named, ["cursor", "include_models", "limit", "scope", "search", "status"]);
        for limit in ["101", "-1", "1.5", ""] {
            assert!(Wanted::read(&HashMap::from([("limit".to_owned(), limit.to_owned())])).is_err(), "{limit}");
        }
        assert_eq!(Wanted::read(&HashMap::new()).unwrap().limit, LIMIT_DEFAULT);
    }
}
