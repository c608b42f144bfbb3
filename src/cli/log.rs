//! Log lines on stderr, as text or as JSON.
//!
//! The JSON form is part of the contract: one flat object per line, `timestamp`, `level` and
//! `event` first, then the event's fields in the order of the code. The name of an event is its
//! field `event`; a line with a message only has the message as its name:
//!
//! ```
//! tracing::info!(event = "publish_progress", published = 10_000, rate = 5_012.5);
//! ```
//!
//! Fields of spans are not written. Callers keep secrets out: the types of secrets print a mask.

mod writer;

use std::fmt;
use std::io;

use anyhow::Context as _;
use chrono::SecondsFormat;
use indicatif::MultiProgress;
use serde_json::Value;
use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::system_wall;
use tickdeck_core::printable::{is_hidden, printable, printable_value};
use tickdeck_core::time::UnixNanos;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::registry::LookupSpan;

use super::args::{LogArgs, LogFormat};
use super::hints::Hints;
use writer::LogWriter;
pub(super) use writer::{FlushedLog, WhenFull, flush, print};

/// Tickdeck's events, and the warnings of libraries. Tickdeck logs the state of NATS connections
/// itself, so the NATS client's lines are off.
const DEFAULT_FILTER: &str = "warn,tickdeck=info,async_nats=off";
/// The filter of `--quiet`.
const QUIET_FILTER: &str = "warn,async_nats=off";
/// The filter of `-v`.
const VERBOSE_FILTER: &str = "info,tickdeck=debug,async_nats=off";
/// The filter of `-vv`.
const TRACE_FILTER: &str = "debug,tickdeck=trace,async_nats=off";
/// Keys that a field of an event cannot take.
const RESERVED: [&str; 3] = ["timestamp", "level", "event"];

/// Sends the process's log to stderr. `env_filter` is the value of `RUST_LOG`: `--log-level`
/// overrides it, and it overrides `--quiet`. Lines and the bars of `bars` do not overwrite each
/// other.
///
/// # Errors
/// When `env_filter` is not a filter, a log is set up already, or no thread can be started.
pub(super) fn init(
    args: &LogArgs,
    env_filter: Option<&str>,
    colour: bool,
    bars: &MultiProgress,
    hints: &Hints,
    when_full: WhenFull,
) -> anyhow::Result<()> {
    let filter = filter(args, env_filter)?;
    let format = args.log_format;
    let colour = colour && format == LogFormat::Text;
    let stderr = Stderr { bars: bars.clone() };
    let writer = LogWriter::start(stderr, when_full, move |count| {
        lost_line(format, colour, count)
    })
    .context("starting the thread of the log")?;
    let handle = writer.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        // Printing the error would panic when stderr cannot be written.
        .log_internal_errors(false)
        .with_writer(move || handle.clone())
        .event_format(Line {
            format,
            hints: hints.clone(),
        })
        .try_init()
        .map_err(|error| anyhow::anyhow!("setting up the log: {error}"))?;
    writer::keep(writer);
    Ok(())
}

/// The line in place of lost lines.
fn lost_line(format: LogFormat, colour: bool, count: u64) -> String {
    let fields = Fields {
        event: Some("log_lines_lost".into()),
        message: None,
        rest: vec![("lines", count.into())],
    };
    match format {
        LogFormat::Json => json_line(system_wall(), Level::WARN, fields),
        LogFormat::Text => text_line(system_wall(), Level::WARN, fields, colour),
    }
}

fn filter(args: &LogArgs, env_filter: Option<&str>) -> anyhow::Result<EnvFilter> {
    let fallback = if args.quiet {
        QUIET_FILTER
    } else {
        DEFAULT_FILTER
    };
    let flag = match args.verbose {
        0 => args.log_level.as_deref(),
        1 => Some(VERBOSE_FILTER),
        _ => Some(TRACE_FILTER),
    };
    let env_filter = env_filter.filter(|filter| !filter.is_empty());
    let directives = flag.or(env_filter).unwrap_or(fallback);
    EnvFilter::try_new(directives).with_context(|| format!("RUST_LOG `{directives}`"))
}

/// The value of `timestamp`: Asia/Shanghai like everything that is published, milliseconds.
fn timestamp(at: UnixNanos) -> String {
    at.to_shanghai()
        .to_rfc3339_opts(SecondsFormat::Millis, false)
}

/// The fields of one event, in order.
#[derive(Debug, Default)]
struct Fields {
    event: Option<String>,
    message: Option<String>,
    rest: Vec<(&'static str, Value)>,
}

impl Fields {
    fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    /// Continues the message with the hint for its event, if there is one.
    fn add_hint(&mut self, hints: &Hints) {
        if let (Some(event), Some(message)) = (&self.event, &mut self.message)
            && let Some(hint) = hints.of_event(event, &self.rest)
        {
            message.push_str(hint);
        }
    }

    /// The name, and the fields for the line's body.
    fn into_parts(self) -> (String, Vec<(&'static str, Value)>) {
        let mut body = Vec::with_capacity(self.rest.len() + 1);
        let name = match (self.event, self.message) {
            (Some(event), Some(message)) => {
                body.push(("message", Value::String(message)));
                event
            }
            (Some(name), None) | (None, Some(name)) => name,
            (None, None) => "log".to_owned(),
        };
        body.extend(self.rest);
        (name, body)
    }

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("event", Value::String(event)) => self.event = Some(event),
            ("message", Value::String(message)) => self.message = Some(message),
            (name, value) if !RESERVED.contains(&name) => self.rest.push((name, value)),
            // A non-text `event` or a reserved key would make the object ambiguous.
            ("event", value) => self.event = Some(value.to_string()),
            ("timestamp", value) => self.rest.push(("field_timestamp", value)),
            (_, value) => self.rest.push(("field_level", value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity: those become null.
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, with_causes(value).into());
    }
}

/// One line per event.
struct Line {
    format: LogFormat,
    hints: Hints,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (level, mut fields) = (*event.metadata().level(), Fields::of(event));
        fields.add_hint(&self.hints);
        let line = match self.format {
            LogFormat::Json => json_line(system_wall(), level, fields),
            LogFormat::Text => text_line(system_wall(), level, fields, writer.has_ansi_escapes()),
        };
        writer.write_str(&line)
    }
}

/// The JSON line of an error that ends the process. No filter applies: the reason of a failure is
/// always shown. `messages` are that of the error and those of its causes.
pub(super) fn error_line(messages: &[String], exit_code: u8) -> String {
    let (error, causes) = match messages {
        [error, causes @ ..] => (error.as_str(), causes.join(": ")),
        [] => ("", String::new()),
    };
    let fields = Fields {
        event: Some("error".into()),
        message: None,
        rest: vec![
            ("error", error.into()),
            ("caused_by", causes.into()),
            ("exit_code", exit_code.into()),
        ],
    };
    json_line(system_wall(), Level::ERROR, fields)
}

/// One flat object.
fn json_line(at: UnixNanos, level: Level, fields: Fields) -> String {
    let (name, body) = fields.into_parts();
    let quoted = |text: &str| Value::from(text).to_string();
    let mut line = format!(
        r#"{{"timestamp":"{}","level":"{level}","event":{}"#,
        timestamp(at),
        quoted(&name)
    );
    for (key, value) in body {
        line.push_str(&format!(",{}:{value}", quoted(key)));
    }
    line.push_str("}\n");
    printable(&line).into_owned()
}

/// `timestamp LEVEL event key=value …`, one line whatever the values hold.
fn text_line(at: UnixNanos, level: Level, fields: Fields, colour: bool) -> String {
    let (name, body) = fields.into_parts();
    let mut line = timestamp(at);
    if colour {
        let code = level_colour(level);
        line.push_str(&format!(" \u{1b}[{code}m{level:<5}\u{1b}[0m "));
    } else {
        line.push_str(&format!(" {level:<5} "));
    }
    line.push_str(&printable_value(&name));
    for (key, value) in body {
        match value {
            Value::String(text) if needs_quotes(&text) => {
                line.push_str(&format!(" {key}={text:?}"));
            }
            Value::String(text) => line.push_str(&format!(" {key}={text}")),
            value => line.push_str(&printable_value(&format!(" {key}={value}"))),
        }
    }
    line.push('\n');
    line
}

/// ANSI colours: red, yellow, green, blue, grey.
const fn level_colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "90",
    }
}

fn needs_quotes(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || is_hidden(c) || c == '"' || c == '=';
    text.is_empty() || text.contains(odd)
}

/// Stderr, with the progress bars out of the way while a line is written.
struct Stderr {
    bars: MultiProgress,
}

impl io::Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixNanos = UnixNanos(1_767_574_800_500_000_000);

    fn fields() -> Fields {
        Fields {
            event: Some("ctp_retry".into()),
            message: None,
            rest: vec![
                ("attempt", 3.into()),
                ("reason", "front \"A\"\nis away".into()),
                ("next_backoff", 2.5.into()),
                ("session", "s1".into()),
            ],
        }
    }

    #[test]
    fn a_json_line_is_a_flat_object_in_the_order_of_the_code() {
        assert_eq!(
            json_line(AT, Level::WARN, fields()),
            concat!(
                r#"{"timestamp":"2026-01-05T09:00:00.500+08:00","level":"WARN","event":"ctp_retry","#,
                r#""attempt":3,"reason":"front \"A\"\nis away","next_backoff":2.5,"session":"s1"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_text_line_is_one_line() {
        assert_eq!(
            text_line(AT, Level::WARN, fields(), false),
            concat!(
                "2026-01-05T09:00:00.500+08:00 WARN  ctp_retry attempt=3 ",
                "reason=\"front \\\"A\\\"\\nis away\" next_backoff=2.5 session=s1\n"
            )
        );
        let message = Fields {
            message: Some("a\u{1b}[31m\nb".into()),
            ..Fields::default()
        };
        let line = text_line(AT, Level::INFO, message, true);
        assert!(
            line.ends_with("\u{1b}[32mINFO \u{1b}[0m a\\u001b[31m\\u000ab\n"),
            "{line:?}"
        );
    }

    /// What the real subscriber writes for the events of `emit`.
    fn written(emit: impl FnOnce()) -> Vec<Value> {
        #[derive(Clone, Default)]
        struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl io::Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let shared = Shared::default();
        let writer = shared.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Line {
                format: LogFormat::Json,
                hints: Hints::default(),
            })
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, emit);
        let bytes = shared.0.lock().unwrap().clone();
        let lines = std::str::from_utf8(&bytes).unwrap().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn events_come_out_with_their_types_and_names() {
        let lines = written(|| {
            let error = anyhow::anyhow!("refused").context("connecting");
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            tracing::info!(event = "nats_connected", server = %"h:4222", tls = false, n = 7_u64);
            tracing::warn!("just {}", "words");
            tracing::error!(event = "x", error, rate = f64::NAN, level = 3, "said");
        });
        assert_eq!(lines[0]["event"], "nats_connected");
        assert_eq!(lines[0]["server"], "h:4222");
        assert_eq!(
            (&lines[0]["tls"], &lines[0]["n"]),
            (&false.into(), &7.into())
        );
        assert_eq!(lines[1]["event"], "just words");
        assert_eq!(lines[1].as_object().unwrap().len(), 3);
        assert_eq!(lines[2]["error"], "connecting: refused");
        assert_eq!(
            (&lines[2]["level"], &lines[2]["message"]),
            (&"ERROR".into(), &"said".into())
        );
        assert_eq!(
            (&lines[2]["rate"], &lines[2]["field_level"]),
            (&Value::Null, &3.into())
        );
    }

    #[test]
    fn the_flag_overrides_the_environment_and_quiet() {
        let args = |log_level: Option<&str>, quiet| LogArgs {
            log_format: LogFormat::Text,
            log_level: log_level.map(Into::into),
            verbose: 0,
            no_progress: false,
            quiet,
        };
        let shown = |args: &LogArgs, env| filter(args, env).unwrap().to_string();
        assert_eq!(shown(&args(Some("debug"), true), Some("error")), "debug");
        assert_eq!(shown(&args(None, true), Some("error")), "error");
        let verbose = LogArgs {
            verbose: 1,
            ..args(None, false)
        };
        let debug = "async_nats=off,tickdeck=debug,info";
        assert_eq!(shown(&verbose, Some("error")), debug);
        assert_eq!(shown(&args(None, true), Some("")), "async_nats=off,warn");
        assert_eq!(
            shown(&args(None, false), None),
            "async_nats=off,tickdeck=info,warn"
        );
        assert!(filter(&args(None, false), Some("tickdeck=loud")).is_err());
    }
}
