//! Pages of the book as tests: the objects of a page, and tables of requests with where they go.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    explanation::explain,
    question::{Caller, Question},
    told::{found, told},
};

/// A page after it was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// The page with the right-hand columns as they came out.
    pub text: String,
    /// How many rows were played.
    pub rows: usize,
    /// Rows that say something else than what came out, each as a sentence with its line.
    pub failures: Vec<String>,
}

/// The headers that make a table a test.
const HEADERS: [(&[&str], Play); 3] = [
    (&["from", "request", "goes to", "because"], request),
    (&["from", "thing", "field", "value"], setting),
    (&["object", "field", "finding"], finding),
];

/// Plays one row: the objects so far, its cells, and the cells as they should read.
type Play = fn(&[Value], &[&str]) -> Result<Vec<String>, String>;

/// What stands in every mesh: the gateway's Service, through which ports are looked up.
const PRELUDE: &str = "apiVersion: v1
kind: Service
metadata: { name: istio-ingressgateway, namespace: istio-system }
spec:
  clusterIP: 10.96.0.2
  selector: { app: istio-ingressgateway, istio: ingressgateway }
  ports:
  - { name: http2, port: 8080, targetPort: 8080 }
  - { name: http, port: 80, targetPort: 8080 }
  - { name: https, port: 8443, targetPort: 8443 }
";

/// Plays a page: each table sees the objects of all YAML blocks above it.
///
/// # Errors
/// A sentence with the line, when a block is not YAML or a row is no request.
pub fn play(page: &str) -> Result<Played, String> {
    let mut objects = documents(PRELUDE).map_err(|error| format!("the prelude: {error}"))?;
    let mut played = Played { text: String::new(), rows: 0, failures: Vec::new() };
    let mut block: Option<(usize, String)> = None;
    let mut table: Option<Play> = None;
    for (idx, line) in page.lines().enumerate() {
        let number = idx + 1;
        let mut out = line.to_owned();
        if let Some((began, yaml)) = &mut block {
            if line.trim_end() == "```" {
                let found = documents(yaml).map_err(|error| format!("line {began}: {error}"))?;
                objects.extend(found);
                block = None;
            } else {
                yaml.push_str(line);
                yaml.push('\n');
            }
        } else if line.trim_end() == "```yaml" {
            block = Some((number, String::new()));
        } else if let Some(cells) = cells(line) {
            let ruler = cells.iter().all(|it| it.chars().all(|it| it == '-'));
            match (HEADERS.iter().find(|(header, _)| *header == cells), table) {
                (Some((_, play)), _) => table = Some(*play),
                (None, Some(play)) if !ruler => {
                    out = row(play, &objects, &cells, number, &mut played)?;
                }
                _ => {}
            }
        } else {
            table = None;
        }
        played.text.push_str(&out);
        played.text.push('\n');
    }
    match block {
        Some((began, _)) => Err(format!("line {began}: the block does not end")),
        None => Ok(played),
    }
}

/// Plays one row and gives it as it should read.
fn row(
    play: Play,
    objects: &[Value],
    cells: &[&str],
    number: usize,
    played: &mut Played,
) -> Result<String, String> {
    let right = play(objects, cells).map_err(|error| format!("line {number}: {error}"))?;
    played.rows += 1;
    if right != cells {
        let mut said = format!("line {number}: {}", cells[..2].join(" "));
        for (right, cell) in right.iter().zip(cells).filter(|(right, cell)| right != cell) {
            // Writing to a String cannot fail.
            write!(said, "; it is {right:?}, and the page says {cell:?}").ok();
        }
        played.failures.push(said);
    }
    Ok(format!("| {} |", right.join(" | ")))
}

/// `from`, `request`: where it goes, and which rule decides.
fn request(objects: &[Value], cells: &[&str]) -> Result<Vec<String>, String> {
    let &[from, request, ..] = cells else { return Err("four columns are wanted".to_owned()) };
    let found = explain(objects, &Question::read(from, request)?)?;
    let rule = if found.rule.is_empty() { "no rule".to_owned() } else { found.rule };
    Ok(vec![from.to_owned(), request.to_owned(), found.goes.to_string(), rule])
}

/// `from`, `thing`, `field`: what the proxy is told there.
fn setting(objects: &[Value], cells: &[&str]) -> Result<Vec<String>, String> {
    let &[from, thing, field, ..] = cells else { return Err("four columns are wanted".to_owned()) };
    let value = told(objects, &Caller::read(from)?, thing, field)?;
    Ok([from, thing, field, &value].map(str::to_owned).into())
}

/// `object`, `field`: which findings there are.
fn finding(objects: &[Value], cells: &[&str]) -> Result<Vec<String>, String> {
    let &[object, field, ..] = cells else { return Err("three columns are wanted".to_owned()) };
    let codes = found(objects, object, field);
    Ok([object, field, &codes].map(str::to_owned).into())
}

/// The cells of a table's line.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// The objects of a YAML stream, with `default` as the namespace of those that name none.
fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    for part in format!("\n{text}").split("\n---\n") {
        let mut value: Value = serde_saphyr::from_str(part).map_err(|error| error.to_string())?;
        if value.is_null() {
            continue;
        }
        if value["metadata"]["namespace"].is_null() && value["kind"] != "Namespace" {
            value["metadata"]["namespace"] = "default".into();
        }
        found.push(value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page

```yaml
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { clusterIP: 10.96.1.1, selector: { app: web }, ports: [ { name: http, port: 80 } ] }
```

| from | request | goes to | because |
|---|---|---|---|
| default/a | GET http://web/ | web | default |
| default/a | GET http://web/ | nowhere | default |
";

    #[test]
    fn a_row_that_lies_is_found_and_written_as_it_is() {
        let played = play(PAGE).unwrap();
        assert_eq!(played.rows, 2);
        assert_eq!(played.failures.len(), 1, "{:?}", played.failures);
        assert!(played.failures[0].starts_with("line 13:"), "{:?}", played.failures);
        assert_eq!(played.text, PAGE.replace("nowhere", "web"));
    }

    #[test]
    fn settings_and_findings_are_played_too() {
        let rule = "```yaml
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web, trafficPolicy: { connectionPool: { tcp: { connectTimeout: 3s } }, proxyProtocol: { version: V1 } } }
```

| from | thing | field | value |
|---|---|---|---|
| default/a | cluster web:80 | connectTimeout | 3s |
| default/a | cluster web:80 | lbPolicy | RANDOM |
| default/a | route default@web | route/cluster | web:80 |
| default/a | cluster web:80 | nothing/there | - |

| object | field | finding |
|---|---|---|
| DestinationRule default/web | spec.trafficPolicy.proxyProtocol | LAT0001 |
| DestinationRule default/web | spec.host | none |
";
        let page = PAGE.replace("| default/a | GET http://web/ | nowhere | default |\n", rule);
        let played = play(&page.replace("default |\n```yaml", "default |\n\n```yaml")).unwrap();
        assert_eq!(played.rows, 7);
        assert_eq!(played.failures.len(), 1, "{:?}", played.failures);
        assert!(played.failures[0].contains("LEAST_REQUEST"), "{:?}", played.failures);
    }

    #[test]
    fn a_broken_page_names_the_line() {
        let said = play("```yaml\na: [\n```\n").unwrap_err();
        assert!(said.starts_with("line 1:"), "{said}");
        let said =
            play("| from | request | goes to | because |\n|---|---|---|---|\n| x | y | z | w |\n");
        assert!(said.unwrap_err().starts_with("line 3:"));
    }
}
