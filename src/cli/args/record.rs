//! Flags of `record`.

use clap::Args;
use tickdeck_core::pace::Rate;

use super::{
    FrontArgs, JournalArgs, JsonArgs, NatsArgs, NormalizeArgs, RollArgs, SessionOutputArgs,
    SinkArgs, SourceSpec, StreamArgs, SubscribeArgs, conflict,
};

/// Flags of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// What to record: ctp, recording:PATH or
    /// synthetic:PROFILE[,seed=N][,duration=SPAN][,trading_day=DATE]
    #[arg(long, value_name = "SOURCE")]
    pub source: SourceSpec,
    /// Publish the recorded events, to NATS or to the given sinks
    #[arg(long)]
    pub publish: bool,
    /// Factor of the speed of a synthetic or recorded source, above 0, such as 0.5; or `max` [default:
    /// 1 with --publish, else max]
    #[arg(short, long, visible_alias = "speed", value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Exit with 0 even if no tick is recorded or published
    #[arg(long)]
    pub allow_empty: bool,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: SessionOutputArgs,
    /// When a new segment begins.
    #[command(flatten)]
    pub roll: RollArgs,
    /// How the session is kept safe.
    #[command(flatten)]
    pub journal: JournalArgs,
    /// Where payloads go.
    #[command(flatten)]
    pub sinks: SinkArgs,
    /// The stream of a JetStream sink.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// How ticks become payloads.
    #[command(flatten)]
    pub normalize: NormalizeArgs,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// The front, with `--source ctp`.
    #[command(flatten)]
    pub front: FrontArgs,
    /// The subscription, with `--source ctp`.
    #[command(flatten)]
    pub subscribe: SubscribeArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

impl RecordArgs {
    pub(super) fn check_source(&self) -> Result<(), clap::Error> {
        let is_live = self.source == SourceSpec::Ctp;
        if is_live && self.rate.is_some() {
            return Err(conflict(
                "--source ctp sets the speed itself: leave --rate out",
            ));
        }
        let of_front = [
            (
                "--symbols",
                !self.subscribe.symbols.is_empty(),
                "`slice` cuts a recording",
            ),
            (
                "--duration",
                self.subscribe.duration.is_some(),
                "a market has its own, as in synthetic:quick,duration=10s",
            ),
            ("--env-file", self.front.env_file.is_some(), "leave it out"),
        ];
        if let Some((flag, _, advice)) = of_front.iter().find(|(_, is_given, _)| *is_given)
            && !is_live
        {
            return Err(conflict(&format!("{flag} is for --source ctp; {advice}")));
        }
        Ok(())
    }

    /// The effective speed: the given one, else the recorded speed when publishing, else unlimited.
    #[must_use]
    pub fn effective_rate(&self) -> Rate {
        let default = if self.publish {
            Rate::RECORDED
        } else {
            Rate::Max
        };
        self.rate.unwrap_or(default)
    }
}
