//! The flags of the verbs that compare.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tickdeck::check::{DEFAULT_DIFFERENCES, Publishing};
use tickdeck::encode::PayloadKind;
use tickdeck::normalize::Flag;
use tickdeck::reference::ReferenceOptions;

use super::catalog::CatalogArgs;
use super::shared::{JsonArgs, NatsArgs};
use super::values;

/// What to do about goldens without a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Unreferenced {
    /// Warn
    #[default]
    Warn,
    /// Fail
    Reject,
}

/// How ticks become payloads, where a golden may set it too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Payload")]
pub struct PublishingArgs {
    /// Payload contract [default: the golden's, or vnpy]
    #[arg(long, value_parser = values::payload_parser())]
    pub payload: Option<PayloadKind>,
    /// Leave out ticks with these flags; comma separated, repeatable [default: the golden's]
    #[arg(long, value_name = "FLAG", value_parser = values::flag_parser(), value_delimiter = ',')]
    pub drop: Vec<Flag>,
    /// First tokens of the subject, before .EXCHANGE.SYMBOL [default: the golden's, or market.tick]
    #[arg(long, value_name = "SUBJECT", value_parser = values::parse_subject_prefix)]
    pub subject_prefix: Option<String>,
    /// Contract file (CSV) that takes precedence over the recording's
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub contracts: Option<PathBuf>,
    /// Trading calendar file instead of the recording's
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// Product table file instead of the built-in one
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub products: Option<PathBuf>,
}

impl PublishingArgs {
    /// How recordings are published. A comparison does not read the environment.
    #[must_use]
    pub fn publishing(&self) -> Publishing<'_> {
        Publishing {
            payload: self.payload,
            subject_prefix: self.subject_prefix.clone(),
            drop: (!self.drop.is_empty()).then(|| self.drop.iter().copied().collect()),
            reference: ReferenceOptions {
                products: self.products.as_deref(),
                contracts: self.contracts.as_deref(),
                exchanges: None,
                calendar: self.calendar.as_deref(),
            },
        }
    }
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Recordings (folders or single segments), captured payload streams (.jsonl, .jsonl.zst) or
    /// jetstream:STREAM; each is checked separately
    #[arg(value_name = "REC", required = true)]
    pub inputs: Vec<PathBuf>,
    /// The golden, or the folder of all goldens [default: NAME.golden.json beside each REC, and
    /// _session=ID.golden.json in a catalogue]
    #[arg(long, value_name = "PATH")]
    pub golden: Option<PathBuf>,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Exit with 0 even if an input publishes no message
    #[arg(long)]
    pub allow_empty: bool,
    /// Accept what is published now: create or rewrite the golden
    #[arg(long, help_heading = "Accepting")]
    pub update: bool,
    /// Accept changes of this field only: rewrite the golden if nothing else differs; repeatable
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Accepting",
        conflicts_with = "update"
    )]
    pub accept_field: Vec<String>,
    /// Keep the payload stream beside the golden up to this many messages, 0 for never
    /// [default: the golden's, or 100000]
    #[arg(
        long,
        hide_short_help = true,
        value_name = "N",
        help_heading = "Accepting"
    )]
    pub stream_limit: Option<u64>,
    /// What to do about goldens without a recording. Looks beside the recordings, in the folder of
    /// all goldens, and with `reject` also beside a named golden
    #[arg(long, value_enum, default_value_t = Unreferenced::Warn)]
    pub unreferenced: Unreferenced,
    /// How ticks become payloads.
    #[command(flatten)]
    pub publishing: PublishingArgs,
    /// Show this many differences in full, 1 or more
    #[arg(long, value_name = "N", default_value_t = DEFAULT_DIFFERENCES, value_parser = values::parse_limit, help_heading = "Output")]
    pub limit: usize,
    /// Write a JUnit XML report
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub junit: Option<PathBuf>,
    /// Write an HTML report, a single self-contained page
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// The server of a jetstream:STREAM.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// What differs on the second side of a comparison.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Second side")]
pub struct SecondSideArgs {
    /// Payload contract of the second side
    #[arg(long, value_parser = values::payload_parser())]
    pub b_payload: Option<PayloadKind>,
    /// Ticks with these flags are left out of the second side; comma separated, repeatable
    #[arg(long, value_name = "FLAG", value_parser = values::flag_parser(), value_delimiter = ',')]
    pub b_drop: Vec<Flag>,
    /// Contract file of the second side
    #[arg(long, value_name = "FILE")]
    pub b_contracts: Option<PathBuf>,
    /// Trading calendar file of the second side
    #[arg(long, value_name = "FILE")]
    pub b_calendar: Option<PathBuf>,
    /// Product table file of the second side
    #[arg(long, value_name = "FILE")]
    pub b_products: Option<PathBuf>,
}

impl SecondSideArgs {
    /// Whether one of the flags is given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let nothing = PublishingArgs::default();
        self.over(&nothing) != nothing
    }

    /// The first side's flags, overridden by these.
    #[must_use]
    pub fn over(&self, first: &PublishingArgs) -> PublishingArgs {
        let path = |second: &Option<PathBuf>, first: &Option<PathBuf>| {
            second.as_ref().or(first.as_ref()).cloned()
        };
        PublishingArgs {
            payload: self.b_payload.or(first.payload),
            drop: match &self.b_drop[..] {
                [] => first.drop.clone(),
                drop => drop.to_vec(),
            },
            subject_prefix: first.subject_prefix.clone(),
            contracts: path(&self.b_contracts, &first.contracts),
            calendar: path(&self.b_calendar, &first.calendar),
            products: path(&self.b_products, &first.products),
        }
    }
}

/// How the first side becomes payloads.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Payload")]
pub struct FirstSideArgs {
    /// Payload contract [default: vnpy]
    #[arg(long, value_parser = values::payload_parser())]
    pub payload: Option<PayloadKind>,
    /// Leave out ticks with these flags; comma separated, repeatable
    #[arg(long, value_name = "FLAG", value_parser = values::flag_parser(), value_delimiter = ',')]
    pub drop: Vec<Flag>,
    /// Contract file (CSV) that takes precedence over the recording's
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub contracts: Option<PathBuf>,
    /// Trading calendar file instead of the recording's
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// Product table file instead of the built-in one
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub products: Option<PathBuf>,
}

impl FirstSideArgs {
    /// Whether one of the flags is given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.publishing() != PublishingArgs::default()
    }

    /// The same without a subject prefix, which would change every message.
    #[must_use]
    pub fn publishing(&self) -> PublishingArgs {
        PublishingArgs {
            payload: self.payload,
            drop: self.drop.clone(),
            subject_prefix: None,
            contracts: self.contracts.clone(),
            calendar: self.calendar.clone(),
            products: self.products.clone(),
        }
    }
}

/// Flags of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A recording, a payload stream (.jsonl, .jsonl.zst) or jetstream:STREAM
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// Another one of the same kind; without it, A is compared with itself as published with the --b-
    /// flags
    #[arg(value_name = "B")]
    pub second: Option<PathBuf>,
    /// Compare published messages instead of raw events
    #[arg(long)]
    pub published: bool,
    /// Leave this field out of the comparison; comma separated, repeatable
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Exit with 0 even if neither side has a message
    #[arg(long)]
    pub allow_empty: bool,
    /// How ticks become payloads.
    #[command(flatten)]
    pub payload: FirstSideArgs,
    /// What differs on the second side.
    #[command(flatten)]
    pub other: SecondSideArgs,
    /// Show this many differences in full, 1 or more
    #[arg(long, value_name = "N", default_value_t = DEFAULT_DIFFERENCES, value_parser = values::parse_limit, help_heading = "Output")]
    pub limit: usize,
    /// The server of a jetstream:STREAM.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}
