//! The list of quirks that a reader of CTP data must handle.

macro_rules! quirks {
    ($($(#[doc = $doc:literal])+ $name:ident $section:literal;)+) => {
        /// An oddity of CTP data that the `quirks` profile shows at least once, with the section of
        /// the CTP field guide that describes it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Quirk {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Quirk {
            /// Every quirk, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The section of the CTP field guide.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self {
                    $(Self::$name => $section,)+
                }
            }

            /// One line on what is odd.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_start(),)+
                }
            }
        }
    };
}

quirks! {
    /// ExchangeID is empty.
    EmptyExchangeId "5.1";
    /// ExchangeID and ExchangeInstID are filled, as a second-generation front does.
    FilledExchangeId "5.1";
    /// CZCE at night: TradingDay is the natural date, not the trading day.
    CzceNaturalTradingDay "5.1";
    /// DCE at night: ActionDay equals TradingDay.
    DceActionDayIsTradingDay "5.1";
    /// DCE at night, sometimes: ActionDay is the natural date.
    DceNaturalActionDay "5.1";
    /// TradingDay is empty.
    EmptyTradingDay "5.1";
    /// ActionDay is empty on a future.
    EmptyActionDay "5.1";
    /// A CZCE combination without an ActionDay and without statistics.
    EmptyCombination "5.1";
    /// A combination at a negative price.
    NegativePrice "5.1";
    /// DCE and GFEX stamp real milliseconds.
    RealMilliseconds "5.1";
    /// SHFE and INE give five levels, the others DBL_MAX or, on CZCE, 0.0 on levels 2 to 5.
    FiveLevels "5.1";
    /// Locked at the upper limit: no ask, DBL_MAX and 0 lots.
    LockedUp "5.1";
    /// Locked at the lower limit: no bid, DBL_MAX and 0 lots.
    LockedDown "5.1";
    /// Locked at a limit on CZCE: the empty side is 0.0.
    CzceLocked "5.1";
    /// CZCE turnover without the multiplier: AveragePrice times Volume.
    CzceTurnover "5.1";
    /// CZCE turnover with the multiplier (back-ends from 6.7.1).
    CzceTurnoverTimesMultiplier "5.1";
    /// CZCE turnover falls while the volume does not.
    CzceTurnoverFalls "5.1";
    /// CZCE carries ClosePrice and SettlementPrice all day after a night session.
    SettlementFromTheNight "5.1";
    /// LastPrice is DBL_MAX and the book is empty.
    NoPriceNoBook "5.1";
    /// An option that never traded: Volume 0 with quotes.
    QuotedNeverTraded "5.1";
    /// A NaN in a price.
    NotANumber "5.1";
    /// A negative zero.
    NegativeZero "5.1";
    /// An infinite limit price.
    Infinite "5.1";
    /// A denormal price band, left over from uninitialised memory.
    DenormalBand "4.2";
    /// The night runs over midnight.
    OverMidnight "5.2";
    /// UpdateTime is empty.
    EmptyUpdateTime "5.3";
    /// UpdateTime is not a time.
    MalformedUpdateTime "5.3";
    /// CZCE's last night tick again in the morning, stamped with the day's date.
    StaleCzceCopy "5.3";
    /// The same tick twice, equal in every field.
    ExactDuplicate "5.4";
    /// Two different CZCE ticks of one second.
    SameSecond "5.4";
    /// A piece of the night is pushed again in the morning.
    NightReplayed "5.4";
    /// Two ticks of an instrument arrive in the wrong order.
    OutOfOrder "5.4";
    /// Disconnected, connected again, subscribed again, snapshots again.
    Reconnected "5.4";
    /// The auction's result before the open, or at 21:00:00 on SHFE and INE.
    AuctionTick "5.5";
    /// ClosePrice and SettlementPrice are filled after the close.
    SettlementAfterClose "5.5";
    /// Volume grows after the close.
    VolumeAfterClose "5.5";
    /// The evening's initialisation: Volume 0 and an empty book, stamped before the session.
    EveningInitialisation "5.5";
    /// An initialisation tick whose OpenPrice is filled already.
    InitialisedWithOpenPrice "5.4";
    /// A tick stamped outside every session.
    OutOfSession "5.6";
    /// A product that no table knows.
    UnknownProduct "5.7";
    /// An instrument id that is not ASCII, or garbage.
    GarbageId "5.7";
    /// A TAS instrument.
    TasId "5.8";
    /// A monthly-average future.
    MonthlyAverageId "5.8";
    /// An `MS` series option.
    SeriesOptionId "5.8";
}
