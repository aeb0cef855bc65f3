//! The clip a request names by `r2_key`, and the checks that every route does on it.

use super::shown;
use crate::{
    farm::FarmError,
    http::{HttpState, body::Fields, error::Failure},
    model::{FileKind, FileState, MediaFile, ObjectKey},
    pricing,
};
use serde::Serialize;
use serde_json::Number;
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{AccountId, Rational};

/// `r2_key` as a key of this service's uploads.
pub fn key(fields: &Fields) -> Result<ObjectKey, Failure> {
    let text = fields.text("r2_key")?;
    let key: ObjectKey = text.parse().map_err(|cause| Failure::invalid(format!("r2_key: {cause}")))?;
    owner(&key).ok_or_else(|| Failure::invalid("r2_key must be a key that /upload/presign returned"))?;
    Ok(key)
}

/// The account in `uploads/{tier}/{account}/{project}/input/{name}`.
fn owner(key: &ObjectKey) -> Option<AccountId> {
    match key.as_str().split('/').collect::<Vec<_>>()[..] {
        ["uploads", "free" | "paid", account, _project, "input", _name] => account.parse().ok(),
        _ => None,
    }
}

/// The caller's own upload under a key; 403 for another's, 404 when there is none or it has expired.
pub fn own_upload(state: &HttpState, caller: AccountId, key: &ObjectKey) -> Result<MediaFile, Failure> {
    // The key says whose it is, so a stranger learns nothing of what is there.
    if owner(key) != Some(caller) {
        return Err(FarmError::NotYours { what: "key" }.into());
    }
    let file = state.farm.file_by_key(key)?.ok_or(FarmError::NotUploaded)?;
    if file.account != caller {
        return Err(FarmError::NotYours { what: "key" }.into());
    }
    let gone = matches!(file.state, FileState::Deleted { .. }) || file.expires_at <= state.farm.now();
    if gone || file.kind != FileKind::Input {
        return Err(FarmError::NotUploaded.into());
    }
    Ok(file)
}

/// A target rate within the range.
pub fn target_fps(value: i64, field: &'static str) -> Result<u32, Failure> {
    let range = pricing::TARGET_FPS;
    u32::try_from(value).ok().filter(|fps| range.contains(fps)).ok_or_else(|| {
        Failure::invalid(format!("{field} must be an integer from {} to {}", range.start(), range.end()))
    })
}

/// Whether a target makes frames, on the exact rate: 59.94 to 60 does.
pub fn above(target_fps: u32, source: &SourceFacts) -> bool {
    Rational::whole(i64::from(target_fps)) > source.video.average_rate
}

pub fn not_above(source_fps: impl std::fmt::Display) -> Failure {
    Failure::invalid(format!("target_fps must be greater than the source fps ({source_fps})"))
}

/// A duration as the surface shows it, to the microsecond. Rounded down, as the price is: 2.9999999 s must not read
/// 3 and be billed as 2.
pub fn seconds(duration: Rational) -> Number {
    let microseconds = i128::from(duration.num()) * 1_000_000 / i128::from(duration.den());
    shown(microseconds as f64 / 1e6)
}

/// What the surface tells of a clip.
#[derive(Serialize)]
pub struct ClipBody {
    fps: Number,
    duration_sec: Number,
    width: u32,
    height: u32,
    codec: String,
    size_bytes: u64,
}

impl From<&SourceFacts> for ClipBody {
    fn from(facts: &SourceFacts) -> ClipBody {
        ClipBody {
            fps: shown(facts.video.fps_shown()),
            duration_sec: seconds(facts.video.duration),
            width: facts.video.width_px,
            height: facts.video.height_px,
            codec: facts.video.codec.clone(),
            size_bytes: facts.size_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_of_an_upload_names_an_owner() {
        let id = "0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10";
        let check = |text: &str, expected: bool| {
            let owner = owner(&text.parse().unwrap());
            assert_eq!(owner.is_some(), expected, "{text}");
        };
        check(&format!("uploads/free/{id}/p/input/f-x.mp4"), true);
        check(&format!("uploads/gold/{id}/p/input/f-x.mp4"), false);
        check(&format!("uploads/free/{id}/p/f-x.mp4"), false);
        check(&format!("outputs/free/{id}/p/input/f-x.mp4"), false);
        check("uploads/free/someone/p/input/f-x.mp4", false);
        check(&format!("work/{id}/x.mp4"), false);
    }

    #[test]
    fn a_duration_is_shown_to_the_microsecond_and_never_rounded_up() {
        let check = |num: i64, den: i64, expected: &str| {
            assert_eq!(seconds(Rational::new(num, den).unwrap()).to_string(), expected, "{num}/{den}");
        };
        check(129, 10, "12.9");
        check(30, 1, "30");
        check(61_061, 30_000, "2.035366");
        check(29_999_999, 10_000_000, "2.999999");
    }

    #[test]
    fn a_target_is_compared_with_the_exact_rate() {
        let rate = Rational::new(60_000, 1001).unwrap();
        assert!(Rational::whole(60) > rate);
        for (value, accepted) in [(23, false), (24, true), (240, true), (241, false), (-1, false), (i64::MAX, false)] {
            assert_eq!(target_fps(value, "target_fps").is_ok(), accepted, "{value}");
        }
    }
}
