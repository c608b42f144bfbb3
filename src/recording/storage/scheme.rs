//! The kinds of object stores, by their URLs.

/// The kinds of object stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `s3://BUCKET/...`
    S3,
    /// `gs://BUCKET/...`
    Gcs,
    /// `az://CONTAINER/...`
    Azure,
}

impl Scheme {
    /// That of a URL; `None` for another one.
    pub(super) fn of(text: &str) -> Option<Self> {
        match text {
            "s3" => Some(Self::S3),
            "gs" => Some(Self::Gcs),
            "az" => Some(Self::Azure),
            _ => None,
        }
    }

    /// The beginning of its URLs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }

    /// The feature of this crate that reads it.
    pub(super) const fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcp",
            Self::Azure => "azure",
        }
    }

    /// Whether this build reads it.
    pub(super) const fn is_built(self) -> bool {
        match self {
            Self::S3 => cfg!(feature = "s3"),
            Self::Gcs => cfg!(feature = "gcp"),
            Self::Azure => cfg!(feature = "azure"),
        }
    }
}
