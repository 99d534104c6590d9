//! Pages of the book as tests: the objects of a page, and tables of requests with where they go.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{explanation::explain, question::Question};

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

/// The header that makes a table a test.
const HEADER: [&str; 4] = ["from", "request", "goes to", "because"];

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
    let mut is_table = false;
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
            if cells == HEADER {
                is_table = true;
            } else if is_table && !cells.iter().all(|it| it.chars().all(|it| it == '-')) {
                out = row(&objects, &cells, number, &mut played)?;
            }
        } else {
            is_table = false;
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
    objects: &[Value],
    cells: &[&str],
    number: usize,
    played: &mut Played,
) -> Result<String, String> {
    let &[from, request, goes, because] = cells else {
        return Err(format!("line {number}: {} columns are wanted", HEADER.len()));
    };
    let question =
        Question::read(from, request).map_err(|error| format!("line {number}: {error}"))?;
    let found = explain(objects, &question).map_err(|error| format!("line {number}: {error}"))?;
    let rule = if found.rule.is_empty() { "no rule" } else { &found.rule };
    let went = found.goes.to_string();
    played.rows += 1;
    if went != goes || rule != because {
        let mut said = String::new();
        // Writing to a String cannot fail.
        write!(said, "line {number}: {question} goes to {went:?} because of {rule:?}; the page says {goes:?}, {because:?}").ok();
        played.failures.push(said);
    }
    Ok(format!("| {from} | {request} | {went} | {rule} |"))
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
    fn a_broken_page_names_the_line() {
        let said = play("```yaml\na: [\n```\n").unwrap_err();
        assert!(said.starts_with("line 1:"), "{said}");
        let said =
            play("| from | request | goes to | because |\n|---|---|---|---|\n| x | y | z | w |\n");
        assert!(said.unwrap_err().starts_with("line 3:"));
    }
}
