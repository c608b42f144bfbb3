//! Where something is: a path of the local file system, or the URL of an object store.
//!
//! A URL passes through the program as a path, `s3://bucket/name`, so that everything that names a file
//! names its URL. Here it meets the storage that reads it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "object-store")]
use super::object::ObjectStorage;
use super::scheme::Scheme;
use super::{Storage, local};

/// Separates the scheme of a URL from the rest.
const AFTER_SCHEME: &str = "://";

/// A URL cannot be used. None of these shows more of a URL than its scheme and bucket: the rest may hold
/// a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// No storage has such URLs.
    #[error("{scheme}:// is not supported: expected s3://, gs://, az://, file:/// or a path")]
    Scheme {
        /// What precedes `://`.
        scheme: String,
    },
    /// There is a user name or a password, or something that may be a signature.
    #[error(
        "a {scheme}:// URL may hold neither credentials (`@`) nor a query (`?`, `#`): credentials come \
         from the environment"
    )]
    Credentials {
        /// What precedes `://`.
        scheme: String,
    },
    /// The bucket is missing, or a part of the path is not a name.
    #[error("{scheme}:// must be followed by {expected}")]
    Malformed {
        /// What precedes `://`.
        scheme: String,
        /// What a URL of this scheme has there.
        expected: &'static str,
    },
    /// The program was built without it.
    #[error("this build does not read {scheme}:// URLs: build it with the feature `{feature}`")]
    NotBuilt {
        /// What precedes `://`.
        scheme: &'static str,
        /// The feature to build with.
        feature: &'static str,
    },
    /// The settings in the environment are not usable.
    #[error("{bucket} cannot be reached with the settings in the environment")]
    Settings {
        /// The beginning of the URL.
        bucket: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
}

/// A place and the storage that has it.
#[derive(Debug, Clone)]
pub struct Location {
    /// The storage.
    pub storage: Arc<dyn Storage>,
    /// The path in it. That of an object store is its URL.
    pub path: PathBuf,
}

/// Whether a path is written as a URL: a scheme, and `://` behind it.
#[must_use]
pub fn is_url(path: &Path) -> bool {
    scheme_and_rest(path).is_some()
}

/// Splits a URL; `None` for a path.
fn scheme_and_rest(path: &Path) -> Option<(&str, &str)> {
    let (scheme, rest) = path.to_str()?.split_once(AFTER_SCHEME)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

impl Location {
    /// The place that a path or a URL names. Nothing is requested from a server yet.
    ///
    /// Settings and credentials of an object store come from the environment, by the names that the
    /// `object_store` crate gives them: `AWS_*`, `GOOGLE_*`, `AZURE_*`.
    ///
    /// # Errors
    /// When a URL is of another kind, holds credentials, or cannot be used with these settings.
    pub fn of(path: &Path) -> Result<Self, LocationError> {
        match parse(path)? {
            Parsed::Local(path) => Ok(Self {
                storage: local(),
                path,
            }),
            Parsed::Remote {
                kind,
                bucket,
                names,
            } => connect(kind, &bucket, &names),
        }
    }
}

/// A path or URL by its form.
#[derive(Debug)]
enum Parsed {
    Local(PathBuf),
    Remote {
        kind: Scheme,
        bucket: String,
        names: Vec<String>,
    },
}

/// Refuses a URL by its form, without settings of its store.
///
/// # Errors
/// When it is of another kind, holds credentials, or is not whole.
pub fn check_url(path: &Path) -> Result<(), LocationError> {
    parse(path).map(drop)
}

fn parse(path: &Path) -> Result<Parsed, LocationError> {
    let Some((scheme, rest)) = scheme_and_rest(path) else {
        return Ok(Parsed::Local(path.to_owned()));
    };
    let scheme_name = || scheme.to_owned();
    if scheme == "file" {
        let malformed = LocationError::Malformed {
            scheme: scheme_name(),
            expected: "an absolute path, as in file:///data/recordings",
        };
        let path = rest.strip_prefix("localhost").unwrap_or(rest);
        return match path.starts_with('/') {
            true => Ok(Parsed::Local(path.into())),
            false => Err(malformed),
        };
    }
    let Some(kind) = Scheme::of(scheme) else {
        let scheme = scheme_name();
        return Err(LocationError::Scheme { scheme });
    };
    if rest.contains(['@', '?', '#']) {
        let scheme = scheme_name();
        return Err(LocationError::Credentials { scheme });
    }
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let names: Vec<&str> = key.split('/').filter(|name| !name.is_empty()).collect();
    let is_name = |name: &&str| *name != "." && *name != "..";
    if bucket.is_empty() || !names.iter().all(is_name) {
        return Err(LocationError::Malformed {
            scheme: scheme_name(),
            expected: "a bucket and names, as in s3://bucket/recordings",
        });
    }
    Ok(Parsed::Remote {
        kind,
        bucket: bucket.to_owned(),
        names: names.into_iter().map(str::to_owned).collect(),
    })
}

/// The storage of a bucket.
fn connect(scheme: Scheme, bucket: &str, names: &[String]) -> Result<Location, LocationError> {
    if !scheme.is_built() {
        return Err(LocationError::NotBuilt {
            scheme: scheme.as_str(),
            feature: scheme.feature(),
        });
    }
    let base = format!("{}{AFTER_SCHEME}{bucket}", scheme.as_str());
    let path = match names {
        [] => base.clone().into(),
        names => format!("{base}/{}", names.join("/")).into(),
    };
    storage_of(scheme, bucket, base).map(|storage| Location { storage, path })
}

#[cfg(feature = "object-store")]
fn storage_of(
    scheme: Scheme,
    bucket: &str,
    base: String,
) -> Result<Arc<dyn Storage>, LocationError> {
    match ObjectStorage::connect(scheme, bucket, &base) {
        Ok(storage) => Ok(Arc::new(storage)),
        Err(source) => Err(LocationError::Settings {
            bucket: base,
            source,
        }),
    }
}

#[cfg(not(feature = "object-store"))]
fn storage_of(scheme: Scheme, _: &str, _: String) -> Result<Arc<dyn Storage>, LocationError> {
    Err(LocationError::NotBuilt {
        scheme: scheme.as_str(),
        feature: scheme.feature(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Location::of(Path::new(url)).unwrap_err().to_string()
    }

    #[test]
    fn paths_and_file_urls_are_local() {
        for (given, path) in [
            ("recordings/quick", "recordings/quick"),
            ("/data/a:b", "/data/a:b"),
            ("file:///data/rec", "/data/rec"),
            ("file://localhost/data/rec", "/data/rec"),
        ] {
            let location = Location::of(Path::new(given)).unwrap();
            assert_eq!(location.path, Path::new(path));
            assert!(!location.storage.is_remote());
        }
        assert!(!is_url(Path::new("1a://x")) && !is_url(Path::new("a/b://c")));
    }

    #[test]
    fn other_urls_are_refused_with_what_is_expected() {
        for (url, reason) in [
            (
                "http://host/rec",
                "http:// is not supported: expected s3://",
            ),
            ("S3://bucket/rec", "S3:// is not supported"),
            (
                "file://host/rec",
                "file:// must be followed by an absolute path",
            ),
            ("s3://", "s3:// must be followed by a bucket"),
            ("s3://bucket/a/../b", "s3:// must be followed by a bucket"),
        ] {
            assert!(refused(url).contains(reason), "{url}: {}", refused(url));
        }
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_shown() {
        for url in [
            "s3://AKIAMARK:marked-secret@bucket/rec",
            "gs://marked-secret@bucket/rec",
            "az://container/rec?sig=marked-secret",
            "s3://bucket/rec#marked-secret",
        ] {
            let reason = refused(url);
            assert!(reason.contains("credentials"), "{reason}");
            assert!(!reason.contains("marked-secret"), "{reason}");
        }
    }
}
