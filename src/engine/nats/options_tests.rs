use super::*;

fn env(pairs: &[(&str, &str)]) -> Result<NatsOptions, NatsError> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    NatsOptions::from_env(move |name| {
        pairs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    })
}

fn message<T: fmt::Debug>(result: Result<T, NatsError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn an_address_is_shown_without_its_login() {
    for (given, shown) in [
        ("localhost", "nats://localhost:4222"),
        ("10.0.0.1:5222", "nats://10.0.0.1:5222"),
        ("nats://me:hunter2@host:1", "nats://host:1"),
        ("tls://hunter2@host", "tls://host:4222"),
        ("nats://[::1]:4223", "nats://[::1]:4223"),
        ("a:1, nats://me:hunter2@b:2", "nats://a:1,nats://b:2"),
    ] {
        let options = NatsOptions::at(given).unwrap();
        assert_eq!(options.servers.to_string(), shown);
        assert!(!format!("{options:?}").contains("hunter2"), "{options:?}");
        assert!(!format!("{:?}", options.plan().unwrap()).contains("hunter2"));
    }
    assert_eq!(Servers::default().to_string(), "nats://127.0.0.1:4222");
}

#[test]
fn a_login_in_the_address_is_decoded_and_used() {
    let plan = NatsOptions::at("nats://me:h%40nter%3A2@host")
        .unwrap()
        .plan()
        .unwrap();
    let Login::User(user, password) = plan.login else {
        panic!("{:?}", plan.login)
    };
    assert_eq!((user.as_str(), password.expose()), ("me", "h@nter:2"));
    let plan = NatsOptions::at("nats://s3cret@host")
        .unwrap()
        .plan()
        .unwrap();
    assert!(matches!(plan.login, Login::Token(token) if token.expose() == "s3cret"));
}

#[test]
fn a_bad_address_is_refused_without_its_login() {
    for bad in [
        "nats://me:hunter2@host:notaport",
        "http://me:hunter2@host",
        "ws://hunter2@host",
        "nats://me:hunter2@",
        "",
        " , ",
    ] {
        let text = message(bad.parse::<Servers>());
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("expected"), "{text}");
    }
}

#[test]
fn two_ways_to_log_in_are_refused_and_both_named() {
    let both = env(&[
        ("NATS_USER", "me"),
        ("NATS_PASSWORD", "hunter2"),
        ("NATS_TOKEN", "t0ken"),
    ]);
    let text = message(both.unwrap().plan());
    assert_eq!(
        text,
        "nats options: two ways to log in, user and password and token: set only one"
    );
    let text = message(
        env(&[("NATS_URL", "nats://a:b@host"), ("NATS_TOKEN", "t0ken")])
            .unwrap()
            .plan(),
    );
    assert!(
        text.contains("token and user and password in the address"),
        "{text}"
    );
}

#[test]
fn half_a_pair_is_refused() {
    for (name, needs) in [
        ("NATS_USER", "NATS_PASSWORD"),
        ("NATS_PASSWORD", "NATS_USER"),
        ("NATS_CERT", "NATS_KEY"),
        ("NATS_KEY", "NATS_CERT"),
    ] {
        let text = message(env(&[(name, "x")]).unwrap().check());
        assert!(text.contains(needs), "{text}");
    }
}

#[test]
fn empty_variables_count_as_unset() {
    let options = env(&[("NATS_URL", ""), ("NATS_USER", ""), ("NATS_TOKEN", "")]).unwrap();
    assert!(matches!(options.plan().unwrap().login, Login::None));
}

#[test]
fn a_missing_file_is_named_and_a_mistyped_seed_is_not() {
    let text = message(
        env(&[("NATS_CREDS", "/nonexistent/me.creds")])
            .unwrap()
            .check(),
    );
    assert!(text.contains("/nonexistent/me.creds"), "{text}");
    let text = message(env(&[("NATS_NKEY", "SUMISTYPED")]).unwrap().check());
    assert!(!text.contains("SUMISTYPED"), "{text}");
}

#[test]
fn an_nkey_is_a_seed_or_a_file_with_one() {
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("# user\n{seed}\n")).unwrap();
    for given in [seed, file.path().to_str().unwrap()] {
        let plan = env(&[("NATS_NKEY", given)]).unwrap().plan().unwrap();
        assert!(matches!(plan.login, Login::Nkey(found) if found.expose() == seed));
    }
}

#[test]
fn a_ca_or_certificate_asks_for_tls() {
    // An authority made for this test; its key is forgotten.
    const CA: &str = concat!(
        "-----BEGIN CERTIFICATE-----\n",
        "MIIBdTCCARugAwIBAgIUW6jwAGzXzasWxp4443MbxjYTS6QwCgYIKoZIzj0EAwIw\n",
        "DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjkwMDU1MTJaGA8yMTI2MTEwNTAwNTUx\n",
        "MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPVn\n",
        "96+l3Ua/zID8YWSRvnv2iCckorAmM/EmOsycyhOTp1qyGVcu7+0/1e/By/EKiY+u\n",
        "WENtU8iYWJUsydwt8GqjUzBRMB0GA1UdDgQWBBTEppoDOCTeXSSAx8WD3qmDk+7X\n",
        "aDAfBgNVHSMEGDAWgBTEppoDOCTeXSSAx8WD3qmDk+7XaDAPBgNVHRMBAf8EBTAD\n",
        "AQH/MAoGCCqGSM49BAMCA0gAMEUCIQDPWUyYFCD5i1yCkkPb0uc+0XxrMZqnAfmK\n",
        "3zmJYDt7yAIgIFCqj+nTGX9ZYy7tw30+rRjsJFbCnGsq/leQFJ97SgY=\n",
        "-----END CERTIFICATE-----\n",
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), CA).unwrap();
    let plan = env(&[("NATS_CA", file.path().to_str().unwrap())])
        .unwrap()
        .plan()
        .unwrap();
    assert!(plan.options.require_tls);
    assert!(!NatsOptions::default().plan().unwrap().options.require_tls);
}

#[test]
fn an_inbox_prefix_is_made_of_plain_words() {
    let check = |prefix: &str| {
        let options = NatsOptions {
            inbox_prefix: Some(prefix.to_owned()),
            ..NatsOptions::default()
        };
        options.check()
    };
    for good in ["_INBOX", "_INBOX_me", "own.answers"] {
        check(good).unwrap();
    }
    for bad in ["a.", ".a", "a..b", "a b", "a.*", ">", "a\n"] {
        let text = message(check(bad));
        assert!(text.contains("is not an inbox prefix"), "{text}");
    }
}

#[test]
fn tls_first_is_read_from_its_variable() {
    for (value, expected) in [
        ("1", true),
        ("true", true),
        ("0", false),
        ("off", false),
        ("", false),
    ] {
        assert_eq!(
            env(&[("NATS_TLS_FIRST", value)]).unwrap().tls_first,
            expected,
            "{value}"
        );
    }
    let text = message(env(&[("NATS_TLS_FIRST", "maybe")]));
    assert!(text.contains("NATS_TLS_FIRST: expected 1, true"), "{text}");
}
