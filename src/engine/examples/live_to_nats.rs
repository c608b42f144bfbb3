//! `cargo run -p tickdeck --example live_to_nats LIBRARY FRONT INSTRUMENT...`
//!
//! Publishes the market data of a CTP front to a NATS server until Ctrl-C, and prints the summary.
//! `LIBRARY` is `thostmduserapi_se.so` or its folder: the broker's, or the simulated one that
//! `cargo xtask sim` builds. `FRONT` is an address such as `tcp://180.168.146.187:10211`. The login
//! comes from `CTP_BROKER_ID`, `CTP_USER_ID` and `CTP_PASSWORD`, the server from the `NATS_`
//! variables, else it is the one of this machine.

#![expect(clippy::print_stdout, reason = "the summary is the result")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tickdeck::control::{Control, signals};
use tickdeck::live::ctp::{CtpLibrary, CtpLogin, Secret};
use tickdeck::live::setup::{FrontSettings, TimeLimits};
use tickdeck::live::{Backoff, Subscription, parse_fronts};
use tickdeck::nats::NatsOptions;
use tickdeck::reference::{Reference, ReferenceOptions};
use tickdeck::session::{LiveNats, LiveSummary};
use tickdeck::source::PayloadSource;
use tickdeck::{PublisherOptions, Session};

/// A front of one account. No output contains the login.
pub(crate) struct Account {
    pub(crate) broker: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) front: String,
}

/// Returns after a stop, when the server has confirmed what it got.
pub(crate) fn publish(
    library: PathBuf,
    account: &Account,
    instruments: Vec<String>,
    nats: NatsOptions,
    control: Arc<Control>,
) -> anyhow::Result<LiveSummary> {
    let reference = Reference::load(&ReferenceOptions::default(), &[])?;
    let publisher = PublisherOptions::new(&reference, PayloadSource::Ctp);
    let server = LiveNats::new(nats);
    let flow = tempfile::tempdir()?;
    let opened = CtpLibrary::open(&library)?;
    let front = settings(library, account, flow.path())?;
    let subscription = Subscription::new(instruments, Vec::new())?;
    let session = Session::ctp("live", publisher, front, opened, subscription);
    Ok(session.nats(server).control(control).run()?)
}

fn settings(library: PathBuf, account: &Account, flow: &Path) -> anyhow::Result<FrontSettings> {
    let login = CtpLogin {
        broker_id: Secret::new(&account.broker),
        user_id: Secret::new(&account.user),
        password: Secret::new(&account.password),
        app_id: Secret::new(""),
        auth_code: Secret::new(""),
        production_keys: true,
    };
    Ok(FrontSettings {
        library,
        login,
        md_fronts: parse_fronts(&account.front)?,
        td_fronts: Vec::new(),
        flow: flow.to_owned(),
        limits: TimeLimits::default(),
        backoff: Backoff::default(),
    })
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(library), Some(front)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: live_to_nats LIBRARY FRONT INSTRUMENT...");
    };
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let account = Account {
        broker: variable("CTP_BROKER_ID")?,
        user: variable("CTP_USER_ID")?,
        password: variable("CTP_PASSWORD")?,
        front,
    };
    let nats = NatsOptions::from_env(|name| std::env::var(name).ok())?;
    let control = Arc::new(Control::new());
    // The exit code of a second Ctrl-C.
    signals::install(&control, 130)?;
    let instruments = arguments.collect();
    let summary = publish(library.into(), &account, instruments, nats, control)?.summary();
    println!("received   {}", summary.received);
    println!("published  {}", summary.published);
    println!("failed     {}", summary.failed);
    println!("digest     {}", summary.digest);
    Ok(())
}
