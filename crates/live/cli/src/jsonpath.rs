//! kubectl's JSONPath templates: text with `{paths}`, `{range}`…`{end}` and quoted words.
//!
//! Spec: <https://kubernetes.io/docs/reference/kubectl/jsonpath/>

mod parse;

use std::cmp::Ordering;

use serde_json::Value;

use crate::apply::sorted;

/// A template that has been read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Path(Path),
    Range(Path, Vec<Part>),
}

/// A path from the whole document or from the current item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    from_root: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `.name`, `['name']`
    Field(String),
    /// `.*`, `[*]`
    All,
    /// `..`: the value and all within it
    Deep,
    /// `[1]`, `[-1]`
    Index(i64),
    /// `[1:3:2]`
    Slice(Option<i64>, Option<i64>, i64),
    /// `['a','b']`, `[0,2]`
    Union(Vec<Step>),
    /// `[?(@.a == "b")]`
    Filter(Operand, Option<(Comparison, Operand)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence with the place in the template.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        parse::template(text).map(Self)
    }

    /// The text for a document; what is not there gives nothing.
    pub(crate) fn render(&self, document: &Value) -> String {
        let mut out = String::new();
        render(&self.0, document, document, &mut out);
        out
    }
}

impl Path {
    /// Reads one path; braces and the first dot may be left out, as in `--sort-by`.
    ///
    /// # Errors
    /// A sentence with the place in the path.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        parse::path(text)
    }

    /// The values that it leads to.
    pub(crate) fn select<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        select(self, document, document)
    }
}

fn render(parts: &[Part], root: &Value, here: &Value, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => {
                let found: Vec<String> = select(path, root, here).into_iter().map(text).collect();
                out.push_str(&found.join(" "));
            }
            Part::Range(path, inner) => {
                for item in select(path, root, here) {
                    render(inner, root, item, out);
                }
            }
        }
    }
}

/// A value as a person reads it: words bare, the rest as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => sorted(other).to_string(),
    }
}

fn select<'a>(path: &Path, root: &'a Value, here: &'a Value) -> Vec<&'a Value> {
    let mut found = vec![if path.from_root { root } else { here }];
    for step in &path.steps {
        found = found.into_iter().flat_map(|value| follow(step, root, value)).collect();
    }
    found
}

fn follow<'a>(step: &Step, root: &'a Value, value: &'a Value) -> Vec<&'a Value> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::All => match value {
            Value::Object(fields) => fields.values().collect(),
            _ => items.iter().collect(),
        },
        Step::Deep => {
            let mut found = vec![value];
            found.extend(
                follow(&Step::All, root, value).into_iter().flat_map(|it| follow(step, root, it)),
            );
            found
        }
        Step::Index(at) => {
            position(*at, items.len()).and_then(|at| items.get(at)).into_iter().collect()
        }
        Step::Slice(from, to, by) => {
            let bound = |at: Option<i64>, otherwise: usize| {
                at.map_or(otherwise, |at| position(at, items.len()).unwrap_or(0).min(items.len()))
            };
            let (from, to) = (bound(*from, 0), bound(*to, items.len()));
            let by = usize::try_from(*by).unwrap_or(1).max(1);
            items.get(from..to.max(from)).unwrap_or_default().iter().step_by(by).collect()
        }
        Step::Union(steps) => steps.iter().flat_map(|step| follow(step, root, value)).collect(),
        Step::Filter(left, test) => {
            items.iter().filter(|item| holds(left, test.as_ref(), root, item)).collect()
        }
    }
}

/// A place counted from the front, or from the end when it is negative.
fn position(at: i64, len: usize) -> Option<usize> {
    match usize::try_from(at) {
        Ok(at) => Some(at),
        Err(_) => len.checked_sub(usize::try_from(at.unsigned_abs()).ok()?),
    }
}

fn holds(left: &Operand, test: Option<&(Comparison, Operand)>, root: &Value, item: &Value) -> bool {
    let value = |operand: &Operand| match operand {
        Operand::Literal(value) => Some(value.clone()),
        Operand::Path(path) => select(path, root, item).first().map(|it| (*it).clone()),
    };
    let Some(left) = value(left) else { return false };
    let Some((comparison, right)) = test else { return true };
    let Some(right) = value(right) else { return false };
    let order = match (&left, &right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => (left == right).then_some(Ordering::Equal),
    };
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pods() -> Value {
        json!({ "kind": "List", "items": [
            { "metadata": { "name": "a", "labels": { "app.kubernetes.io/name": "x" } },
              "status": { "podIP": "10.0.0.1", "restarts": 0, "ports": [80, 443, 8080] } },
            { "metadata": { "name": "b", "labels": {} },
              "status": { "podIP": "10.0.0.2", "restarts": 3, "ports": [81], "ready": true } } ] })
    }

    #[test]
    fn templates_give_what_kubectl_gives() {
        for (template, wanted) in [
            ("{.items[*].metadata.name}", "a b"),
            ("{.items[0].metadata.name}", "a"),
            ("{.items[-1:].metadata.name}", "b"),
            ("{.items[-1].metadata.name}", "b"),
            ("{$.kind}: {.items[1]['metadata','status']['name','podIP']}", "List: b 10.0.0.2"),
            ("{.items[?(@.metadata.name==\"b\")].status.podIP}", "10.0.0.2"),
            ("{.items[?(@.status.restarts>1)].metadata.name}", "b"),
            ("{.items[?(@.status.restarts<=1)].metadata.name}", "a"),
            ("{.items[?(@.metadata.name!='b')].metadata.name}", "a"),
            ("{.items[?(@.status.ready)].metadata.name}", "b"),
            ("{.items[?(@.status.ready==true)].metadata.name}", "b"),
            (
                "{range .items[*]}{.metadata.name}{\"\\t\"}{.status.podIP}{\"\\n\"}{end}",
                "a\t10.0.0.1\nb\t10.0.0.2\n",
            ),
            ("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "x"),
            ("{.items[0].metadata.labels['app\\.kubernetes\\.io/name']}", "x"),
            ("{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"),
            ("{..name}", "a b"),
            ("{.items[0].status.ports[0:2]}", "80 443"),
            ("{.items[0].status.ports[0,2]}", "80 8080"),
            ("{.items[0].status.ports}", "[80,443,8080]"),
            ("{.items[0].metadata.labels.*}", "x"),
            (
                "{.items[0].status}",
                "{\"podIP\":\"10.0.0.1\",\"ports\":[80,443,8080],\"restarts\":0}",
            ),
            ("{.nothing.there}", ""),
            ("{.items[7].metadata.name}", ""),
            ("name={'x'}", "name=x"),
            (".kind", "List"),
        ] {
            let read = Template::read(template).unwrap_or_else(|it| panic!("{template}: {it}"));
            assert_eq!(read.render(&pods()), wanted, "{template}");
        }
    }

    #[test]
    fn a_broken_template_is_refused_with_its_place() {
        for (template, part) in [
            ("{.items[0}", "]"),
            ("{.items", "}"),
            ("{range .items[*]}{.a}", "{end}"),
            ("{end}", "{range}"),
            ("{.items[?(@.a ~ 1)]}", "=="),
            ("{'open}", "quote"),
        ] {
            let said = Template::read(template).unwrap_err();
            assert!(said.contains(part), "{template}: {said}");
        }
    }

    #[test]
    fn a_path_may_leave_out_its_braces() {
        for text in ["{.metadata.name}", ".metadata.name", "metadata.name"] {
            let document = &pods()["items"][1];
            assert_eq!(Path::read(text).unwrap().select(document), [&json!("b")], "{text}");
        }
    }
}
