//! The trader client against every library, as far as that goes without a front.

use serde_json::{Value, json};

use crate::support::peer::{Manners, Peer, STORM};
use crate::support::process;
use crate::support::vendor::{OPENCTP, VENDOR, present};

#[test]
fn every_trader_library_reports_a_loss_and_ends() {
    for (version, folder) in present(&VENDOR) {
        let peer = Peer::new(Manners::Closes);
        let job = json!({
            "verb": "trader",
            "library": folder,
            "front": peer.address(),
            "losses": 1,
            "millis": 100,
            // The connection that is kept may be coming up still.
            "asks": false,
        });
        // A library that connects again at once is ended when the storm is over.
        let connections = if version.waits { 1 } else { STORM + 1 };
        let facts = process::run_until(job, || peer.accepted() >= connections);
        println!("{}: {facts}", version.folder);
        let name = version.folder;
        let (major, minor, patch) = version.numbers;
        assert_eq!(facts["version"], json!([major, minor, patch]));
        let callbacks = facts["callbacks"].as_object().unwrap();
        assert_eq!(
            callbacks.keys().collect::<Vec<_>>(),
            ["disconnected 0x1001"],
            "{name}"
        );
        assert_eq!(facts["released"], Value::Null, "{name}");
        assert_eq!(facts["after"], facts["before"], "{name}: threads and files");
        let has_flag = facts["create"].as_str().unwrap().ends_with("EPKcb");
        assert_eq!(has_flag, version.has_production_flag, "{name}");
    }
}

#[test]
fn no_trader_library_takes_a_request_without_a_connection() {
    for (version, folder) in present(&VENDOR) {
        let peer = Peer::new(Manners::Refuses);
        let facts = process::run(json!({
            "verb": "trader",
            "library": folder,
            "front": peer.address(),
            "millis": 100,
        }));
        let name = version.folder;
        assert_eq!(facts["callbacks"], json!({}), "{name}");
        for answer in facts["requests"].as_array().unwrap() {
            let answer = answer.as_str().unwrap_or_default();
            assert!(answer.contains("not connected"), "{name}: {answer}");
        }
        assert_eq!(facts["released"], Value::Null, "{name}");
    }
}

#[test]
fn the_trader_of_openctp_is_driven_like_the_vendors_library() {
    for (version, folder) in present(&[OPENCTP]) {
        let peer = Peer::new(Manners::Refuses);
        let facts = process::run(json!({
            "verb": "trader",
            "library": folder,
            "front": peer.address(),
            "millis": 300,
            "keeps_something": true,
        }));
        println!("{}: {facts}", version.folder);
        assert_eq!(facts["version"], json!([6, 7, 2]));
        assert_eq!(facts["released"], Value::Null);
    }
}
