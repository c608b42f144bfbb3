//! `health.check` is answered by a session, for any client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck::nats::{
    HEALTH_SUBJECT, HealthOptions, HealthResponder, NatsError, NatsFailure, count_subscribers,
    request_health,
};

use crate::support::nats_server::NatsServer;
use crate::support::wait_until;

const TIMEOUT: Duration = Duration::from_secs(60);

#[test]
fn a_health_answer_has_the_current_state() {
    let Some(mut server) = NatsServer::start("a health request") else {
        return;
    };
    let published = Arc::new(AtomicU64::new(41));
    let counter = Arc::clone(&published);
    let responder = HealthResponder::start(
        &server.options(),
        &HealthOptions::default(),
        Box::new(move || json!({"session": "s1", "published": counter.load(Ordering::SeqCst)})),
    )
    .unwrap();
    let ask = |server: &NatsServer| {
        let answer = request_health(&server.options(), HEALTH_SUBJECT, TIMEOUT);
        answer.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let expected = |published: u64| {
        json!({
            "status": "ok", "service": "tickdeck", "version": env!("CARGO_PKG_VERSION"),
            "session": "s1", "published": published,
        })
    };
    assert_eq!(ask(&server).unwrap(), expected(41));
    published.store(42, Ordering::SeqCst);
    assert_eq!(ask(&server).unwrap(), expected(42));

    server.restart();
    wait_until("the responder returns", || ask(&server).is_ok());

    responder.stop();
    // The server may accept a request before it has noticed that the responder is gone.
    wait_until("the server has seen it", || {
        count_subscribers(&server.options(), HEALTH_SUBJECT).unwrap() == 0
    });
    let error = ask(&server).unwrap_err();
    assert!(
        matches!(
            &error,
            NatsError::Server {
                failure: NatsFailure::NoResponders { subject },
                ..
            } if subject == HEALTH_SUBJECT
        ),
        "{error}"
    );
    assert!(error.to_string().contains("no responder on `health.check`"));
}

#[test]
fn the_subject_can_be_chosen() {
    let Some(server) = NatsServer::start("a health subject") else {
        return;
    };
    let options = HealthOptions {
        subject: "desk.7.health".to_owned(),
    };
    let _responder =
        HealthResponder::start(&server.options(), &options, Box::new(|| json!({}))).unwrap();
    assert!(request_health(&server.options(), "desk.7.health", TIMEOUT).is_ok());
    assert!(request_health(&server.options(), HEALTH_SUBJECT, TIMEOUT).is_err());
}
