//! What both kinds of blob store have to do, and what one of them does besides. The S3 server is a real one, in this
//! process; `TWEENFARM_TEST_S3` names another: `endpoint bucket region access-key secret-key`, and `unchecked` where the server
//! does not compare bytes with the checksum they come with.

use super::{
    s3::{S3Settings, S3Store},
    sign::Address,
    *,
};
use sha2::{Digest, Sha256};
use tweenfarm_protocol::task::Presigned;
use tweenfarm_s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

const HOUR: Duration = Duration::from_secs(3600);
const VIDEO: &str = "video/mp4";
/// The least that S3 takes.
const PART_BYTES: u64 = 5 << 20;

fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

fn facts_of(bytes: &[u8]) -> BlobFacts {
    BlobFacts { size_bytes: bytes.len() as u64, sha256: hex::encode(Sha256::digest(bytes)) }
}

/// A bucket of its own prefix, and what keeps it alive.
struct Bucket {
    store: S3Store,
    server: S3Server,
    /// Whether it compares bytes with their checksum.
    checks: bool,
    _folder: tempfile::TempDir,
}

impl Bucket {
    async fn new() -> Bucket {
        let (server, folder) = (S3Server::start().await, tempfile::tempdir().unwrap());
        let other = std::env::var("TWEENFARM_TEST_S3").ok();
        let mut words: Vec<String> = match &other {
            Some(text) => text.split_whitespace().map(str::to_owned).collect(),
            None => [&server.endpoint(), BUCKET, "auto", ACCESS_KEY, SECRET_KEY].map(str::to_owned).into(),
        };
        let checks = words.pop_if(|last| last == "unchecked").is_none();
        let [endpoint, bucket, region, access, secret] = <[String; 5]>::try_from(words).expect("five words");
        // Where the server goes on living, every test has its own corner.
        let prefix = if other.is_some() { format!("test-{}/", uuid::Uuid::new_v4()) } else { "farm/one/".to_owned() };
        let endpoint: Url = endpoint.parse().unwrap();
        let address = Address { endpoint: endpoint.clone(), bucket, is_path_style: true, region, prefix };
        let key = SigningKey { access, secret };
        let settings = S3Settings { address, public_endpoint: endpoint, key, part_bytes: PART_BYTES };
        let store = S3Store::open(settings, folder.path(), 0).unwrap();
        store.check().await.unwrap();
        Bucket { store, server, checks, _folder: folder }
    }

    fn blobs(&self) -> Blobs {
        Blobs::S3(self.store.clone())
    }

    /// As a daemon that was started anew: nothing is remembered.
    fn forgotten(&self) -> Blobs {
        self.store.forget();
        self.blobs()
    }
}

async fn send(method: reqwest::Method, to: &Presigned, body: Vec<u8>) -> reqwest::Response {
    let mut request = reqwest::Client::new().request(method, &to.url).body(body);
    // The length is that of what is sent, whatever was signed.
    for (name, value) in to.headers.iter().filter(|(name, _)| name != "content-length") {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

/// As a client does it, who knows nothing but the URL and the type.
async fn put(url: &str, content_type: &str, body: &[u8]) -> u16 {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    send(reqwest::Method::PUT, &Presigned { url: url.to_owned(), headers }, body.to_vec()).await.status().as_u16()
}

async fn get(url: &str) -> (u16, Vec<u8>) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

/// Through the daemon.
async fn keep(blobs: &Blobs, key: &ObjectKey, bytes: &[u8]) -> BlobFacts {
    let mut upload = blobs.begin(key, VIDEO, 100 << 20).await.unwrap();
    upload.write(bytes).await.unwrap();
    upload.seal().await.unwrap().publish().await.unwrap()
}

async fn is_kept(blobs: Blobs) {
    let clip = key("uploads/free/a/b/input/c-clip.mp4");
    assert_eq!(blobs.stat(&clip).await.unwrap(), None);
    assert!(blobs.readable(&clip, 100).await.unwrap().is_none());
    assert_eq!(blobs.facts(&clip).await.unwrap(), None);
    let facts = keep(&blobs, &clip, b"abc").await;
    assert_eq!(facts, facts_of(b"abc"));
    assert!(blobs.stat(&clip).await.unwrap().unwrap().is(&facts));
    let readable = blobs.readable(&clip, 100).await.unwrap().unwrap();
    assert_eq!((std::fs::read(readable.path()).unwrap(), &readable.facts), (b"abc".to_vec(), &facts));
    drop(readable);
    let second = keep(&blobs, &clip, b"abd").await;
    assert!(blobs.stat(&clip).await.unwrap().unwrap().is(&second), "a second upload replaces the first");

    let mut upload = blobs.begin(&clip, VIDEO, 10).await.unwrap();
    upload.write(b"0123456789").await.unwrap();
    assert!(matches!(upload.expect(11).await, Err(BlobError::TooLarge { limit_bytes: 10 })));
    assert!(matches!(upload.write(b"x").await, Err(BlobError::TooLarge { limit_bytes: 10 })));
    drop(upload);
    assert!(blobs.stat(&clip).await.unwrap().unwrap().is(&second), "an upload that is too large changes nothing");
    assert_eq!(blobs.clear_staging(Duration::ZERO).await.unwrap(), 0, "and leaves nothing");
}

async fn is_copied_and_deleted(blobs: Blobs) {
    let (from, to) = (key("work/j/l.mp4"), key("outputs/free/a/b/c/output-60fps.mp4"));
    assert!(!blobs.copy(&from, &to).await.unwrap());
    let facts = keep(&blobs, &from, b"frames").await;
    keep(&blobs, &to, b"of an earlier lease").await;
    assert!(blobs.copy(&from, &to).await.unwrap());
    assert!(blobs.copy(&from, &to).await.unwrap(), "twice is harmless");
    assert!(blobs.delete(&from).await.unwrap());
    assert!(!blobs.delete(&from).await.unwrap());
    assert!(blobs.stat(&to).await.unwrap().unwrap().is(&facts), "the copy lives on its own");
    assert_eq!(blobs.facts(&to).await.unwrap(), Some(facts));
}

async fn is_swept_by_prefix(blobs: Blobs) {
    let jobs = [1, 2, 12].map(|number| JobId(uuid::Uuid::from_u128(number)));
    for (job, name) in [(0, "a"), (0, "b"), (1, "c"), (2, "d")] {
        keep(&blobs, &key(&format!("work/{}/{name}.mp4", jobs[job])), b"frames").await;
    }
    let project = ProjectId(uuid::Uuid::from_u128(7));
    for root in ["uploads/free/a", "outputs/paid/a"] {
        keep(&blobs, &key(&format!("{root}/{project}/x/clip.mp4")), b"frames").await;
    }
    let mut found = blobs.jobs_with_work().await.unwrap();
    found.sort_unstable();
    assert_eq!(found, jobs);
    assert_eq!(blobs.projects_with_objects().await.unwrap(), [project]);
    assert_eq!(blobs.delete_prefix(&ObjectKey::work_prefix(jobs[0])).await.unwrap(), 2);
    assert_eq!(blobs.delete_prefix(&ObjectKey::work_prefix(jobs[0])).await.unwrap(), 0);
    assert!(blobs.stat(&key(&format!("work/{}/c.mp4", jobs[1]))).await.unwrap().is_some());
    for wrong in ["work/one", "work/../", "/", "", "uploads/../../", "objects/"] {
        assert!(matches!(blobs.delete_prefix(wrong).await, Err(BlobError::Prefix(_))), "{wrong}");
    }
}

fn is_known_by_its_url(blobs: &Blobs) {
    let clip = key("outputs/free/a/b/c/output-60fps.mp4");
    for url in [blobs.presign_get(&clip, HOUR), blobs.presign_download(&clip, "süß \"60\".mp4", HOUR)] {
        let read = |text: &str| blobs.key_of(&text.parse().unwrap());
        assert_eq!(read(&url), Some(Ok(clip.clone())), "{url}");
        assert!(matches!(read(&url.replace("60fps", "61fps")), Some(Err(SignatureError::Mismatch))));
        assert!(matches!(read(&format!("{url}0")), Some(Err(_))));
        assert_eq!(read("http://elsewhere.example.org/outputs/free/a/b/c/output-60fps.mp4"), None);
    }
    let put = blobs.presign_put(&clip, VIDEO, None, HOUR);
    assert!(matches!(blobs.key_of(&put.parse().unwrap()), Some(Err(_))), "a URL for PUT is not one for GET");
}

fn disk() -> (Blobs, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey { access: "a".into(), secret: "s".into() };
    let signer = Signer::new(&"http://localhost:1".parse().unwrap(), "tweenfarm", key).unwrap();
    (Blobs::on_disk(DiskStore::open(folder.path(), 0).unwrap(), signer), folder)
}

macro_rules! both {
    ($($name:ident: $check:ident;)+) => {$(
        mod $name {
            use super::*;
            #[tokio::test]
            async fn on_disk() {
                let (blobs, _folder) = disk();
                $check(blobs).await;
            }
            #[tokio::test]
            async fn on_s3() {
                let bucket = Bucket::new().await;
                $check(bucket.blobs()).await;
            }
        }
    )+};
}

both! {
    what_comes_through_the_daemon_is_kept: is_kept;
    an_object_is_copied_inside_the_store_and_deleted: is_copied_and_deleted;
    sweeps_find_and_delete_what_lies_under_a_prefix: is_swept_by_prefix;
}

#[tokio::test]
async fn a_url_of_the_farms_own_is_known_again_in_both_stores() {
    is_known_by_its_url(&disk().0);
    is_known_by_its_url(&Bucket::new().await.blobs());
}

#[tokio::test]
async fn clients_put_and_get_at_the_bucket_itself() {
    let bucket = Bucket::new().await;
    let (blobs, clip) = (bucket.blobs(), key("uploads/free/a/b/input/c-clip.mp4"));
    let url = blobs.presign_put(&clip, VIDEO, None, HOUR);
    assert_eq!(put(&url, "video/webm", b"abc").await, 403, "another type than the signed one");
    assert_eq!(put(&url.replace("c-clip", "d-clip"), VIDEO, b"abc").await, 403, "another key");
    assert_eq!(put(&url, VIDEO, b"abc").await, 200);
    let seen = blobs.stat(&clip).await.unwrap().unwrap();
    assert_eq!(seen, Seen { size_bytes: 3, sha256: None }, "nobody has read it yet");
    assert_eq!(blobs.facts(&clip).await.unwrap(), Some(facts_of(b"abc")));
    assert!(blobs.stat(&clip).await.unwrap().unwrap().is(&facts_of(b"abc")), "and now it is remembered");
    assert_eq!(put(&url, VIDEO, b"abd").await, 200);
    assert_eq!(blobs.stat(&clip).await.unwrap().unwrap().sha256, None, "other bytes are not taken for the first");
    assert_eq!(bucket.forgotten().facts(&clip).await.unwrap(), Some(facts_of(b"abd")));

    assert_eq!(get(&blobs.presign_get(&clip, HOUR)).await, (200, b"abd".to_vec()));
    let answer = reqwest::get(blobs.presign_download(&clip, "my clip.mp4", HOUR)).await.unwrap();
    let saved_as = answer.headers()["content-disposition"].to_str().unwrap();
    assert_eq!(
        (saved_as, &answer.headers()["content-type"]),
        ("attachment; filename=\"my clip.mp4\"", &VIDEO.parse().unwrap())
    );
    let part = reqwest::Client::new().get(blobs.presign_get(&clip, HOUR)).header("range", "bytes=1-1").send().await;
    let part = part.unwrap();
    assert_eq!((part.status().as_u16(), &part.bytes().await.unwrap()[..]), (206, &b"b"[..]));
    let head = reqwest::Client::new().head(blobs.presign_head(&clip, HOUR)).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "3");
}

#[tokio::test]
async fn a_url_whose_time_is_over_opens_nothing() {
    let bucket = Bucket::new().await;
    let (blobs, clip) = (bucket.blobs(), key("uploads/free/a/b/input/c-clip.mp4"));
    keep(&blobs, &clip, b"abc").await;
    let before = Timestamp::now().minus(2 * HOUR);
    let late = bucket.store.clients().presign_get(&clip, None, HOUR, before);
    assert_eq!(get(&late).await.0, 403);
    assert_eq!(blobs.key_of(&late.parse().unwrap()), Some(Err(SignatureError::Expired)));
    let terms = PutTerms { content_type: VIDEO, size_bytes: None, sha256: None };
    let late = bucket.store.clients().presign_put(&clip, &terms, HOUR, before).url;
    assert_eq!(put(&late, VIDEO, b"abd").await, 403);
    assert!(blobs.stat(&clip).await.unwrap().unwrap().is(&facts_of(b"abc")));
}

#[tokio::test]
async fn an_upload_whose_size_was_told_has_that_size() {
    let bucket = Bucket::new().await;
    let (blobs, clip) = (bucket.blobs(), key("uploads/free/a/b/input/c-clip.mp4"));
    let url = blobs.presign_put(&clip, VIDEO, Some(3), HOUR);
    assert_eq!(put(&url, VIDEO, b"more than that").await, 403);
    assert_eq!(put(&url, VIDEO, b"abc").await, 200);
    assert!(matches!(blobs.readable(&clip, 2).await, Err(BlobError::TooLarge { limit_bytes: 2 })));
    assert_eq!(blobs.clear_staging(Duration::ZERO).await.unwrap(), 0);
}

#[tokio::test]
async fn a_result_is_placed_in_one_request_that_takes_its_bytes_only() {
    let bucket = Bucket::new().await;
    let (blobs, result) = (bucket.blobs(), key("work/j/l.mp4"));
    let facts = facts_of(b"frames");
    let Placement::Whole(whole) = blobs.placement(&result, VIDEO, &facts, HOUR).await.unwrap() else { panic!() };
    let shorter = send(reqwest::Method::PUT, &whole, b"frame".to_vec()).await;
    assert!(!shorter.status().is_success(), "bytes of another size: {}", shorter.status());
    if bucket.checks {
        let other = send(reqwest::Method::PUT, &whole, b"flames".to_vec()).await;
        assert!(!other.status().is_success(), "other bytes of that size: {}", other.status());
        assert!(blobs.stat(&result).await.unwrap().is_none_or(|seen| !seen.is(&facts)));
    } else {
        eprintln!("skipped: other bytes of that size, which this server takes");
    }
    assert_eq!(send(reqwest::Method::PUT, &whole, b"frames".to_vec()).await.status(), 200);
    assert!(bucket.forgotten().stat(&result).await.unwrap().unwrap().is(&facts), "its hash stands beside it");
    assert_eq!(blobs.placement(&result, VIDEO, &facts, HOUR).await.unwrap(), Placement::There);
    // Whoever writes to uploads/ is not believed.
    let (clip, meta) = (key("uploads/free/a/b/input/c-clip.mp4"), "0".repeat(64));
    let terms = PutTerms { content_type: VIDEO, size_bytes: None, sha256: None };
    let mut forged = bucket.store.clients().presign_put(&clip, &terms, HOUR, Timestamp::now());
    forged.headers.push((sign::SHA256_HEADER.to_owned(), meta));
    if send(reqwest::Method::PUT, &forged, b"abc".to_vec()).await.status() == 200 {
        assert_eq!(blobs.stat(&clip).await.unwrap().unwrap().sha256, None);
    }
}

#[tokio::test]
async fn a_large_result_goes_in_parts_and_on_after_a_break() {
    let bucket = Bucket::new().await;
    let (blobs, result) = (bucket.blobs(), key("work/j/l.mp4"));
    let bytes: Vec<u8> = (0..2 * PART_BYTES + 1000).map(|index| (index / 7) as u8).collect();
    let facts = facts_of(&bytes);
    let placed = async |blobs: &Blobs| match blobs.placement(&result, VIDEO, &facts, HOUR).await.unwrap() {
        Placement::Parts { upload, part_bytes, parts } => (upload, part_bytes, parts),
        other => panic!("expected parts, not {other:?}"),
    };
    let (upload, part_bytes, parts) = placed(&blobs).await;
    assert_eq!((part_bytes, parts.len()), (PART_BYTES, 3));
    let mut etags = Vec::new();
    for (index, part) in bytes.chunks(part_bytes as usize).enumerate() {
        if index == 1 {
            let (again, _, fresh) = placed(&blobs).await;
            assert_eq!((&again, fresh.len()), (&upload, 3), "the upload goes on, with fresh URLs");
        }
        assert!(!send(reqwest::Method::PUT, &parts[index], part[1..].to_vec()).await.status().is_success());
        let answer = send(reqwest::Method::PUT, &parts[index], part.to_vec()).await;
        assert_eq!(answer.status(), 200);
        etags.push(answer.headers()["etag"].to_str().unwrap().to_owned());
    }
    assert_eq!(blobs.stat(&result).await.unwrap(), None, "nothing is seen of it before its end");
    blobs.put_together(&result, &upload, &etags).await.unwrap();
    assert!(bucket.forgotten().stat(&result).await.unwrap().unwrap().is(&facts));
    assert_eq!(blobs.placement(&result, VIDEO, &facts, HOUR).await.unwrap(), Placement::There);
    assert_eq!(get(&blobs.agent_get(&result, HOUR)).await.1, bytes);
    let again = blobs.put_together(&result, &upload, &etags).await;
    assert!(matches!(again, Err(BlobError::NoUpload | BlobError::Refused { .. }) | Ok(())), "{again:?}");
    let copy = key("outputs/free/a/b/c/output-60fps.mp4");
    assert!(blobs.copy(&result, &copy).await.unwrap());
    assert!(bucket.forgotten().stat(&copy).await.unwrap().unwrap().is(&facts), "the hash comes along");
}

#[tokio::test]
async fn uploads_in_parts_that_nobody_ends_are_ended_by_the_sweep() {
    let bucket = Bucket::new().await;
    let (blobs, result) = (bucket.blobs(), key("work/j/l.mp4"));
    let facts = BlobFacts { size_bytes: 3 * PART_BYTES, sha256: "ab".repeat(32) };
    let Placement::Parts { upload, .. } = blobs.placement(&result, VIDEO, &facts, HOUR).await.unwrap() else {
        panic!()
    };
    assert_eq!(blobs.abort_unfinished(Timestamp::now().minus(HOUR)).await.unwrap(), 0, "it is young");
    assert_eq!(blobs.abort_unfinished(Timestamp::now().plus(HOUR)).await.unwrap(), 1);
    assert_eq!(blobs.abort_unfinished(Timestamp::now().plus(HOUR)).await.unwrap(), 0);
    let late = blobs.put_together(&result, &upload, &["\"x\"".to_owned()]).await;
    assert!(matches!(late, Err(BlobError::NoUpload)), "{late:?}");
    let next = blobs.placement(&result, VIDEO, &facts, HOUR).await.unwrap();
    assert!(matches!(next, Placement::Parts { upload: next, .. } if next != upload), "it begins anew");
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_then_said_to_be_away() {
    if std::env::var_os("TWEENFARM_TEST_S3").is_some() {
        eprintln!("skipped: another server is not ours to stop");
        return;
    }
    let mut bucket = Bucket::new().await;
    let (blobs, clip) = (bucket.blobs(), key("uploads/free/a/b/input/c-clip.mp4"));
    let facts = keep(&blobs, &clip, b"abc").await;
    bucket.server.stop().await;
    let error = blobs.stat(&clip).await.unwrap_err();
    assert!(matches!(error, BlobError::Away { .. }), "{error}");
    assert!(!error.to_string().contains("X-Amz"), "{error}");
    let mut upload = blobs.begin(&clip, VIDEO, 100).await.unwrap();
    upload.write(b"abd").await.unwrap();
    assert!(matches!(upload.seal().await.unwrap().publish().await, Err(BlobError::Away { .. })));
    bucket.server.restart().await;
    assert!(blobs.stat(&clip).await.unwrap().unwrap().is(&facts), "what it had is there");
    assert_eq!(blobs.clear_staging(Duration::ZERO).await.unwrap(), 0);
    // A line that is cut in the middle is another try, which nobody notices.
    bucket.server.cut_after(1 << 20);
    let bytes = vec![7; 3 << 20];
    assert_eq!(keep(&blobs, &clip, &bytes).await, facts_of(&bytes));
    assert!(!bucket.server.is_to_cut());
    assert_eq!(blobs.readable(&clip, u64::MAX).await.unwrap().unwrap().facts, facts_of(&bytes));
}

#[tokio::test]
async fn wrong_credentials_and_a_missing_bucket_are_told_apart_from_a_server_that_is_away() {
    let (server, folder) = (S3Server::start().await, tempfile::tempdir().unwrap());
    let endpoint: Url = server.endpoint().parse().unwrap();
    let check = async |bucket: &str, secret: &str, expected: &str| {
        let address = Address {
            endpoint: endpoint.clone(),
            bucket: bucket.to_owned(),
            is_path_style: true,
            region: "auto".to_owned(),
            prefix: String::new(),
        };
        let key = SigningKey { access: ACCESS_KEY.to_owned(), secret: secret.to_owned() };
        let settings = S3Settings { address, public_endpoint: endpoint.clone(), key, part_bytes: PART_BYTES };
        let error = S3Store::open(settings, folder.path(), 0).unwrap().check().await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, BlobError::Refused { .. }) && text.contains(expected), "{text}");
        assert!(!text.contains(secret), "{text}");
    };
    check("elsewhere", SECRET_KEY, "NoSuchBucket").await;
    check(BUCKET, "another secret", "SignatureDoesNotMatch").await;
}
