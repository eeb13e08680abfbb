//! Bodies: bounded in size and time, wiped after reading, and refused with every wrong field named.

use std::time::Duration;

use axum::body::{Body as Stream, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use zeroize::Zeroizing;

use crate::fields::{Fields, Source};
use crate::json::{self, NotJson, Value};
use crate::{Code, FromFields, Problem, Violation, percent};

/// The largest body taken, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How much of a body that is too large is read and thrown away. A sender that is still writing when the connection
/// closes never sees the answer, so one that is only somewhat too large is heard out.
const HEARD_OUT_BYTES: usize = 1024 * 1024;

/// How long a body may take to arrive. 64 KiB come through the thinnest line in this time; a client that trickles is
/// told 408 and let go.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A JSON body, read strictly: `Body(add): Body<AddUser>`.
///
/// 413 over 64 KiB, 415 unless it says `application/json`, 422 with every wrong field for anything else that can't be
/// read. The buffer is wiped afterwards, as it may hold passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<T>(pub T);

/// A JSON body that may be left out, for a `T` whose fields are all optional. An empty one needs no content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalBody<T>(pub T);

/// A form (`application/x-www-form-urlencoded`), as strict as [`Body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: FromFields> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        expect_type(request.headers(), JSON)?;
        let bytes = gather(request, ARRIVES_WITHIN).await?;
        read_json(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: FromFields> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let right_type = expect_type(request.headers(), JSON);
        let bytes = gather(request, ARRIVES_WITHIN).await?;
        if bytes.is_empty() {
            let nothing = Fields::new(Source::Json, Vec::new());
            return nothing.read().map(Self).map_err(Problem::invalid_input);
        }
        right_type?;
        read_json(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: FromFields> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        expect_type(request.headers(), FORM)?;
        let bytes = gather(request, ARRIVES_WITHIN).await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| not_readable("percent-encoded UTF-8"))?;
        percent::pairs(text, "body").and_then(Fields::read).map(Self).map_err(Problem::invalid_input)
    }
}

fn read_json<T: FromFields>(bytes: &[u8]) -> Result<T, Problem> {
    match json::parse(bytes) {
        Ok(Value::Object(members)) => Fields::new(Source::Json, members).read().map_err(Problem::invalid_input),
        Ok(_) => Err(Problem::invalid_input(vec![Violation::new("body", "wrong_type", "an object")])),
        Err(NotJson(hint)) => Err(not_readable(hint)),
    }
}

fn not_readable(hint: impl Into<String>) -> Problem {
    Problem::invalid_input(vec![Violation::new("body", "malformed", hint)])
}

/// Refuses a body of another type, none, two, or in another charset. Other parameters say nothing about JSON.
fn expect_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Problem> {
    let mut given = headers.get_all(header::CONTENT_TYPE).iter();
    let only = match (given.next(), given.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    };
    let mut parts = only.split(';').map(str::trim);
    let right_type = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(expected));
    let right_charset = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if right_type && right_charset {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType).with_detail(format!("send the body as {expected}")))
}

/// The whole body in one buffer that is wiped when it is dropped.
async fn gather(request: Request, within: Duration) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > HEARD_OUT_BYTES as u64) {
        return Err(too_large());
    }
    let frames = tokio::time::timeout(within, frames(request.into_body()))
        .await
        .map_err(|_| Problem::new(Code::RequestTimeout))??;
    // Of the exact size from the start: a buffer that grows leaves copies behind that nobody wipes.
    let mut whole = Zeroizing::new(Vec::with_capacity(frames.iter().map(Bytes::len).sum()));
    for frame in frames {
        whole.extend_from_slice(&frame);
        wipe(frame);
    }
    Ok(whole)
}

async fn frames(mut body: Stream) -> Result<Vec<Bytes>, Problem> {
    let (mut frames, mut total) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        // The client went away, or broke its own framing; there is hardly anybody left to read this.
        let frame = frame.map_err(|_| not_readable("the body broke off"))?;
        if let Ok(data) = frame.into_data() {
            total += data.len();
            if total <= MAX_BODY_BYTES {
                frames.push(data);
            } else if total <= HEARD_OUT_BYTES {
                frames.clear();
            } else {
                return Err(too_large());
            }
        }
    }
    if total > MAX_BODY_BYTES { Err(too_large()) } else { Ok(frames) }
}

/// Wipes a frame if we are its only owner, as we are unless the connection's buffer holds more of the stream.
fn wipe(frame: Bytes) {
    if let Ok(mut frame) = frame.try_into_mut() {
        zeroize::Zeroize::zeroize(&mut frame[..]);
    }
}

fn too_large() -> Problem {
    Problem::new(Code::TooLarge).with_detail(format!("a body has at most {MAX_BODY_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{Request, StatusCode};
    use axum::routing::post;
    use secrecy::{ExposeSecret, SecretString};

    use super::*;
    use crate::staged::{Answer, ask, post as json_post};

    #[derive(Debug)]
    struct NewPassword(SecretString);

    impl FromFields for NewPassword {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            fields.secret("password").map(Self)
        }
    }

    struct Why(Option<String>);

    impl FromFields for Why {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            Some(Self(fields.optional("reason", |text| Ok::<_, std::convert::Infallible>(text.to_owned()))))
        }
    }

    fn router() -> Router {
        Router::new()
            .route("/body", post(|Body(new): Body<NewPassword>| async move { new.0.expose_secret().to_owned() }))
            .route("/optional", post(|OptionalBody(why): OptionalBody<Why>| async move { why.0.unwrap_or_default() }))
            .route("/form", post(|Form(new): Form<NewPassword>| async move { new.0.expose_secret().to_owned() }))
    }

    async fn sent(path: &str, content_type: Option<&str>, body: impl Into<Stream>) -> Answer {
        let mut request = Request::post(path);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        ask(router(), request.body(body.into()).unwrap()).await
    }

    #[tokio::test]
    async fn a_good_body_is_read() {
        let answer = ask(router(), json_post("/body", r#"{"password":"pä ss\n"}"#)).await;
        assert_eq!((answer.status(), answer.body), (StatusCode::OK, "pä ss\n".as_bytes().to_vec()));
        let answer = sent("/form", Some(FORM), "password=p%C3%A4+ss%2B").await;
        assert_eq!((answer.status(), answer.body), (StatusCode::OK, "pä ss+".as_bytes().to_vec()));
    }

    #[tokio::test]
    async fn a_body_of_another_type_is_415() {
        let body = r#"{"password":"x"}"#;
        for right in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
            assert_eq!(sent("/body", Some(right), body).await.status(), StatusCode::OK, "{right}");
        }
        for wrong in [None, Some("text/plain"), Some("application/json; charset=latin1"), Some(""), Some(FORM)] {
            let answer = sent("/body", wrong, body).await;
            assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{wrong:?}");
            assert_eq!(answer.json()["code"], "unsupported_media_type");
            assert!(answer.json()["request_id"].is_string());
        }
    }

    #[tokio::test]
    async fn a_body_over_64_kib_is_413_whether_it_says_so_or_not() {
        let fitting = format!(r#"{{"password":"{}"}}"#, "x".repeat(MAX_BODY_BYTES - 15));
        assert_eq!(fitting.len(), MAX_BODY_BYTES);
        assert_eq!(ask(router(), json_post("/body", fitting.clone())).await.status(), StatusCode::OK);

        let unsaid = Stream::from_stream(futures::stream::iter([Ok::<_, std::io::Error>(fitting + " ")]));
        let declared = Request::post("/body").header("content-type", JSON).header("content-length", "7000000");
        let endless = Stream::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(1024))));
        let requests =
            [json_post("/body", unsaid), json_post("/body", endless), declared.body(Stream::empty()).unwrap()];
        for request in requests {
            let answer = ask(router(), request).await;
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(answer.json()["code"], "too_large");
            assert!(answer.json()["request_id"].is_string());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_parsed_is_422_and_never_said_back() {
        let bodies: [&[u8]; 8] = [
            b"",
            b"hunter2",
            b"[\"hunter2\"]",
            b"{\"password\":\"hunter2",
            b"{\"password\":\"hunter2\"}x",
            b"{\"password\":\"\xff\"}",
            b"{\"password\":\"a\",\"password\":\"b\"}",
            b"{\"password\":{\"a\":[[[[]]]]}}",
        ];
        let deep = "[".repeat(MAX_BODY_BYTES);
        for body in bodies.into_iter().chain([deep.as_bytes()]) {
            let answer = ask(router(), json_post("/body", body.to_vec())).await;
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{:?}", String::from_utf8_lossy(body));
            assert_eq!(answer.json()["code"], "invalid_input");
            assert_eq!(answer.violations().len(), 1);
            assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn an_optional_body_may_be_empty_and_is_strict_otherwise() {
        assert_eq!(sent("/optional", None, "").await.status(), StatusCode::OK);
        assert_eq!(sent("/optional", Some(JSON), "{}").await.status(), StatusCode::OK);
        assert_eq!(sent("/optional", Some(JSON), r#"{"reason":"left"}"#).await.body, b"left");
        assert_eq!(sent("/optional", None, "{}").await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(sent("/optional", Some(JSON), r#"{"cause":1}"#).await.violations(), ["cause unknown"]);
        assert_eq!(sent("/optional", Some(JSON), " ").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_let_go() {
        let never = Stream::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = gather(json_post("/body", never), Duration::ZERO).await.unwrap_err();
        assert_eq!(problem.code, Code::RequestTimeout);
    }
}
