//! How `infra/compose.yaml` starts each service and job: its arguments and its environment, as they stand there.
//!
//! It is no YAML parser: it reads this file as it is written, and fails where it is written otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a container is started with.
#[derive(Debug)]
pub struct Started {
    /// Behind the name of the binary.
    pub arguments: Vec<String>,
    /// The settings.
    pub environment: BTreeMap<String, String>,
}

/// A service or a job by its name there.
pub fn started(name: &str) -> Started {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/compose.yaml");
    let text = fs::read_to_string(path).unwrap();
    let file = File(text.lines().collect());
    let service = file.block(&format!("  {name}:"));
    let command = file.value(&service, "command").unwrap_or_else(|| panic!("{name} has no command"));
    let environment = file.value(&service, "environment").map(|value| file.mapping(value)).unwrap_or_default();
    Started { arguments: list(command, '[', ']').map(str::to_owned).collect(), environment }
}

struct File<'a>(Vec<&'a str>);

impl<'a> File<'a> {
    /// The lines below a header, with one level of indentation taken off.
    fn block(&self, header: &str) -> Vec<&'a str> {
        let at = self.0.iter().position(|line| *line == header);
        let at = at.unwrap_or_else(|| panic!("no {header:?} in compose.yaml"));
        let within = format!("{}  ", &header[..header.len() - header.trim_start().len()]);
        self.0[at + 1..].iter().map_while(|line| line.strip_prefix(within.as_str())).collect()
    }

    /// What an anchor stands at.
    fn anchor(&self, alias: &str) -> Vec<&'a str> {
        let name = alias.trim().strip_prefix('*').unwrap_or_else(|| panic!("{alias:?} is no alias"));
        self.block(&format!("x-{name}: &{name}"))
    }

    /// A key's value in a block, or in what the block is merged from.
    fn value(&self, block: &[&'a str], key: &str) -> Option<&'a str> {
        let own = block.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        own.or_else(|| {
            let merged = block.iter().find_map(|line| line.strip_prefix("<<: "))?;
            self.value(&self.anchor(merged), key)
        })
    }

    /// An alias, or `{ <<: *alias, KEY: value, … }`.
    fn mapping(&self, value: &'a str) -> BTreeMap<String, String> {
        if value.starts_with('*') { self.pairs(self.anchor(value)) } else { self.pairs(list(value, '{', '}')) }
    }

    fn pairs(&self, lines: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::new();
        for line in lines.into_iter().filter(|line| !line.trim_start().starts_with('#')) {
            match line.split_once(": ").unwrap_or_else(|| panic!("{line:?} is no setting")) {
                ("<<", merged) => pairs.extend(self.mapping(merged)),
                (name, value) => drop(pairs.insert(name.to_owned(), value.trim_matches('"').to_owned())),
            }
        }
        pairs
    }
}

/// The parts of `[ a, "b" ]` or of `{ a: b, c: d }`.
fn list(text: &str, open: char, close: char) -> impl Iterator<Item = &str> {
    let inside = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let inside = inside.unwrap_or_else(|| panic!("{text:?} does not stand in {open} {close}"));
    inside.split(", ").map(|part| part.trim().trim_matches('"'))
}
