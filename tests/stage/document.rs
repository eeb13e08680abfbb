//! The service's own OpenAPI document, held against every answer that it gives and all that it takes: undocumented is wrong.

use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::schema::Schemas;

/// A service's document.
#[derive(Debug)]
pub struct Document(Value);

/// A request as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path and query.
    pub target: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, if it has one.
    pub body: Option<&'a [u8]>,
}

impl Document {
    /// From what `/openapi.json` answered.
    pub fn new(document: Value) -> Self {
        Self(document)
    }

    /// Every operation: method in upper case, path template, and what is said of it.
    pub fn operations(&self) -> Vec<(String, String, Value)> {
        let mut all = Vec::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                all.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
        all
    }

    /// The document itself.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// What a reference stands for.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        self.schemas().resolve(value)
    }

    /// Whether a value is what a schema of the document says.
    ///
    /// # Errors
    /// Why it is not.
    pub fn fits(&self, value: &Value, schema: &Value) -> Result<(), String> {
        self.schemas().fits(value, schema)
    }

    /// Holds an answer against what its operation is said to answer, and what was taken against what it is said to take. What
    /// `HEAD` answers is what `GET` is said to answer, but for the body.
    ///
    /// # Panics
    /// Where the two differ.
    pub fn check(&self, sent: Sent<'_>, answer: &Answer) {
        let (path, is_head) = (path_of(sent.target), sent.method == "HEAD");
        // What breaks HTTP itself is answered without a body by whoever reads requests off the wire.
        let bare = answer.text.is_empty() && !answer.headers.contains_key(CONTENT_TYPE);
        if matches!(answer.status, 400 | 414 | 431) && bare {
            return;
        }
        assert!(!is_head || answer.text.is_empty(), "HEAD has no body: {answer:?}");
        let Some((template, methods)) = self.methods(path) else {
            assert_eq!(answer.status, 404, "a route that the document does not know: {answer:?}");
            return;
        };
        // Whatever can be got can be asked for without its body.
        let method = if is_head { "get".to_owned() } else { sent.method.to_lowercase() };
        let operation = &methods[&method];
        if operation.is_null() {
            assert_eq!(answer.status, 405, "a method that the document does not know: {answer:?}");
            return;
        }
        self.check_answer(operation, answer, is_head);
        if answer.status < 400 {
            self.check_taken(template, operation, sent).unwrap_or_else(|why| panic!("taken, but {why}: {answer:?}"));
        }
    }

    fn schemas(&self) -> Schemas<'_> {
        Schemas(&self.0)
    }

    fn check_answer(&self, operation: &Value, answer: &Answer, is_head: bool) {
        let response = &operation["responses"][answer.status.to_string()];
        assert!(!response.is_null(), "a status that the document does not know: {answer:?}");
        let media = answer.headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
        let content = &response["content"][media.split(';').next().unwrap()];
        let nothing = answer.text.is_empty() && media.is_empty() && response["content"].is_null();
        assert!(
            nothing || !content.is_null(),
            "a type of content that the document does not know, {media}: {answer:?}"
        );
        if media.ends_with("json") && !is_head {
            self.fits(&answer.body, &content["schema"]).unwrap_or_else(|why| panic!("{why}: {answer:?}"));
        }
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let header = self.resolve(header);
            let said = said(&answer.headers, name);
            assert!(header["required"] != true || !said.is_empty(), "no header {name}: {answer:?}");
            for text in said {
                let fits = self.is_said(&text, &header["schema"]);
                fits.unwrap_or_else(|why| panic!("{name}: {why}: {answer:?}"));
            }
        }
    }

    /// Whether all that was taken is what the document says that is taken.
    fn check_taken(&self, template: &str, operation: &Value, sent: Sent<'_>) -> Result<(), String> {
        let open = operation["security"].as_array().is_some_and(Vec::is_empty);
        if !open && !sent.headers.contains_key(AUTHORIZATION) {
            return Err("nobody has said who asks".to_owned());
        }
        let query = pairs(sent.target.split_once('?').map_or("", |(_, query)| query));
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<_> = parameters.map(|parameter| self.resolve(parameter)).collect();
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            let values = match parameter["in"].as_str().unwrap() {
                "path" => of(name, &self.ids(template, path_of(sent.target))),
                "query" => of(name, &query),
                "header" => said(sent.headers, name),
                other => panic!("no place of a parameter: {other}"),
            };
            if parameter["required"] == true && values.is_empty() {
                return Err(format!("{name} is missing"));
            }
            if parameter["in"] == "query" && values.len() > 1 {
                return Err(format!("{name} stands there twice"));
            }
            for value in values {
                self.is_said(&value, &parameter["schema"]).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        let known = |name: &String| parameters.iter().any(|one| one["in"] == "query" && one["name"] == **name);
        if let Some((name, _)) = query.iter().find(|(name, _)| !known(name)) {
            return Err(format!("the document knows no parameter {name}"));
        }
        self.check_body(&operation["requestBody"], sent)
    }

    fn check_body(&self, said: &Value, sent: Sent<'_>) -> Result<(), String> {
        let Some(body) = sent.body.filter(|body| !body.is_empty()) else {
            return if said["required"] == true { Err("the body is missing".to_owned()) } else { Ok(()) };
        };
        let media = sent.headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
        let media = media.split(';').next().unwrap().trim().to_lowercase();
        let schema = &said["content"][&media]["schema"];
        if schema.is_null() {
            return Err(format!("the document knows no body of type {media:?}"));
        }
        let body = match media.as_str() {
            "application/json" => serde_json::from_slice(body).map_err(|error| error.to_string())?,
            _ => {
                let fields = pairs(std::str::from_utf8(body).map_err(|error| error.to_string())?);
                Value::Object(fields.into_iter().map(|(name, text)| (name, text.into())).collect::<Map<_, _>>())
            }
        };
        self.fits(&body, schema)
    }

    fn is_said(&self, text: &str, schema: &Value) -> Result<(), String> {
        let value = self.schemas().read(text, schema);
        self.fits(&value, schema)
    }

    fn methods(&self, path: &str) -> Option<(&str, &Value)> {
        let fits = |template: &str| {
            let (mut template, mut path) = (template.split('/'), self.elements(template, path).into_iter());
            loop {
                match (template.next(), path.next()) {
                    (None, None) => return true,
                    (Some(one), Some(other)) if one == other || one.starts_with('{') && !other.is_empty() => {}
                    _ => return false,
                }
            }
        };
        let mut all = self.0["paths"].as_object()?.iter();
        all.find(|(template, _)| fits(template)).map(|(template, methods)| (template.as_str(), methods))
    }

    /// A path in as many elements as its template has, where the last of those may have slashes in it; else in all of its own.
    fn elements<'a>(&self, template: &str, path: &'a str) -> Vec<&'a str> {
        let several = |operation: &Value| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            parameters.map(|one| self.resolve(one)).any(|one| one["x-multi-segment"] == true)
        };
        let of_template = template.split('/').count();
        let most = if self.0["paths"][template].as_object().into_iter().flatten().any(|(_, one)| several(one)) {
            of_template
        } else {
            usize::MAX
        };
        path.splitn(most, '/').collect()
    }

    /// The ids in a path, by their names in its template.
    fn ids(&self, template: &str, path: &str) -> Vec<(String, String)> {
        let parts = template.split('/').zip(self.elements(template, path));
        let named =
            |(name, id): (&str, &str)| Some((name.strip_prefix('{')?.strip_suffix('}')?.to_owned(), decoded(id)));
        parts.filter_map(named).collect()
    }
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap()
}

/// The pairs of a query or a form.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let read = |text: &str| decoded(&text.replace('+', " "));
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, text)| (read(name), read(text))).collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn of(name: &str, pairs: &[(String, String)]) -> Vec<String> {
    pairs.iter().filter(|(found, _)| found == name).map(|(_, text)| text.clone()).collect()
}

/// What a header says, each time that it stands there. Blanks around it are none of it.
fn said(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    lines.map(|line| line.trim_matches([' ', '\t']).to_owned()).collect()
}
