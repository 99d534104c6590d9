//! Where in a YAML text a part of the object stands.

use granit_parser::{Event, Parser, Span};

/// One mapping or list that is open while the text is read.
enum Open {
    /// The key that was read last, until its value is over.
    Map {
        path: String,
        key: Option<String>,
    },
    List {
        path: String,
        next: usize,
    },
}

/// Line and column, both from 1, of a path such as `spec.http[0].route` in the first document of a
/// text: of its key where it has one. Where the path is not there, of the longest part that is.
pub(super) fn locate(text: &str, path: &str) -> (usize, usize) {
    let mut best = (1, 1, 0);
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        match event {
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                after_value(&mut open);
            }
            Event::Scalar(word, ..) => {
                if let Some(Open::Map { path: outer, key: key @ None }) = open.last_mut() {
                    note(&mut best, path, &join(outer, &word), &span);
                    *key = Some(word.into_owned());
                } else {
                    note_item(&mut best, path, &open, &span);
                    after_value(&mut open);
                }
            }
            Event::Alias(_) => after_value(&mut open),
            Event::MappingStart(..) => {
                note_item(&mut best, path, &open, &span);
                open.push(Open::Map { path: here(&open), key: None });
            }
            Event::SequenceStart(..) => {
                note_item(&mut best, path, &open, &span);
                open.push(Open::List { path: here(&open), next: 0 });
            }
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    (best.0, best.1)
}

/// The path of the value that comes next.
fn here(open: &[Open]) -> String {
    match open.last() {
        None => String::new(),
        Some(Open::Map { path, key }) => join(path, key.as_deref().unwrap_or_default()),
        Some(Open::List { path, next }) => format!("{path}[{next}]"),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn after_value(open: &mut [Open]) {
    match open.last_mut() {
        Some(Open::Map { key, .. }) => *key = None,
        Some(Open::List { next, .. }) => *next += 1,
        None => {}
    }
}

/// Items of lists have no key: their own place is told.
fn note_item(best: &mut (usize, usize, usize), wanted: &str, open: &[Open], span: &Span) {
    if let Some(Open::List { .. }) = open.last() {
        note(best, wanted, &here(open), span);
    }
}

fn note(best: &mut (usize, usize, usize), wanted: &str, path: &str, span: &Span) {
    let after = wanted.strip_prefix(path);
    let is_part = after.is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']));
    if is_part && path.len() > best.2 {
        *best = (span.start.line(), span.start.col() + 1, path.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_by_its_path() {
        let text = "kind: A
metadata: { name: a, labels: { app: b } }
spec:
  hosts: [ a, b ]
  http:
  - match:
    - uri: { prefix: /a }
    route:
    - destination:
        host: a
      weight: 10
  - route: []
";
        for (path, place) in [
            ("", (1, 1)),
            ("kind", (1, 1)),
            ("metadata.labels.app", (2, 32)),
            ("spec.hosts[1]", (4, 15)),
            ("spec.http[0].match[0].uri.prefix", (7, 14)),
            ("spec.http[0].route[0].weight", (11, 7)),
            ("spec.http[1].route", (12, 5)),
            ("spec.http[1].timeout", (12, 5)),
            ("spec.tls", (3, 1)),
            ("nothing", (1, 1)),
        ] {
            assert_eq!(locate(text, path), place, "{path}");
        }
    }
}
