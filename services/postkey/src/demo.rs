//! `--demo`: a service and a few users, made over the public API as any panel would, and a sign-in to the panel.

use credential::Hasher;
use domain::Customer;
use postkey_http::Role;
use postkey_panel::accounts::{AccountName, Accounts};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::folder::{Folder, read_token};
use crate::journal::print;
use crate::panel::{NewPassword, add};

const USERS: [(&str, &str, &str); 3] = [("ann", "Ann", "Lee"), ("bora", "Bora", "Şahin"), ("chen", "Chen", "Wei")];

/// Who signs in to the panel, and whose services that shows.
const ACCOUNT: &str = "demo";
const CUSTOMER: &str = "acme";

/// What the demo is made in.
pub struct Demo<'a> {
    /// The data folder.
    pub folder: &'a Folder,
    /// Who may sign in to the panel.
    pub accounts: &'a Accounts,
    /// The threads that hash.
    pub hasher: &'a Hasher,
}

impl Demo<'_> {
    /// Makes what is missing of the demo, and prints each password that it made.
    pub async fn seed(&self, command: &str, projection: &str) -> Result<(), Failure> {
        let http = Client::builder().no_proxy().build().map_err(Failure::failed)?;
        let token = read_token(&self.folder.token(Role::Operator))?;
        users(&Operator { http, command, projection, token }).await?;
        self.sign_in().await
    }

    /// Where nobody may sign in to the panel, somebody may from now on.
    async fn sign_in(&self) -> Result<(), Failure> {
        if self.accounts.any().await? {
            let another = "`postkey panel account` lists them, and gives another password";
            return print(format_args!("demo sign-in  the panel has accounts already: {another}"));
        }
        let (name, customer) = (AccountName::parse(ACCOUNT)?, Customer::parse(CUSTOMER)?);
        let password = NewPassword::suggested(&name);
        add(self.accounts, self.hasher, &name, customer, &password).await?;
        print(format_args!("demo sign-in  {name}  {}", password.shown()))
    }
}

/// Asks as the operator.
struct Operator<'a> {
    http: Client,
    command: &'a str,
    projection: &'a str,
    token: SecretString,
}

async fn users(demo: &Operator<'_>) -> Result<(), Failure> {
    let service = demo.service().await?;
    let known = demo.get(&format!("/v1/services/{service}/users?limit=500")).await?;
    for (name, first, last) in USERS {
        let address = format!("{name}@acme.example");
        let there = known["users"].as_array().into_iter().flatten().any(|user| user["address"] == address.as_str());
        if there {
            print(format_args!("demo user   {address}  is there; its password was shown when it was made"))?;
            continue;
        }
        let suggestion = demo.post("/v1/passwords/suggest", &json!({})).await?.1;
        let password = suggestion["password"].clone();
        let user = json!({
            "address": address, "first_name": first, "last_name": last, "quota_bytes": 1_073_741_824_u64,
            "password": password,
        });
        let (status, answer) = demo.post(&format!("/v1/services/{service}/users"), &user).await?;
        if status != StatusCode::CREATED {
            return Err(refused("a demo user", status, &answer));
        }
        // Shown on purpose: to whoever asked for a demo.
        print(format_args!("demo user   {address}  {}", password.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

fn refused(what: &str, status: StatusCode, answer: &Value) -> Failure {
    Failure::failed(format!("{what} could not be made: {status} {}", answer["code"].as_str().unwrap_or_default()))
}

impl Operator<'_> {
    async fn service(&self) -> Result<String, Failure> {
        let body = json!({
            "domain": "acme.example", "customer": CUSTOMER, "plan": {"mailboxes": 25, "pool_bytes": 53_687_091_200_u64},
        });
        let (status, answer) = self.post("/v1/services", &body).await?;
        if let Some(service) = answer["service"].as_str().filter(|_| status == StatusCode::CREATED) {
            return Ok(service.to_owned());
        }
        if answer["code"] != "domain_taken" {
            return Err(refused("the demo service", status, &answer));
        }
        let services = self.get(&format!("/v1/services?customer={CUSTOMER}&limit=500")).await?;
        let ours = services["services"].as_array().into_iter().flatten().find(|one| one["domain"] == "acme.example");
        let id = ours.and_then(|service| service["service"].as_str());
        id.map(str::to_owned).ok_or_else(|| Failure::failed("acme.example belongs to another customer: no demo here"))
    }

    async fn post(&self, path: &str, body: &Value) -> Result<(StatusCode, Value), Failure> {
        let url = format!("{}{path}", self.command);
        self.ask(self.http.request(Method::POST, url).header("Prefer", "wait=30").json(body)).await
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.ask(self.http.get(format!("{}{path}", self.projection))).await?.1)
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(StatusCode, Value), Failure> {
        let answer = request.bearer_auth(self.token.expose_secret()).send().await.map_err(Failure::failed)?;
        let status = answer.status();
        Ok((status, answer.json().await.map_err(Failure::failed)?))
    }
}
