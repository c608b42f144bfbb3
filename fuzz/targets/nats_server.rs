#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tickdeck_fuzz::nats_server(bytes));
