use super::*;
use crate::testing::{blob_store::BlobStore, eventually, fetch};

struct Fixture {
    folder: tempfile::TempDir,
    store: BlobStore,
}

impl Fixture {
    async fn new() -> Fixture {
        Fixture { folder: tempfile::tempdir().unwrap(), store: BlobStore::start().await }
    }

    fn cache(&self, bytes_max: u64) -> Cache {
        Cache::open(self.folder.path(), bytes_max, 0, Transfer::new().unwrap()).unwrap()
    }

    fn clip(&self, name: &str, bytes: &[u8]) -> Fetch {
        self.store.place(name, bytes);
        fetch(self.store.url(name), bytes)
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

#[tokio::test]
async fn a_source_is_downloaded_once_and_found_again_after_a_restart() {
    let fixture = Fixture::new().await;
    let clip = fixture.clip("clip", b"frames");
    let cache = fixture.cache(1000);
    let first = cache.get(&clip).await.unwrap();
    assert_eq!(fs::read(first.path()).unwrap(), b"frames");
    cache.get(&clip).await.unwrap();
    fixture.cache(1000).get(&clip).await.unwrap();
    assert_eq!(fixture.store.gets(), 1);
}

#[tokio::test]
async fn two_users_of_one_source_wait_for_one_download() {
    let fixture = Fixture::new().await;
    let clip = fixture.clip("clip", &[7; 100_000]);
    let cache = fixture.cache(1_000_000);
    let (first, second) = tokio::join!(cache.get(&clip), cache.get(&clip));
    assert_eq!(first.unwrap().path(), second.unwrap().path());
    assert_eq!(fixture.store.gets(), 1);
}

#[tokio::test]
async fn a_user_who_leaves_in_the_middle_of_a_download_hands_it_to_the_next() {
    let fixture = Fixture::new().await;
    let clip = fixture.clip("clip", b"frames");
    let cache = fixture.cache(1000);
    fixture.store.hold_gets(true);
    let leaving = tokio::spawn({
        let (cache, clip) = (cache.clone(), clip.clone());
        async move { cache.get(&clip).await.map(drop) }
    });
    eventually("the download began", || fixture.store.gets() == 1).await;
    let staying = tokio::spawn({
        let (cache, clip) = (cache.clone(), clip.clone());
        async move { cache.get(&clip).await.map(drop) }
    });
    leaving.abort();
    eventually("the other user downloads", || fixture.store.gets() == 2).await;
    fixture.store.hold_gets(false);
    staying.await.unwrap().unwrap();
}

#[tokio::test]
async fn bytes_that_are_not_the_announced_ones_are_refused_and_leave_nothing() {
    let fixture = Fixture::new().await;
    let cache = fixture.cache(1000);
    let honest = fixture.clip("clip", b"frames");
    let other_bytes = fetch(honest.url.clone(), b"FRAMES");
    assert!(matches!(cache.get(&other_bytes).await, Err(CacheError::Download(TransferError::Hash))));
    let path_as_hash = Fetch { sha256: "../../../../etc/passwd".to_owned(), ..honest.clone() };
    assert!(matches!(cache.get(&path_as_hash).await, Err(CacheError::NotAHash(_))));
    let nowhere = Fetch { url: fixture.store.url("nowhere"), ..honest };
    let Err(error) = cache.get(&nowhere).await else { panic!("there is nothing to download") };
    let failure = error.into_failure();
    assert_eq!(failure.class, FailureClass::Resource);
    assert!(failure.message.contains("HTTP status 404"), "{failure}");
    assert!(!failure.message.contains("http://"), "an address is a key: {failure}");
    assert_eq!(fixture.files(), 0);
}

#[tokio::test]
async fn a_longer_or_shorter_answer_than_announced_is_refused() {
    let fixture = Fixture::new().await;
    let honest = fixture.clip("clip", b"frames");
    let transfer = Transfer::new().unwrap();
    for size_bytes in [5, 7] {
        let wrong = Fetch { size_bytes, ..honest.clone() };
        let result = transfer.get(&wrong, &fixture.folder.path().join("file")).await;
        assert!(matches!(result, Err(TransferError::Size { .. })), "{size_bytes}");
    }
    assert_eq!(fixture.files(), 0);
}

#[tokio::test]
async fn a_store_that_fails_for_a_moment_is_asked_again() {
    let fixture = Fixture::new().await;
    let clip = fixture.clip("clip", b"frames");
    fixture.store.answer_next(&[503]);
    fixture.cache(1000).get(&clip).await.unwrap();
    assert_eq!(fixture.store.gets(), 2);
}

#[tokio::test]
async fn the_longest_unused_source_goes_first_and_never_one_in_use() {
    let fixture = Fixture::new().await;
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| fixture.clip(name, name.repeat(40).as_bytes()));
    let cache = fixture.cache(100);
    let in_use = cache.get(&a).await.unwrap();
    cache.get(&b).await.unwrap();
    cache.get(&c).await.unwrap();
    assert!(in_use.path().exists(), "a is older than b, but in use");
    assert!(!fixture.folder.path().join(&b.sha256).exists());
    assert_eq!(cache.size_bytes(), 80);

    drop(in_use);
    cache.get(&d).await.unwrap();
    assert!(!fixture.folder.path().join(&a.sha256).exists());
    assert!(fixture.folder.path().join(&c.sha256).exists());
}

#[tokio::test]
async fn sources_in_use_may_exceed_the_limit_but_not_the_disk() {
    let fixture = Fixture::new().await;
    let [a, b] = ["a", "b"].map(|name| fixture.clip(name, name.repeat(40).as_bytes()));
    let cache = fixture.cache(50);
    let _in_use = cache.get(&a).await.unwrap();
    let _too = cache.get(&b).await.unwrap();
    assert_eq!(cache.size_bytes(), 80);

    let full = Cache::open(fixture.folder.path(), 1000, u64::MAX, Transfer::new().unwrap()).unwrap();
    let c = fixture.clip("c", b"c");
    assert!(matches!(full.get(&c).await, Err(CacheError::DiskFull { needed_bytes: 1, .. })));
}

#[tokio::test]
async fn half_downloads_are_swept_and_damaged_files_are_fetched_anew() {
    let fixture = Fixture::new().await;
    let clip = fixture.clip("clip", b"frames");
    fs::write(fixture.folder.path().join(&clip.sha256), b"fram").unwrap();
    fs::write(fixture.folder.path().join(format!("{}.partial", clip.sha256)), b"fr").unwrap();
    let cache = fixture.cache(1000);
    assert_eq!(fixture.files(), 1);
    let file = cache.get(&clip).await.unwrap();
    assert_eq!(fs::read(file.path()).unwrap(), b"frames");
}
