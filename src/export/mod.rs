//! Events as CSV and JSONL.
