//! Three `nats-server` processes with JetStream that are one cluster, on this machine.

use std::time::Duration;

use serde_json::{Value, json};

use super::nats_server::{NatsServer, free_port};
use super::stream::{JETSTREAM, StreamClient};
use super::{wait_for, wait_until};

/// How long a server may take to answer a question, before another one is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a new leader may take on a busy machine.
const ELECTION: Duration = Duration::from_secs(120);

pub(crate) struct Cluster {
    servers: Vec<NatsServer>,
}

impl Cluster {
    /// A cluster that has a leader; `None` after a visible skip.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let routes: [u16; 3] = std::array::from_fn(|_| free_port());
        let listed = routes.map(|route| format!("nats-route://127.0.0.1:{route}"));
        let listed = listed.join(", ");
        let mut servers = Vec::new();
        for route in routes {
            let cluster = format!(
                "{JETSTREAM}\ncluster {{ name: test, listen: \"127.0.0.1:{route}\", routes: [{listed}] }}"
            );
            servers.push(NatsServer::with_config(test, &cluster)?);
        }
        let cluster = Self { servers };
        wait_for("the cluster has a leader", ELECTION, || {
            cluster.ask("STREAM.NAMES").is_some()
        });
        Some(cluster)
    }

    /// All addresses.
    pub(crate) fn url(&self) -> String {
        let urls: Vec<String> = self.servers.iter().map(NatsServer::url).collect();
        urls.join(",")
    }

    /// The port of a server that is not the one at `except`.
    fn other_than(&self, except: Option<usize>) -> impl Iterator<Item = u16> {
        let servers = self.servers.iter().enumerate();
        servers
            .filter(move |(position, _)| Some(*position) != except)
            .map(|(_, server)| server.port())
    }

    /// The answer of any server to a question.
    fn ask(&self, subject: &str) -> Option<Value> {
        self.ask_others(None, subject)
    }

    fn ask_others(&self, except: Option<usize>, subject: &str) -> Option<Value> {
        self.other_than(except).find_map(|port| {
            StreamClient::connect_for(port, PATIENCE)?.try_api(subject, &json!({}))
        })
    }

    /// How many messages a stream has, as the servers but `except` say; 0 while none knows.
    pub(crate) fn count(&self, stream: &str, except: Option<usize>) -> u64 {
        let info = self.ask_others(except, &format!("STREAM.INFO.{stream}"));
        info.and_then(|info| info["state"]["messages"].as_u64())
            .unwrap_or_default()
    }

    /// The position of the server that leads a stream.
    pub(crate) fn leader(&self, stream: &str) -> usize {
        let mut found = None;
        wait_for("the stream has a leader", ELECTION, || {
            let info = self.ask(&format!("STREAM.INFO.{stream}"));
            let name = info.map(|info| info["cluster"]["leader"].clone());
            found = self
                .servers
                .iter()
                .position(|server| name.as_ref().is_some_and(|name| *name == server.name()));
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until each replica of a stream has all of it.
    pub(crate) fn wait_for_replicas(&self, stream: &str) {
        wait_for("the replicas are current", ELECTION, || {
            let Some(info) = self.ask(&format!("STREAM.INFO.{stream}")) else {
                return false;
            };
            let replicas = info["cluster"]["replicas"].as_array();
            replicas.is_some_and(|replicas| {
                replicas.len() == 2 && replicas.iter().all(|replica| replica["current"] == true)
            })
        });
    }

    pub(crate) fn server(&mut self, position: usize) -> &mut NatsServer {
        &mut self.servers[position]
    }

    /// A client of one server.
    pub(crate) fn client(&self, position: usize) -> StreamClient {
        let port = self.servers[position].port();
        let mut client = None;
        wait_until("the server accepts a client", || {
            client = StreamClient::connect_for(port, super::DEADLINE);
            client.is_some()
        });
        client.unwrap()
    }
}
