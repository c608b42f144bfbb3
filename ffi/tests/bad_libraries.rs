//! Paths that lead to no usable library: one clear sentence each, and the process lives.

use std::path::Path;

use tickdeck_ffi::LoadError;
use tickdeck_ffi::md::MdLibrary;
use tickdeck_ffi::td::TdLibrary;

use crate::support::skipped;
use crate::support::vendor::{VENDOR, present};

fn refusal(path: &Path) -> (LoadError, String) {
    let error = MdLibrary::open(path).unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.contains(&*path.to_string_lossy()), "{sentence}");
    (error, sentence)
}

#[test]
fn no_file_and_an_empty_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (error, _) = refusal(&folder.path().join("thostmduserapi_se.so"));
    assert!(matches!(error, LoadError::NotFound { .. }));
    let (error, sentence) = refusal(folder.path());
    assert!(matches!(error, LoadError::NotInFolder { .. }));
    assert!(sentence.contains("thostmduserapi_se.so"), "{sentence}");
}

#[test]
fn a_text_file_is_no_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thostmduserapi_se.so");
    std::fs::write(&path, "not a library\n").unwrap();
    let (error, sentence) = refusal(&path);
    assert!(matches!(error, LoadError::NotLoadable { .. }));
    assert!(sentence.contains("not a shared library"), "{sentence}");
}

#[test]
fn this_program_itself_is_no_ctp_library() {
    let error = MdLibrary::open(&std::env::current_exe().unwrap()).unwrap_err();
    // A position independent program has the type of a library; the linker refuses it.
    assert!(
        matches!(
            error,
            LoadError::NotLoadable { .. } | LoadError::Linker { .. }
        ),
        "{error}"
    );
    assert!(!error.to_string().ends_with("dlopen failed"), "{error}");
}

#[test]
fn a_library_of_something_else_lacks_the_functions() {
    let libm = [
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/lib64/libm.so.6",
        "/usr/lib/libm.so.6",
    ];
    let Some(libm) = libm.iter().map(Path::new).find(|path| path.exists()) else {
        skipped("no libm.so.6 where it usually is");
        return;
    };
    let error = MdLibrary::open(libm).unwrap_err();
    let sentence = error.to_string();
    assert!(
        matches!(error, LoadError::MissingSymbol { .. }),
        "{sentence}"
    );
    assert!(sentence.contains("GetApiVersion") && sentence.contains("thostmduserapi_se.so"));
}

#[test]
fn the_trader_library_is_not_taken_for_the_market_data_library() {
    for (_, folder) in present(&VENDOR[..1]) {
        let (error, sentence) = refusal(&folder.join("thosttraderapi_se.so"));
        assert!(
            matches!(error, LoadError::MissingSymbol { .. }),
            "{sentence}"
        );
        let error = TdLibrary::open(&folder.join("thostmduserapi_se.so")).unwrap_err();
        assert!(matches!(error, LoadError::MissingSymbol { .. }), "{error}");
    }
}

#[test]
fn a_library_that_was_half_copied_is_refused_and_not_loaded() {
    for (_, folder) in present(&VENDOR[6..]) {
        let whole = std::fs::read(folder.join("thostmduserapi_se.so")).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("thostmduserapi_se.so");
        for part in [whole.len() / 2, whole.len() / 10, 100] {
            std::fs::write(&path, &whole[..part]).unwrap();
            let (error, sentence) = refusal(&path);
            assert!(matches!(error, LoadError::NotLoadable { .. }));
            assert!(sentence.contains("truncated"), "{part}: {sentence}");
        }
    }
}

#[test]
fn a_changed_version_contradicts_the_functions() {
    for (_, folder) in present(&VENDOR[6..]) {
        let mut bytes = std::fs::read(folder.join("thostmduserapi_se.so")).unwrap();
        let (from, to) = (b"v6.7.13_20260225", b"v6.3.15_20260225");
        let mut changed = 0;
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
                changed += 1;
            }
        }
        assert!(changed > 0);
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("thostmduserapi_se.so");
        std::fs::write(&path, &bytes).unwrap();
        let (error, sentence) = refusal(&path);
        assert!(
            matches!(error, LoadError::TablesDisagree { .. }),
            "{sentence}"
        );
        assert!(
            sentence.contains("12") && sentence.contains("13"),
            "{sentence}"
        );
    }
}
