//! The same through Docker: a container made from the server's binary alone.

use std::path::Path;
use std::process::{Command, Stdio};

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::{AsyncBuilder, AsyncRunner};
use testcontainers::{GenericBuildableImage, ImageExt};
use tickdeck::sink::{NatsSink, Sink};

use super::{checked_seq, messages};
use crate::support::nats_client::RawSubscriber;
use crate::support::{nats_server, skipped};

const TEST: &str = "nats in docker";
const COUNT: u64 = 1_000_000;

fn engine_answers() -> bool {
    Command::new("docker")
        .arg("info")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Debian's server needs a C library; an image made of it alone would not start.
fn is_static(binary: &Path) -> bool {
    let bytes = std::fs::read(binary).unwrap();
    !bytes
        .windows(8)
        .take(4096)
        .any(|window| window == b"/ld-linu")
}

#[test]
fn a_server_in_a_container_gets_everything() {
    let Some(binary) = nats_server::binary(TEST) else {
        return;
    };
    if !engine_answers() {
        skipped(TEST, "no container engine answers `docker info`");
        return;
    }
    if !is_static(&binary) {
        skipped(TEST, "the nats-server binary is not statically linked");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let image = GenericBuildableImage::new("tickdeck-test-nats", "latest")
        .with_dockerfile_string(
            "FROM scratch\nCOPY nats-server nats.conf /\nEXPOSE 4222\nENTRYPOINT [\"/nats-server\"]\n",
        )
        .with_data(nats_server::PATIENCE, "./nats.conf")
        .with_file(binary, "./nats-server");
    let container = runtime
        .block_on(async {
            let image = image.build_image().await?;
            image
                .with_exposed_port(4222.tcp())
                .with_wait_for(WaitFor::message_on_stderr("Server is ready"))
                .with_cmd(["--config", "/nats.conf", "--addr", "0.0.0.0"])
                .start()
                .await
        })
        .unwrap();
    let port = runtime
        .block_on(container.get_host_port_ipv4(4222))
        .unwrap();

    let mut subscriber = RawSubscriber::connect(port, "market.tick.>");
    let options = nats_server::options(&format!("nats://127.0.0.1:{port}"));
    let mut sink = Box::new(NatsSink::connect(&options).unwrap());
    // At the same time: the server drops a subscriber that does not read.
    let reader = std::thread::spawn(move || {
        for expected in 0..COUNT {
            let (subject, payload) = subscriber.next().expect("the server is there");
            assert_eq!(checked_seq(&subject, &payload), expected);
        }
    });
    for from in (0..COUNT).step_by(4096) {
        sink.publish(&messages(from, COUNT.min(from + 4096)))
            .unwrap();
    }
    let stats = sink.stats();
    sink.finish().unwrap();
    assert_eq!(stats.confirmed(), COUNT);
    reader.join().unwrap();
    runtime.block_on(container.rm()).unwrap();
}
