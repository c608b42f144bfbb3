//! JSON lines: one event a line, `seq`, `recv_ts` (`recv_ts_derived` where an import derived it), `kind`, then the CTP fields under their names.
//!
//! Non-finite numbers are strings (`"NaN"`, `"inf"`, `"-inf"`), for JSON has no literal for them;
//! `DBL_MAX` is a number. Text is one character a byte (U+0000 to U+00FF), as in a recording.

use std::io::{self, Write};

use tickdeck_core::event::{Event, EventKind, RawTick};
use tickdeck_core::printable::{is_hidden, printable};
use tickdeck_core::source::ReceiveTimes;

use crate::export::value::{push_finite, push_int, push_latin1, push_non_finite};

/// Writes events as JSON lines.
#[derive(Debug)]
pub struct JsonlWriter<W: Write> {
    out: W,
    recv_ts: &'static str,
    lines: Vec<u8>,
}

macro_rules! push_field {
    (text $out:expr, $value:expr) => {
        push_text($out, $value.as_bytes())
    };
    (f64 $out:expr, $value:expr) => {
        push_number($out, $value)
    };
    (i32 $out:expr, $value:expr) => {
        push_int($out, $value)
    };
}

macro_rules! push_fields {
    (($out:ident, $tick:ident) $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        $(
            $out.extend_from_slice(concat!(",\"", stringify!($vendor), "\":").as_bytes());
            push_field!($kind $out, $tick.$name);
        )*
    };
}

impl<W: Write> JsonlWriter<W> {
    /// A writer that has written nothing yet. The name of the receive time says what it is worth.
    pub fn new(out: W, receive_times: ReceiveTimes) -> Self {
        Self {
            out,
            recv_ts: receive_times.column(),
            lines: Vec::new(),
        }
    }

    /// Writes one line an event.
    ///
    /// # Errors
    /// When the writer fails; lines before the failure may be written.
    pub fn write(&mut self, events: &[Event]) -> io::Result<()> {
        self.lines.clear();
        for event in events {
            push_event(&mut self.lines, self.recv_ts, event);
        }
        self.out.write_all(&self.lines)
    }

    /// Hands everything to the reader of the output.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Flushes and returns the writer.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn push_event(out: &mut Vec<u8>, recv_ts: &str, event: &Event) {
    out.extend_from_slice(b"{\"seq\":");
    push_int(out, event.seq.0);
    out.extend_from_slice(b",\"");
    out.extend_from_slice(recv_ts.as_bytes());
    out.extend_from_slice(b"\":");
    push_int(out, event.recv_ts.0);
    out.extend_from_slice(b",\"kind\":\"");
    out.extend_from_slice(event.kind_name().as_bytes());
    out.push(b'"');
    match &event.kind {
        EventKind::Tick(tick) => push_tick(out, tick),
        EventKind::Session(session) => {
            out.extend_from_slice(b",\"detail\":");
            out.extend_from_slice(printable(&session.detail()).as_bytes());
        }
    }
    out.extend_from_slice(b"}\n");
}

fn push_tick(out: &mut Vec<u8>, tick: &RawTick) {
    tickdeck_ffi::for_each_tick_field!(push_fields, out, tick);
}

fn push_number(out: &mut Vec<u8>, value: f64) {
    if push_finite(out, value).is_none() {
        out.push(b'"');
        push_non_finite(out, value);
        out.push(b'"');
    }
}

fn push_text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            // Hidden characters, which could act on a terminal.
            byte if is_hidden(char::from(*byte)) => {
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            }
            _ => push_latin1(out, *byte),
        }
    }
    out.push(b'"');
}
