//! CSV dumps of CTP ticks, in several dialects, as events.
