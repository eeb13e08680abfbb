//! Whether the servers of NATS write to their disks before they acknowledge. JetStream itself does not say; each server's
//! monitoring does (<https://docs.nats.io/running-a-nats-service/nats_admin/monitoring>).

use std::time::Duration;

use futures::future::join_all;
use reqwest::Client;
use serde_json::Value;

use crate::failure::Failure;

/// How long a server's monitoring may take to answer.
const WITHIN: Duration = Duration::from_secs(2);

/// The servers' monitoring.
pub struct Monitors {
    http: Client,
    urls: Vec<String>,
}

/// What they say together.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every server that holds the stream was seen, and keeps what it acknowledges.
    Sound,
    /// Those that answer do; others don't answer now.
    Partly(String),
    /// None answers.
    Nobody(String),
    /// One has JetStream off, or is not watched.
    Unsound(String),
    /// One does not keep what it acknowledges.
    Lossy(String),
}

impl Verdict {
    /// What an operator should know.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Sound => None,
            Self::Partly(why) | Self::Nobody(why) | Self::Unsound(why) | Self::Lossy(why) => Some(why),
        }
    }
}

/// One server.
enum Seen {
    Sound(String),
    Lossy(String),
    /// It has JetStream off, as it also says of itself while it starts.
    Off(String),
    Away(String),
}

impl Monitors {
    /// At these URLs, `http://host:port`.
    pub fn new(urls: &[String]) -> Result<Self, Failure> {
        if urls.is_empty() {
            return Err(Failure::usage(
                "--nats-monitor is missing: name every server's monitoring (http://HOST:8222,…), so that it can be seen \
                 that each writes to its disk before it acknowledges; or accept that it may not, with --allow-lazy-sync",
            ));
        }
        let http = Client::builder().timeout(WITHIN).no_proxy().build()?;
        Ok(Self { http, urls: urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect() })
    }

    /// Asks all of them; `servers` are the names of those that hold the stream.
    pub async fn check(&self, servers: &[String]) -> Verdict {
        let seen = join_all(self.urls.iter().map(|url| self.ask(url))).await;
        judge(seen, servers)
    }

    async fn ask(&self, url: &str) -> Seen {
        let asked = async { self.http.get(format!("{url}/varz")).send().await?.error_for_status()?.json().await };
        match asked.await {
            Ok(varz) => judge_one(url, &varz),
            Err(error) => Seen::Away(format!("{url}: {}", error.without_url())),
        }
    }
}

/// Reads `/varz`. `sync_always` is absent where it is off.
fn judge_one(url: &str, varz: &Value) -> Seen {
    let name = varz["server_name"].as_str().unwrap_or(url);
    let version = varz["version"].as_str().unwrap_or_default();
    let jetstream = &varz["jetstream"]["config"];
    if !event_log::is_recent(version) {
        return Seen::Lossy(format!("NATS server {name} is version {version}: upgrade it to 2.15.1 or later"));
    }
    if !jetstream.is_object() {
        return Seen::Off(format!(
            "NATS server {name} has JetStream off: set `jetstream {{ … }}` in its configuration"
        ));
    }
    if jetstream["sync_always"] != Value::Bool(true) {
        return Seen::Lossy(format!(
            "NATS server {name} acknowledges before it writes to its disk: set `jetstream {{ sync_interval: always }}` in \
             its configuration and restart it, or accept losses with --allow-lazy-sync"
        ));
    }
    Seen::Sound(name.to_owned())
}

fn judge(seen: Vec<Seen>, servers: &[String]) -> Verdict {
    let (mut sound, mut off, mut away) = (Vec::new(), None, Vec::new());
    for one in seen {
        match one {
            Seen::Lossy(why) => return Verdict::Lossy(why),
            Seen::Off(why) => off = Some(why),
            Seen::Sound(name) => sound.push(name),
            Seen::Away(why) => away.push(why),
        }
    }
    if let Some(why) = off {
        return Verdict::Unsound(why);
    }
    if sound.is_empty() {
        return Verdict::Nobody(format!("no monitoring of NATS answers: {}", away.join("; ")));
    }
    let unwatched: Vec<_> = servers.iter().filter(|server| !sound.contains(server)).map(String::as_str).collect();
    // Those that are away may be the ones that are missing; more are missing than are away only where too few were named.
    if unwatched.len() <= away.len() {
        if away.is_empty() {
            return Verdict::Sound;
        }
        Verdict::Partly(format!("the monitoring of these servers does not answer: {}", away.join("; ")))
    } else {
        Verdict::Unsound(format!(
            "these servers hold the stream, and --nats-monitor does not name their monitoring: {}",
            unwatched.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(servers: &[Value]) -> Verdict {
        judge(servers.iter().map(|varz| judge_one("http://x", varz)).collect(), &["a".to_owned(), "b".to_owned()])
    }

    #[test]
    fn every_server_of_the_stream_must_be_seen_to_sync() {
        let sound =
            |name| json!({"server_name": name, "version": "2.15.1", "jetstream": {"config": {"sync_always": true}}});
        let lazy = json!({"server_name": "b", "version": "2.15.1", "jetstream": {"config": {"sync_interval": 120}}});
        let old = json!({"server_name": "b", "version": "2.12.4", "jetstream": {"config": {"sync_always": true}}});
        let off = json!({"server_name": "b", "version": "2.16.0", "jetstream": {}});
        assert_eq!(verdict(&[sound("a"), sound("b")]), Verdict::Sound);
        for (server, word) in [(lazy.clone(), "sync_interval"), (old, "2.12.4")] {
            let Verdict::Lossy(why) = verdict(&[sound("a"), server]) else { panic!("{word}") };
            assert!(why.contains(word) && why.contains(" b "), "{why}");
        }
        let Verdict::Unsound(why) = verdict(&[sound("a"), off.clone()]) else { panic!("it has JetStream off") };
        assert!(why.contains("JetStream off") && why.contains(" b "), "{why}");
        assert!(matches!(verdict(&[off, lazy]), Verdict::Lossy(_)), "the worse of the two");
        let Verdict::Unsound(why) = verdict(&[sound("a")]) else { panic!("b is not watched") };
        assert!(why.ends_with(": b"), "{why}");
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_said_and_is_no_reason_not_to_start() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let monitors = Monitors::new(&[format!("http://{gone}")]).unwrap();
        let Verdict::Nobody(why) = monitors.check(&[]).await else { panic!("nobody is there") };
        assert!(why.contains(&gone.to_string()), "{why}");
        let seen = || vec![Seen::Sound("a".to_owned()), Seen::Away("http://b: away".to_owned())];
        assert!(matches!(judge(seen(), &["a".to_owned(), "b".to_owned()]), Verdict::Partly(_)));
        let Verdict::Unsound(why) = judge(seen(), &["a", "b", "c"].map(str::to_owned)) else {
            panic!("c is not watched")
        };
        assert!(why.ends_with(": b, c"), "{why}");
    }
}
