//! Where the server is and how to log in: explicit values or environment variables, checked before
//! anything is sent.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use async_nats::ServerAddr;
use async_nats::rustls::RootCertStore;
use async_nats::rustls::pki_types::pem::PemObject as _;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tickdeck_core::switch::parse_switch;

use super::{NatsError, Secret, SubjectPattern};

/// Server addresses of one cluster. User information is removed from a URL when it is parsed, so
/// that the addresses can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    addresses: Vec<ServerAddr>,
    login: Option<UrlLogin>,
}

/// What precedes the `@` of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
enum UrlLogin {
    User(String, Secret),
    Token(Secret),
}

impl Default for Servers {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant that a test parses")]
        Self::from_str("nats://127.0.0.1:4222").expect("the default address is valid")
    }
}

impl FromStr for Servers {
    type Err = NatsError;

    /// Parses `host`, `host:port`, `nats://[user:password@]host:port` or `tls://…`, several
    /// separated by commas.
    fn from_str(text: &str) -> Result<Self, NatsError> {
        let mut servers = Self {
            addresses: Vec::new(),
            login: None,
        };
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            servers.add(part)?;
        }
        if servers.addresses.is_empty() {
            return Err(NatsError::Config(
                "no server address given; expected for example nats://127.0.0.1:4222".to_owned(),
            ));
        }
        Ok(servers)
    }
}

impl Servers {
    fn add(&mut self, part: &str) -> Result<(), NatsError> {
        let invalid = || {
            NatsError::Config(format!(
                "`{}` is not a server address; expected for example nats://127.0.0.1:4222 or tls://host:4222",
                without_login(part)
            ))
        };
        let address = ServerAddr::from_str(part).map_err(|_| invalid())?;
        if address.is_websocket() || address.host().is_empty() {
            return Err(invalid());
        }
        let login = match (address.username(), address.password()) {
            (Some(user), Some(password)) => Some(UrlLogin::User(
                percent_decoded(user),
                Secret::new(percent_decoded(password)),
            )),
            (Some(token), None) => Some(UrlLogin::Token(Secret::new(percent_decoded(token)))),
            (None, _) => None,
        };
        let mut url = address.into_inner();
        // Both fail only for URLs without a host, which are refused above.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let address = ServerAddr::from_url(url).map_err(|_| invalid())?;
        if login.is_some() && self.login.is_some() && login != self.login {
            return Err(NatsError::Config(
                "the server addresses carry different credentials; give them once".to_owned(),
            ));
        }
        self.login = self.login.take().or(login);
        self.addresses.push(address);
        Ok(())
    }
}

impl fmt::Display for Servers {
    /// The addresses without user information, separated by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, address) in self.addresses.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (host, port) = (address.host(), address.port());
            let scheme = address.scheme();
            if host.contains(':') {
                write!(f, "{comma}{scheme}://[{host}]:{port}")?;
            } else {
                write!(f, "{comma}{scheme}://{host}:{port}")?;
            }
        }
        Ok(())
    }
}

/// Everything up to the last `@` of the authority replaced by a mask.
fn without_login(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.find("://").map_or("", |at| &before[..at + 3]);
            format!("{scheme}***@{host}")
        }
        None => text.to_owned(),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high * 16 + low);
            rest = after;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How to reach a NATS server. At most one way to log in may be set; [`Default`] is a local server
/// without login.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// Server addresses; `NATS_URL`.
    pub servers: Servers,
    /// User name, with `password`; `NATS_USER`.
    pub user: Option<String>,
    /// Password of `user`; `NATS_PASSWORD`.
    pub password: Option<Secret>,
    /// Login token; `NATS_TOKEN`.
    pub token: Option<Secret>,
    /// Credentials file (JWT and seed, as `nsc` writes it); `NATS_CREDS`.
    pub creds: Option<PathBuf>,
    /// An nkey user seed (`SU…`), or the path of a file that holds one; `NATS_NKEY`.
    pub nkey: Option<Secret>,
    /// PEM file with the CA that signed the server's certificate; `NATS_CA`. Without it the
    /// system's roots are used.
    pub ca: Option<PathBuf>,
    /// PEM file with this client's certificate, with `key`; `NATS_CERT`.
    pub cert: Option<PathBuf>,
    /// PEM file with the key of `cert`; `NATS_KEY`.
    pub key: Option<PathBuf>,
    /// Refuses a server without TLS. Implied by a `tls://` address; `ca` or `cert` set it as well.
    pub require_tls: bool,
    /// Begins with TLS instead of waiting for the server's greeting, as a server with
    /// `handshake_first` requires; `NATS_TLS_FIRST`. Implies TLS.
    pub tls_first: bool,
    /// Name that the server's monitoring shows.
    pub name: String,
    /// How long a server may be unreachable at the start. Default 10 s.
    pub connect_timeout: Duration,
    /// How long a server may be unreachable after the first connection. `None`, the default, waits
    /// without limit.
    pub reconnect_timeout: Option<Duration>,
    /// First part of the subjects on which answers arrive; `NATS_INBOX_PREFIX`. Default `_INBOX`;
    /// accounts with narrow permissions need another one.
    pub inbox_prefix: Option<String>,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            servers: Servers::default(),
            user: None,
            password: None,
            token: None,
            creds: None,
            nkey: None,
            ca: None,
            cert: None,
            key: None,
            require_tls: false,
            tls_first: false,
            name: "tickdeck".to_owned(),
            connect_timeout: Duration::from_secs(10),
            reconnect_timeout: None,
            inbox_prefix: None,
        }
    }
}

/// The one way to log in that was chosen.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    None,
    User(String, Secret),
    Token(Secret),
    /// The content of a credentials file.
    Creds(Secret),
    /// An nkey seed.
    Nkey(Secret),
}

/// Checked options: no contradiction, every file read once.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) addresses: Vec<ServerAddr>,
    /// The addresses as they may be shown.
    pub(crate) shown: String,
    pub(crate) login: Login,
    pub(crate) options: NatsOptions,
    /// Whether a server that allows no further connection is not waited for.
    pub(crate) is_auxiliary: bool,
    /// Whether the same was connected before: not logged again.
    pub(crate) is_repeated: bool,
}

impl NatsOptions {
    /// Options for one address, everything else by default.
    ///
    /// # Errors
    /// When `address` is not a server address.
    pub fn at(address: &str) -> Result<Self, NatsError> {
        Ok(Self {
            servers: address.parse()?,
            ..Self::default()
        })
    }

    /// Reads the `NATS_…` variables through `lookup`, so that only the caller touches the
    /// environment. An empty value counts as unset.
    ///
    /// # Errors
    /// When `NATS_URL` is not a server address, or `NATS_TLS_FIRST` neither yes nor no.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, NatsError> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let path = |name: &str| get(name).map(PathBuf::from);
        let servers = match get("NATS_URL") {
            Some(url) => url.parse()?,
            None => Servers::default(),
        };
        let tls_first = get("NATS_TLS_FIRST").map(|value| parse_switch(&value));
        let tls_first = tls_first
            .transpose()
            .map_err(|error| NatsError::Config(format!("NATS_TLS_FIRST: {error}")))?;
        Ok(Self {
            servers,
            user: get("NATS_USER"),
            password: get("NATS_PASSWORD").map(Secret::new),
            token: get("NATS_TOKEN").map(Secret::new),
            creds: path("NATS_CREDS"),
            nkey: get("NATS_NKEY").map(Secret::new),
            ca: path("NATS_CA"),
            cert: path("NATS_CERT"),
            key: path("NATS_KEY"),
            tls_first: tls_first.unwrap_or_default(),
            inbox_prefix: get("NATS_INBOX_PREFIX"),
            ..Self::default()
        })
    }

    /// Checks that the options can be used together and that the files they name can be read.
    ///
    /// # Errors
    /// When they cannot; the message names the conflicting options or the file.
    pub fn check(&self) -> Result<(), NatsError> {
        self.plan().map(drop)
    }

    pub(crate) fn plan(&self) -> Result<Plan, NatsError> {
        if self.cert.is_some() != self.key.is_some() {
            return Err(NatsError::Config(
                "a client certificate needs its key: set both NATS_CERT and NATS_KEY, or neither"
                    .to_owned(),
            ));
        }
        for file in [&self.ca, &self.cert].into_iter().flatten() {
            check_certificates(file)?;
        }
        if let Some(file) = &self.key {
            check_key(file)?;
        }
        if let Some(prefix) = &self.inbox_prefix {
            check_inbox_prefix(prefix)?;
        }
        let login = self.login()?;
        let mut options = self.clone();
        options.require_tls |= self.ca.is_some() || self.cert.is_some();
        Ok(Plan {
            addresses: self.servers.addresses.clone(),
            shown: self.servers.to_string(),
            login,
            options,
            is_auxiliary: false,
            is_repeated: false,
        })
    }

    fn login(&self) -> Result<Login, NatsError> {
        let mut ways = Vec::new();
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => ways.push((
                "user and password",
                Login::User(user.clone(), password.clone()),
            )),
            (Some(_), None) => {
                return Err(NatsError::Config(
                    "a user without a password: set NATS_PASSWORD".to_owned(),
                ));
            }
            (None, Some(_)) => {
                return Err(NatsError::Config(
                    "a password without a user: set NATS_USER".to_owned(),
                ));
            }
            (None, None) => {}
        }
        if let Some(token) = &self.token {
            ways.push(("token", Login::Token(token.clone())));
        }
        if let Some(path) = &self.creds {
            ways.push(("credentials file", Login::Creds(creds(path)?)));
        }
        if let Some(nkey) = &self.nkey {
            ways.push(("nkey", Login::Nkey(nkey_seed(nkey)?)));
        }
        match &self.servers.login {
            Some(UrlLogin::User(user, password)) => ways.push((
                "user and password in the address",
                Login::User(user.clone(), password.clone()),
            )),
            Some(UrlLogin::Token(token)) => {
                ways.push(("token in the address", Login::Token(token.clone())));
            }
            None => {}
        }
        if let [(first, _), (second, _), ..] = ways.as_slice() {
            return Err(NatsError::Config(format!(
                "two ways to log in, {first} and {second}: set only one"
            )));
        }
        Ok(ways.pop().map_or(Login::None, |(_, login)| login))
    }
}

/// Refuses a file without a certificate, and one with something else under that name.
fn check_certificates(path: &Path) -> Result<(), NatsError> {
    let text = read(path)?;
    let refuse = |problem: String| {
        Err(NatsError::Config(format!(
            "{}: {problem}; expected PEM, with lines such as -----BEGIN CERTIFICATE-----",
            path.display()
        )))
    };
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(text.expose().as_bytes()) {
        // The same check as when the connection is made.
        let added = match certificate {
            Ok(certificate) => RootCertStore::empty()
                .add(certificate)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        count += 1;
        if let Err(problem) = added {
            return refuse(format!(
                "certificate {count} of the file cannot be read: {problem}"
            ));
        }
    }
    if count == 0 {
        return refuse("there is no certificate in the file".to_owned());
    }
    Ok(())
}

/// Refuses a file without a private key. Nothing of its content is printed.
fn check_key(path: &Path) -> Result<(), NatsError> {
    let text = read(path)?;
    match PrivateKeyDer::from_pem_slice(text.expose().as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(NatsError::Config(format!(
            "{}: there is no private key in the file; expected PEM, with a line such as \
             -----BEGIN PRIVATE KEY-----",
            path.display()
        ))),
    }
}

/// Refuses what the client library would refuse by a panic, and wildcards.
fn check_inbox_prefix(prefix: &str) -> Result<(), NatsError> {
    let is_plain = prefix
        .parse::<SubjectPattern>()
        .is_ok_and(|_| !prefix.contains(['*', '>']));
    if is_plain {
        return Ok(());
    }
    Err(NatsError::Config(format!(
        "`{}` is not an inbox prefix; expected words without wildcards, for example _INBOX_me",
        prefix.escape_debug()
    )))
}

fn read(path: &Path) -> Result<Secret, NatsError> {
    std::fs::read_to_string(path)
        .map(Secret::new)
        .map_err(|error| NatsError::Config(format!("reading {}: {error}", path.display())))
}

/// The text of a credentials file. The content of any other file is never printed.
fn creds(path: &Path) -> Result<Secret, NatsError> {
    let text = read(path)?;
    let has = |mark: &str| text.expose().contains(mark);
    if has("-----BEGIN NATS USER JWT-----") && has("-----BEGIN USER NKEY SEED-----") {
        Ok(text)
    } else {
        Err(NatsError::Config(format!(
            "{} is not a credentials file as `nsc` writes it (a JWT and a seed)",
            path.display()
        )))
    }
}

/// The seed itself, or the one in the file that `nkey` names. Text that is not a seed is never
/// printed: it may be a mistyped seed.
fn nkey_seed(nkey: &Secret) -> Result<Secret, NatsError> {
    let text = nkey.expose().trim();
    if is_seed(text) {
        return Ok(Secret::new(text));
    }
    let content = std::fs::read_to_string(text).map_err(|error| {
        NatsError::Config(format!(
            "the nkey is neither a user seed (SU…, 58 characters) nor a readable file: {error}"
        ))
    })?;
    content
        .lines()
        .map(str::trim)
        .find(|line| is_seed(line))
        .map(Secret::new)
        .ok_or_else(|| {
            NatsError::Config("the nkey file has no line with a user seed (SU…)".to_owned())
        })
}

fn is_seed(text: &str) -> bool {
    text.len() == 58 && text.starts_with("SU") && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
