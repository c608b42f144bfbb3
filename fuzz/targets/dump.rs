#![no_main]

libfuzzer_sys::fuzz_target!(
    // The Parquet library panics on some damage, which the import catches. A panic that nobody
    // catches still ends the run.
    init: std::panic::set_hook(Box::new(|panic| {
        let file = panic.location().map_or("", |location| location.file());
        if !file.contains("/parquet-") {
            eprintln!("{panic}");
            std::process::abort();
        }
    })),
    |bytes: &[u8]| tickdeck_fuzz::dump(bytes)
);
