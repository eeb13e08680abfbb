//! `postkey healthy URL`: whether a service is well, for health checks where there is no shell and no curl.

use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use crate::failure::Failure;
use crate::journal::print;

/// How long the whole answer may take: a service that can't say within that how it is does not serve either.
const WITHIN: Duration = Duration::from_secs(2);
/// How much is shown of a reason, or of an answer that is no service's, in characters: no page of a stranger.
const SHOWN: usize = 400;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey healthy http://127.0.0.1:8081            asks /readyz: does it do its work?
  postkey healthy http://127.0.0.1:8082/healthz    must a person look?
  postkey healthy http://127.0.0.1:8222/healthz    a NATS server, by its monitor port

A line for each check of a service that is not green, with its reason, and one line in the end. Exit code 0 where the
answer is 200 within 2 seconds, else 1.")]
pub struct HealthyArgs {
    /// The service; /readyz is asked where the URL has no path
    #[arg(value_name = "URL")]
    pub url: Url,
}

pub async fn healthy(args: HealthyArgs) -> Result<(), Failure> {
    let mut url = args.url;
    if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::usage("write it as http://HOST:PORT, with a path or without"));
    }
    if url.path() == "/" {
        url.set_path("/readyz");
    }
    let failed = |error: reqwest::Error| {
        let why = if error.is_timeout() { "does not answer within 2 seconds" } else { "can't be reached" };
        Failure::failed(format!("{url} {why}"))
    };
    // A proxy of the environment, or a redirect, would answer for somebody else.
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(WITHIN).build().map_err(failed)?;
    let answer = client.get(url.clone()).send().await.map_err(failed)?;
    let status = answer.status();
    let text = answer.text().await.map_err(failed)?;
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    let checks = report["checks"].as_array();
    for check in checks.into_iter().flatten() {
        let said = |field| check[field].as_str().map(shown);
        if let (Some(status), Some(name), Some(reason)) = (said("status"), said("name"), said("reason")) {
            print(format_args!("{status:<7} {name}: {reason}"))?;
        }
    }
    if status == StatusCode::OK {
        return print(format_args!("{url} is well"));
    }
    let said = if checks.is_some() { String::new() } else { format!(": {}", shown(&text)) };
    Err(Failure::failed(format!("{url} answers {}{said}", status.as_u16())))
}

fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(SHOWN).collect()
}
