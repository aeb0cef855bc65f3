//! Uploads in parts: large results of agents, copies of what one request cannot copy, and what was begun and never put
//! together.

use super::{
    OWN_URLS_FOR, S3Store,
    wire::{self, Ask, Body, Pace},
};
use crate::{
    blobs::{
        BlobError, BlobFacts, Seen,
        sign::{PutTerms, SHA256_HEADER},
    },
    model::ObjectKey,
};
use instant_xml::FromXml;
use reqwest::{Method as http, StatusCode, header};
use rusty_s3::{
    Method, S3Action,
    actions::{AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, ListParts},
    signing::sign,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tweenfarm_protocol::{Timestamp, service::Placement, task::Presigned};

/// S3 numbers parts from 1 to this.
const PARTS_MAX: u64 = 10_000;
/// Of a copy in parts: few requests, none of them long.
const COPY_PART_BYTES: u64 = 1 << 30;
/// Uploads in parts that the daemon knows to be under way; an older one begins anew.
const UNDER_WAY_MAX: usize = 1_000;

/// The uploads that agents are at, so that one that asks again goes on where it was.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashMap<ObjectKey, (String, BlobFacts)>>);

const S3: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

#[derive(Debug, FromXml)]
#[xml(rename = "ListMultipartUploadsResult", ns(S3))]
struct UnfinishedPage {
    uploads: Vec<Unfinished>,
    #[xml(rename = "NextKeyMarker")]
    next_key: Option<String>,
    #[xml(rename = "NextUploadIdMarker")]
    next_upload: Option<String>,
    #[xml(rename = "IsTruncated")]
    is_truncated: Option<bool>,
}

#[derive(Debug, FromXml)]
#[xml(rename = "Upload", ns(S3))]
struct Unfinished {
    #[xml(rename = "Key")]
    key: String,
    #[xml(rename = "UploadId")]
    upload: String,
    #[xml(rename = "Initiated")]
    initiated: Option<String>,
}

#[derive(Debug, FromXml)]
#[xml(rename = "CopyPartResult", ns(S3))]
struct CopiedPart {
    #[xml(rename = "ETag")]
    etag: String,
}

impl S3Store {
    pub(in crate::blobs) async fn placement(
        &self,
        key: &ObjectKey,
        content_type: &str,
        facts: &BlobFacts,
        life: Duration,
    ) -> Result<Placement, BlobError> {
        let (agents, now) = (&self.0.agents, Timestamp::now());
        if facts.size_bytes <= self.0.part_bytes {
            let terms = PutTerms { content_type, size_bytes: Some(facts.size_bytes), sha256: Some(&facts.sha256) };
            return Ok(Placement::Whole(agents.presign_put(key, &terms, life, now)));
        }
        let part_bytes = self.0.part_bytes.max(facts.size_bytes.div_ceil(PARTS_MAX));
        let upload = match self.under_way(key, facts).await? {
            Some(upload) => upload,
            None => self.begin_parts(key, content_type, facts).await?,
        };
        let parts = (0..facts.size_bytes.div_ceil(part_bytes)).map(|index| {
            let length = part_bytes.min(facts.size_bytes - index * part_bytes);
            let headers = vec![("content-length".to_owned(), length.to_string())];
            agents.presign(Method::Put, key, part_query(index, &upload), headers, life, now)
        });
        let parts: Vec<Presigned> = parts.collect();
        Ok(Placement::Parts { part_bytes, parts, upload })
    }

    /// The upload of these bytes that is under way, if the server has not ended it.
    async fn under_way(&self, key: &ObjectKey, facts: &BlobFacts) -> Result<Option<String>, BlobError> {
        let known = {
            let under_way = self.0.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.get(key).filter(|(_, of)| of == facts).map(|(upload, _)| upload.clone())
        };
        let Some(upload) = known else { return Ok(None) };
        Ok(self.is_under_way(key, &upload).await?.then_some(upload))
    }

    /// Whether the server has this upload.
    async fn is_under_way(&self, key: &ObjectKey, upload: &str) -> Result<bool, BlobError> {
        let (bucket, credentials) = (self.0.agents.bucket(), self.0.agents.credentials());
        let object = self.0.agents.object(key.as_str());
        let url = ListParts::new(bucket, Some(credentials), &object, upload).sign(OWN_URLS_FOR);
        match self.0.wire.send(Ask::new("look at an upload in parts", http::GET, url)).await {
            Ok(found) => Ok(found.is_some()),
            Err(BlobError::NoUpload) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn begin_parts(&self, key: &ObjectKey, content_type: &str, facts: &BlobFacts) -> Result<String, BlobError> {
        let upload = self.create(key, Some(content_type), Some(&facts.sha256)).await?;
        let mut under_way = self.0.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.len() >= UNDER_WAY_MAX {
            under_way.clear();
        }
        under_way.insert(key.clone(), (upload.clone(), facts.clone()));
        Ok(upload)
    }

    async fn create(
        &self,
        key: &ObjectKey,
        content_type: Option<&str>,
        sha256: Option<&str>,
    ) -> Result<String, BlobError> {
        const DOING: &str = "begin an upload in parts";
        let (bucket, credentials) = (self.0.agents.bucket(), self.0.agents.credentials());
        let object = self.0.agents.object(key.as_str());
        let mut action = CreateMultipartUpload::new(bucket, Some(credentials), &object);
        let headers = [(header::CONTENT_TYPE.as_str(), content_type), (SHA256_HEADER, sha256)];
        let headers: Vec<_> = headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        for (name, value) in &headers {
            action.headers_mut().insert(*name, (*value).to_owned());
        }
        let url = action.sign(OWN_URLS_FOR);
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let asked = self.0.wire.send(Ask { headers, ..Ask::new(DOING, http::POST, url) });
        let missing = || BlobError::Refused { doing: DOING, status: 404, code: String::new() };
        let text = wire::proven(DOING, asked.await?.ok_or_else(missing)?).await?;
        let begun = CreateMultipartUpload::parse_response(&text);
        let begun = begun.map_err(|cause| BlobError::Away { doing: DOING, why: cause.to_string() })?;
        Ok(begun.upload_id().to_owned())
    }

    pub(in crate::blobs) async fn put_together(
        &self,
        key: &ObjectKey,
        upload: &str,
        etags: &[String],
    ) -> Result<(), BlobError> {
        const DOING: &str = "put parts together";
        let (bucket, credentials) = (self.0.agents.bucket(), self.0.agents.credentials());
        let object = self.0.agents.object(key.as_str());
        let tags = etags.iter().map(String::as_str);
        let action = CompleteMultipartUpload::new(bucket, Some(credentials), &object, upload, tags);
        let (url, body) = (action.sign(OWN_URLS_FOR), action.body());
        let ask = Ask { pace: Pace::Patient, body: Body::Text(body), ..Ask::new(DOING, http::POST, url) };
        let asked = self.0.wire.send(ask);
        let done = match asked.await {
            Ok(Some(answer)) => wire::proven(DOING, answer).await.map(|_| ()),
            Ok(None) => Err(BlobError::NoUpload),
            // Of an upload that is over, Ceph says that something broke inside it.
            Err(error @ BlobError::Away { .. }) => match self.is_under_way(key, upload).await {
                Ok(false) => Err(BlobError::NoUpload),
                Ok(true) | Err(_) => Err(error),
            },
            Err(error) => Err(error),
        };
        // It is over, or of no use: parts that do not fit together never will.
        if matches!(&done, Ok(()) | Err(BlobError::NoUpload | BlobError::Refused { .. })) {
            self.0.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
        done
    }

    /// For objects that are larger than one request may copy.
    pub(super) async fn copy_in_parts(&self, from: &ObjectKey, to: &ObjectKey, seen: &Seen) -> Result<(), BlobError> {
        const DOING: &str = "copy an object in parts";
        let upload = self.create(to, Some("video/mp4"), seen.sha256.as_deref()).await?;
        let mut etags = Vec::new();
        for index in 0..seen.size_bytes.div_ceil(COPY_PART_BYTES) {
            let first = index * COPY_PART_BYTES;
            let last = seen.size_bytes.min(first + COPY_PART_BYTES) - 1;
            let headers = vec![
                ("x-amz-copy-source".to_owned(), self.copy_source(from)),
                ("x-amz-copy-source-range".to_owned(), format!("bytes={first}-{last}")),
            ];
            let query = part_query(index, &upload);
            let put = self.0.agents.presign(Method::Put, to, query, headers, OWN_URLS_FOR, Timestamp::now());
            let asked = self.0.wire.send(Ask::put(DOING, put, Body::None));
            let text = wire::proven(DOING, asked.await?.ok_or(BlobError::NoUpload)?).await?;
            let part: CopiedPart = read_xml(DOING, &text)?;
            etags.push(part.etag);
        }
        self.put_together(to, &upload, &etags).await
    }

    pub(in crate::blobs) async fn abort_unfinished(&self, before: Timestamp) -> Result<u64, BlobError> {
        let (mut aborted, mut after) = (0, None);
        loop {
            let Some(page) = self.unfinished(after).await? else { return Ok(aborted) };
            for unfinished in &page.uploads {
                let begun = unfinished.initiated.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
                if begun.is_some_and(|begun| Timestamp(begun.as_microsecond()) < before) {
                    self.abort(unfinished).await?;
                    aborted += 1;
                }
            }
            after = page.next_key.zip(page.next_upload).filter(|_| page.is_truncated == Some(true));
            if after.is_none() {
                return Ok(aborted);
            }
        }
    }

    /// None from a server that does not list them: there a rule of the bucket has to end them.
    async fn unfinished(&self, after: Option<(String, String)>) -> Result<Option<UnfinishedPage>, BlobError> {
        const DOING: &str = "list uploads in parts";
        let (bucket, credentials) = (self.0.agents.bucket(), self.0.agents.credentials());
        let prefix = self.0.agents.object("");
        let mut query = vec![("prefix", prefix.as_str()), ("uploads", "")];
        if let Some((key, upload)) = &after {
            query = vec![("key-marker", key), ("prefix", &prefix), ("upload-id-marker", upload), ("uploads", "")];
        }
        let url = sign(
            &jiff::Timestamp::now(),
            Method::Get,
            bucket.base_url().clone(),
            credentials.key(),
            credentials.secret(),
            None,
            bucket.region(),
            OWN_URLS_FOR.as_secs(),
            query.iter().copied(),
            std::iter::empty(),
        );
        match self.0.wire.send(Ask::new(DOING, http::GET, url)).await {
            Ok(None) => Ok(None),
            Err(BlobError::Refused { status, .. }) if status == StatusCode::NOT_IMPLEMENTED.as_u16() => Ok(None),
            Ok(Some(answer)) => read_xml(DOING, &wire::proven(DOING, answer).await?).map(Some),
            Err(error) => Err(error),
        }
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), BlobError> {
        let (bucket, credentials) = (self.0.agents.bucket(), self.0.agents.credentials());
        let action = AbortMultipartUpload::new(bucket, Some(credentials), &unfinished.key, &unfinished.upload);
        let url = action.sign(OWN_URLS_FOR);
        match self.0.wire.send(Ask::new("end an upload in parts", http::DELETE, url)).await {
            // It ended by itself meanwhile.
            Ok(_) | Err(BlobError::NoUpload) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Parts are numbered from 1.
fn part_query(index: u64, upload: &str) -> Vec<(String, String)> {
    vec![("partNumber".to_owned(), (index + 1).to_string()), ("uploadId".to_owned(), upload.to_owned())]
}

fn read_xml<'xml, T: FromXml<'xml>>(doing: &'static str, text: &'xml str) -> Result<T, BlobError> {
    instant_xml::from_str(text).map_err(|cause| BlobError::Away { doing, why: cause.to_string() })
}
