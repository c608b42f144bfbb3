//! Flags of the verbs that copy recordings between disks and object stores.

use std::path::PathBuf;

use clap::Args;

use super::{CatalogArgs, JsonArgs, values};

/// Flags of `push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The recording: a folder, or the root of a catalogue
    #[arg(value_name = "REC")]
    pub recording: PathBuf,
    /// Where the copy goes: s3://BUCKET/..., gs://BUCKET/..., az://CONTAINER/... or file:///FOLDER
    #[arg(value_name = "URL")]
    pub target: PathBuf,
    /// The same recording, or the sessions of the root.
    #[arg(skip)]
    pub recordings: Vec<PathBuf>,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// URL of the recording, or of the root of a catalogue
    #[arg(value_name = "URL")]
    pub recording: PathBuf,
    /// Folder of the copy, which must be new
    #[arg(value_name = "FOLDER", value_parser = values::parse_new_recording)]
    pub target: PathBuf,
    /// The same recording, or the sessions of the root.
    #[arg(skip)]
    pub recordings: Vec<PathBuf>,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}
