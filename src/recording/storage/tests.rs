//! What every storage promises, held by each of them.

use std::io::ErrorKind;

use super::*;

/// Runs `check` on each storage, in an empty folder.
fn on_each(check: impl Fn(&dyn Storage, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    check(&LocalStorage, folder.path());
    let memory = MemoryStorage::default();
    memory.create_folder(Path::new("top")).unwrap();
    check(&memory, Path::new("top"));
}

#[track_caller]
fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().expect("an error").source.kind()
}

#[test]
fn a_file_is_created_once_and_read_by_position() {
    on_each(|storage, top| {
        let path = top.join("a");
        let mut file = storage.create(&path).unwrap();
        file.write_all(b"0123456789").unwrap();
        file.sync().unwrap();
        assert_eq!(kind(storage.create(&path)), ErrorKind::AlreadyExists);
        let file = storage.open(&path).unwrap();
        assert_eq!(file.bytes().unwrap(), 10);
        let mut part = [0; 3];
        file.read_at(&mut part, 4).unwrap();
        assert_eq!(&part, b"456");
        assert_eq!(kind(file.read_at(&mut part, 8)), ErrorKind::UnexpectedEof);
        assert_eq!(kind(storage.open(&top.join("b"))), ErrorKind::NotFound);
    });
}

#[test]
fn appending_continues_behind_the_end() {
    on_each(|storage, top| {
        let path = top.join("journal");
        for part in ["one", "two"] {
            let mut file = storage.append(&path).unwrap();
            file.write_all(part.as_bytes()).unwrap();
        }
        assert_eq!(read_whole(storage, &path, 6).unwrap(), b"onetwo");
    });
}

#[test]
fn put_and_rename_replace_whole_files() {
    on_each(|storage, top| {
        let (old, new) = (top.join("old"), top.join("new"));
        storage.put(&old, b"first").unwrap();
        let opened = storage.open(&old).unwrap();
        storage.put(&old, b"second").unwrap();
        let mut before = [0; 5];
        opened.read_at(&mut before, 0).unwrap();
        assert_eq!(&before, b"first", "an open file keeps its content");
        storage.put(&new, b"third").unwrap();
        storage.rename(&old, &new).unwrap();
        assert_eq!(read_whole(storage, &new, 6).unwrap(), b"second");
        assert_eq!(storage.list(top).unwrap(), ["new"]);
        storage.sync_dir(top).unwrap();
    });
}

#[test]
fn a_folder_is_listed_in_order_and_removed_when_empty() {
    on_each(|storage, top| {
        let folder = top.join("x/rec");
        storage.create_folder(&folder).unwrap();
        for name in ["b", "a", "c"] {
            storage.put(&folder.join(name), b"").unwrap();
        }
        assert_eq!(storage.list(&folder).unwrap(), ["a", "b", "c"]);
        assert_eq!(
            kind(storage.remove_folder(&folder)),
            ErrorKind::DirectoryNotEmpty
        );
        for name in ["a", "b", "c"] {
            storage.remove(&folder.join(name)).unwrap();
        }
        let beside = storage.create_folder_beside(&folder).unwrap();
        assert_eq!(storage.list(&beside).unwrap(), [""; 0]);
        storage.remove_folder(&folder).unwrap();
        assert!(!storage.exists(&folder) && storage.is_folder(&beside));
        assert_eq!(kind(storage.remove(&folder.join("a"))), ErrorKind::NotFound);
    });
}

#[test]
fn a_lock_has_one_owner_at_a_time() {
    on_each(|storage, top| {
        let path = top.join(".lock");
        assert!(!storage.is_locked(&path).unwrap());
        let guard = storage.lock(&path).unwrap();
        assert_eq!(kind(storage.lock(&path)), ErrorKind::WouldBlock);
        assert!(storage.is_locked(&path).unwrap() && guard.is_in_place());
        assert!(!read_whole(storage, &path, 4096).unwrap().is_empty());
        drop(guard);
        assert!(!storage.is_locked(&path).unwrap());
        assert!(!storage.exists(&path), "the file goes with the lock");
        storage.lock(&path).unwrap();
    });
}

#[test]
fn a_lock_that_was_left_behind_is_taken() {
    on_each(|storage, top| {
        let path = top.join(".lock");
        storage
            .put(&path, b"process 1 on host gone, with a long name\n")
            .unwrap();
        assert!(!storage.is_locked(&path).unwrap());
        let guard = storage.lock(&path).unwrap();
        let text = String::from_utf8(read_whole(storage, &path, 4096).unwrap()).unwrap();
        assert!(!text.contains("gone"), "{text}");
        assert!(guard.is_in_place());
    });
}

#[test]
fn a_lock_whose_folder_was_replaced_is_noticed() {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("rec");
    let path = folder.join(".lock");
    std::fs::create_dir(&folder).unwrap();
    let first = LocalStorage.lock(&path).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(!first.is_in_place());
    std::fs::create_dir(&folder).unwrap();
    let second = LocalStorage.lock(&path).unwrap();
    drop(first);
    assert!(second.is_in_place(), "only its own file is removed");
}

#[test]
fn looking_at_a_lock_keeps_no_owner_out() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join(".lock");
    std::fs::write(&path, "").unwrap();
    std::thread::scope(|scope| {
        let looking = || (0..20_000).for_each(|_| drop(LocalStorage.is_locked(&path)));
        let (one, two) = (scope.spawn(looking), scope.spawn(looking));
        while !(one.is_finished() && two.is_finished()) {
            drop(LocalStorage.lock(&path).unwrap());
        }
    });
}

#[test]
fn free_space_is_that_of_the_folder_that_exists() {
    let folder = tempfile::tempdir().unwrap();
    let free = |path: &Path| LocalStorage.free_space(path).unwrap().unwrap();
    assert!(free(folder.path()) > 0);
    assert!(free(&folder.path().join("not/there/yet")) > 0);
    assert!(free(Path::new("not-there-yet")) > 0);
    let memory = MemoryStorage::default();
    assert_eq!(memory.free_space(Path::new("top")).unwrap(), None);
    memory.set_free_space(7);
    assert_eq!(memory.free_space(Path::new("top")).unwrap(), Some(7));
}

#[test]
fn a_lock_never_changes_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious.txt");
    std::fs::write(&precious, "mine").unwrap();
    let lock = folder.path().join(".lock");
    std::os::unix::fs::symlink(&precious, &lock).unwrap();
    LocalStorage.lock(&lock).unwrap_err();
    LocalStorage.is_locked(&lock).unwrap_err();
    assert_eq!(std::fs::read_link(&lock).unwrap(), precious);
    std::fs::remove_file(&lock).unwrap();
    // A copy by hard links has the lock of the killed writer.
    std::fs::hard_link(&precious, &lock).unwrap();
    let taken = LocalStorage.lock(&lock).unwrap();
    assert!(taken.is_in_place() && LocalStorage.is_locked(&lock).unwrap());
    assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for refused in [
        LocalStorage.open(&pipe).map(drop),
        LocalStorage.lock(&pipe).map(drop),
        LocalStorage.is_locked(&pipe).map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.source.to_string(), "it is not a regular file");
    }
    let refused = LocalStorage.open(folder.path()).unwrap_err();
    assert_eq!(refused.source.kind(), ErrorKind::IsADirectory);
}

#[test]
fn a_temporary_file_names_the_one_it_becomes() {
    for (name, target) in [
        (".manifest.json.Ab12cd.tmp", Some("manifest.json")),
        ("..replaces.000000.tmp", Some(".replaces")),
        (".manifest.json.Ab12cd", None),
        (".manifest.json.Ab12c.tmp", None),
        (".manifest.json.Ab-2cd.tmp", None),
        ("manifest.json.Ab12cd.tmp", None),
    ] {
        assert_eq!(target_of_temporary(name), target, "{name}");
    }
}
