//! What every object store must do for recordings, held by each of them: in memory, on the local file
//! system, and by a server.

use std::path::Path;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use skip::skipped_unless_required;

use super::super::read_whole;
use super::*;

#[path = "../../../../tests/support/skip.rs"]
mod skip;

#[cfg(feature = "s3")]
#[expect(dead_code, reason = "other packages' tests use the rest of it")]
#[path = "../../../../tests/support/s3_server.rs"]
mod s3_server;

/// The beginning of the paths of the tests.
const BASE: &str = "s3://tests";

/// Runs `check` on each store, empty. Each call of the function that it gets is a storage that has listed
/// nothing yet, like that of another process.
fn on_each(check: impl Fn(&dyn Fn() -> ObjectStorage)) {
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    check(&|| ObjectStorage::new(BASE, Arc::clone(&memory)));
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let local: Arc<dyn ObjectStore> = Arc::new(local);
    check(&|| ObjectStorage::new(BASE, Arc::clone(&local)));
    on_server(&check);
}

#[cfg(not(feature = "s3"))]
fn on_server(_: &impl Fn(&dyn Fn() -> ObjectStorage)) {
    skipped_unless_required("TICKDECK_REQUIRE_S3", "a server", "built without `s3`");
}

#[cfg(feature = "s3")]
fn on_server(check: &impl Fn(&dyn Fn() -> ObjectStorage)) {
    let Some(server) = s3_server::S3Server::start("the object store of a server") else {
        return;
    };
    connect::use_ring();
    let builder = object_store::aws::AmazonS3Builder::new()
        .with_bucket_name(s3_server::BUCKET)
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_access_key_id(s3_server::ACCESS_KEY)
        .with_secret_access_key(s3_server::SECRET_KEY);
    let store: Arc<dyn ObjectStore> = Arc::new(builder.build().unwrap());
    check(&|| ObjectStorage::new(BASE, Arc::clone(&store)));
}

#[track_caller]
fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().expect("an error").source.kind()
}

fn at(name: &str) -> PathBuf {
    Path::new(BASE).join(name)
}

#[test]
fn a_file_is_created_once_and_read_by_position() {
    on_each(|open| {
        let storage = open();
        let path = at("a/b");
        let mut file = storage.create(&path).unwrap();
        io::Write::write_all(&mut file, b"0123456789").unwrap();
        assert!(!open().exists(&path), "it is there when it is synced");
        file.sync().unwrap();
        assert_eq!(kind(storage.create(&path)), ErrorKind::AlreadyExists);
        let file = open().open(&path).unwrap();
        assert_eq!(file.bytes().unwrap(), 10);
        let mut part = [0; 3];
        file.read_at(&mut part, 4).unwrap();
        assert_eq!(&part, b"456");
        assert_eq!(kind(file.read_at(&mut part, 8)), ErrorKind::UnexpectedEof);
        let parts = file.read_ranges(&[7..9, 0..1]).unwrap();
        assert_eq!(parts, [&b"78"[..], b"0"]);
        assert_eq!(kind(open().open(&at("c"))), ErrorKind::NotFound);
    });
}

#[test]
fn a_large_file_is_uploaded_in_parts() {
    on_each(|open| {
        let content: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
        let path = at("large");
        let mut file = open().create(&path).unwrap();
        io::Write::write_all(&mut file, &content).unwrap();
        file.sync().unwrap();
        let found = read_whole(&open(), &path, 20_000_000).unwrap();
        assert!(found == content);
        let mut dropped = open().create(&at("dropped")).unwrap();
        io::Write::write_all(&mut dropped, &content).unwrap();
        drop(dropped);
        assert!(!open().exists(&at("dropped")));
    });
}

#[test]
fn of_two_contents_the_first_stays() {
    on_each(|open| {
        let path = at("rec/manifest-0001.json");
        open().put_new(&path, b"first").unwrap();
        open().put_new(&path, b"first").unwrap();
        assert_eq!(
            kind(open().put_new(&path, b"other")),
            ErrorKind::AlreadyExists
        );
        assert_eq!(read_whole(&open(), &path, 5).unwrap(), b"first");
        assert!(open().refuses_to_replace(&path, b"first").unwrap());
        open().put(&path, b"put").unwrap();
        assert_eq!(read_whole(&open(), &path, 5).unwrap(), b"put");
    });
}

#[test]
fn folders_are_what_files_have_in_common() {
    on_each(|open| {
        for name in ["top/x/2", "top/x/1", "top/y", "other"] {
            open().put(&at(name), name.as_bytes()).unwrap();
        }
        let storage = open();
        assert_eq!(storage.list(&at("top")).unwrap(), ["x", "y"]);
        assert_eq!(storage.list(&at("top/x")).unwrap(), ["1", "2"]);
        assert_eq!(storage.entry(&at("top/x")).unwrap(), Entry::Folder);
        assert_eq!(storage.entry(&at("top/y")).unwrap(), Entry::File);
        assert_eq!(kind(storage.list(&at("to"))), ErrorKind::NotFound);
        assert_eq!(kind(storage.entry(&at("top/z"))), ErrorKind::NotFound);
        storage.remove(&at("top/x/1")).unwrap();
        assert_eq!(storage.list(&at("top/x")).unwrap(), ["2"]);
        assert_eq!(kind(storage.remove(&at("top/x/1"))), ErrorKind::NotFound);
        assert_eq!(open().list(Path::new(BASE)).unwrap(), ["other", "top"]);
    });
}

#[test]
fn what_a_store_cannot_do_is_refused() {
    on_each(|open| {
        let (storage, path) = (open(), at("a"));
        assert_eq!(kind(storage.append(&path)), ErrorKind::Unsupported);
        assert_eq!(kind(storage.lock(&path)), ErrorKind::Unsupported);
        let renamed = storage.rename(&path, &at("b"));
        assert_eq!(kind(renamed), ErrorKind::Unsupported);
        let elsewhere = storage.open(Path::new("s3://another/a"));
        assert_eq!(kind(elsewhere), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_create_without_an_answer_is_looked_up_and_repeated() {
    use std::sync::atomic::Ordering;
    let counts = Arc::new(Counts::default());
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store: Arc<dyn ObjectStore> = Arc::new(Counted::new(inner, &counts));
    let storage = ObjectStorage::new(BASE, store);
    counts.break_before.store(1, Ordering::Relaxed);
    storage.put_new(&at("before"), b"ours").unwrap();
    counts.break_after.store(1, Ordering::Relaxed);
    storage.put_new(&at("after"), b"ours").unwrap();
    // A file of an upload has the same.
    counts.break_after.store(1, Ordering::Relaxed);
    let mut file = storage.create(&at("file")).unwrap();
    io::Write::write_all(&mut file, b"ours").unwrap();
    file.sync().unwrap();
    for name in ["before", "after", "file"] {
        assert_eq!(read_whole(&storage, &at(name), 9).unwrap(), b"ours");
    }
    let theirs = storage.put_new(&at("after"), b"theirs");
    assert_eq!(kind(theirs), ErrorKind::AlreadyExists);
    counts.break_before.store(9, Ordering::Relaxed);
    assert_eq!(kind(storage.put_new(&at("never"), b"x")), ErrorKind::Other);
}
