//! URLs of uploads and results that stay the same while the file is kept, and open to whoever has them: receivers of
//! webhooks do not come back for a fresh one. What cannot be guessed is a mark made with the store's signing key, so
//! that nothing has to be remembered.

use crate::{
    farm::FarmError,
    http::{HttpState, error::Failure, objects},
    marks::Marks,
    model::{FileState, MediaFile, Tier},
};
use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use subtle::ConstantTimeEq;
use tweenfarm_protocol::{FileId, JobId};
use uuid::Uuid;

/// Before the kind, the token and a name for people.
pub const PREFIX: &str = "/v2/files/";
/// 160 bits.
const MARK_DIGITS: usize = 40;
const ID_DIGITS: usize = 32;

/// What a URL leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Upload(FileId),
    /// What the job's account is given of it when somebody asks: a trial's mark goes once it was paid.
    Result(JobId),
}

impl Target {
    fn of(kind: &str, id: Uuid) -> Option<Target> {
        match kind {
            "u" => Some(Target::Upload(FileId(id))),
            "o" => Some(Target::Result(JobId(id))),
            _ => None,
        }
    }

    fn kind_and_id(self) -> (&'static str, Uuid) {
        match self {
            Target::Upload(file) => ("u", file.0),
            Target::Result(job) => ("o", job.0),
        }
    }

    /// The absolute URL.
    pub fn url(self, marks: &Marks, filename: &str) -> String {
        let (kind, id) = self.kind_and_id();
        let name = percent_encoding::utf8_percent_encode(filename, percent_encoding::NON_ALPHANUMERIC);
        // What needs no encoding stays readable.
        let name = name.to_string().replace("%2E", ".").replace("%2D", "-").replace("%5F", "_");
        format!("{}{PREFIX}{kind}/{}{}/{name}", marks.origin(), id.simple(), self.mark(marks))
    }

    fn mark(self, marks: &Marks) -> String {
        let (kind, id) = self.kind_and_id();
        let mut mark = hex::encode(marks.mark(&format!("{PREFIX}{kind}/{id}")));
        mark.truncate(MARK_DIGITS);
        mark
    }

    /// What the URL's kind and token lead to, if this farm gave them out.
    pub fn read(marks: &Marks, kind: &str, token: &str) -> Option<Target> {
        let (id, mark) = token.split_at_checked(ID_DIGITS)?;
        let target = Target::of(kind, Uuid::try_parse(id).ok()?)?;
        bool::from(target.mark(marks).as_bytes().ct_eq(mark.as_bytes())).then_some(target)
    }

    /// The file, if its bytes are (still) there.
    pub fn file(self, state: &HttpState) -> Result<MediaFile, Failure> {
        let missing = Failure::NotFound("file");
        let file = match self {
            Target::Upload(file) => state.farm.file(file)?.ok_or(missing)?,
            Target::Result(job) => {
                let job = state.farm.job(job)?.ok_or(FarmError::NotFound { what: "job" })?.job;
                let tier = state.farm.account(job.account)?.map_or(Tier::Free, |account| account.tier);
                state.farm.file(job.given(tier).ok_or(missing)?)?.ok_or(Failure::NotFound("file"))?
            }
        };
        let there = matches!(file.state, FileState::Stored { .. }) && file.expires_at > state.farm.now();
        if there { Ok(file) } else { Err(Failure::FileExpired) }
    }
}

/// GET and HEAD of such a URL; the name at its end is for people.
pub async fn read(
    State(state): State<HttpState>,
    Path((kind, token, _name)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let target = Target::read(&state.marks, &kind, &token).ok_or(Failure::NotFound("file"))?;
    let file = target.file(&state)?;
    let (parts, _) = request.into_parts();
    objects::give(&state, &file, &parts).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{blobs::SigningKey, marks::Marks};

    fn marks(secret: &str) -> Marks {
        let key = SigningKey { access: "TF".into(), secret: secret.into() };
        Marks::new(&"https://farm.example.org".parse().unwrap(), &key)
    }

    #[test]
    fn a_url_leads_where_it_was_made_for_and_a_guessed_one_nowhere() {
        let ours = marks("one secret");
        let id = Uuid::from_u128(7);
        let target = Target::Result(JobId(id));
        let url = target.url(&ours, "out put-60.mp4");
        let rest = url.strip_prefix("https://farm.example.org/v2/files/o/").unwrap();
        let (token, name) = rest.split_once('/').unwrap();
        assert_eq!(name, "out%20put-60.mp4");
        assert_eq!(Target::read(&ours, "o", token), Some(target));
        assert_eq!(Target::read(&ours, "u", token), None, "an upload's token is another one");
        assert_eq!(Target::read(&marks("another secret"), "o", token), None);
        for wrong in ["", "0", &token[..71], &token.replace(&token[40..], &"0".repeat(32)), &"ü".repeat(36)] {
            assert_eq!(Target::read(&ours, "o", wrong), None, "{wrong}");
        }
    }
}
