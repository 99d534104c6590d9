//! `get`: the server's tables, or whole objects.

use std::fmt::Write as _;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    api::{AS_TABLE, Api},
    resources::Resource,
};

/// The arguments of `get`.
#[derive(Debug, clap::Args)]
pub struct Get {
    /// KIND, KIND NAME…, KIND/NAME…, or several kinds with commas
    #[arg(required = true)]
    what: Vec<String>,
    /// The namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only objects with these labels, such as app=web,version!=v1
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// Only objects with these fields, such as status.phase=Running
    #[arg(long)]
    field_selector: Option<String>,
    /// How to print
    #[arg(short, long)]
    output: Option<Output>,
    /// Go on and print each change
    #[arg(short, long)]
    watch: bool,
    /// Show the labels as the last column
    #[arg(long)]
    show_labels: bool,
}

/// The forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// More columns
    Wide,
    /// The objects as YAML
    Yaml,
    /// The objects as JSON
    Json,
    /// kind/name, one a line
    Name,
}

/// Splits `KIND NAME…` and `KIND/NAME…` into a kind and names; no name means all.
pub(crate) fn targets(what: &[String]) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    if what.iter().any(|it| it.contains('/')) {
        return what
            .iter()
            .map(|it| match it.split_once('/') {
                Some((kind, name)) if !name.is_empty() => {
                    Ok((kind.to_owned(), vec![name.to_owned()]))
                }
                _ => anyhow::bail!("say KIND NAME or KIND/NAME, not both: {it:?}"),
            })
            .collect();
    }
    let (kind, names) = what.split_first().ok_or_else(|| anyhow::anyhow!("say which kind"))?;
    Ok(vec![(kind.clone(), names.to_vec())])
}

/// `?labelSelector=…&…` of what is given.
pub(crate) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if let Some(value) = value {
            let mark = if text.is_empty() { '?' } else { '&' };
            write!(text, "{mark}{name}={}", encoded(value)).ok();
        }
    }
    text
}

fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").ok();
        }
    }
    text
}

pub(crate) async fn run(api: &Api, get: &Get) -> anyhow::Result<()> {
    let mut printed = false;
    let mut objects = Vec::new();
    for (word, names) in targets(&get.what)? {
        let resources = api.resources().await?.words(&word)?;
        let several = resources.len() > 1;
        for resource in resources {
            let namespace = (!get.all_namespaces).then_some(get.namespace.as_str());
            let selectors = query(&[
                ("labelSelector", get.selector.as_deref()),
                ("fieldSelector", get.field_selector.as_deref()),
            ]);
            let list = vec![resource.path(namespace, None) + &selectors];
            let one = |name: &String| resource.path(namespace, Some(name));
            let paths = if names.is_empty() { list } else { names.iter().map(one).collect() };
            for path in paths {
                match get.output {
                    Some(Output::Yaml | Output::Json | Output::Name) => {
                        let found = api.read(&path).await?;
                        match found["items"].as_array().filter(|_| names.is_empty()) {
                            Some(items) => {
                                objects.extend(items.iter().map(|it| whole(it, resource)));
                            }
                            None => objects.push(found),
                        }
                    }
                    _ => printed |= table(api, get, resource, &path, several).await?,
                }
            }
        }
    }
    match get.output {
        Some(Output::Name) => {
            for object in &objects {
                println!("{}", name_of(api, object).await?);
            }
        }
        Some(output @ (Output::Yaml | Output::Json)) => {
            let whole = match objects.len() {
                1 if targets(&get.what)?.iter().any(|(_, names)| !names.is_empty()) => {
                    objects.remove(0)
                }
                _ => json!({ "apiVersion": "v1", "kind": "List", "items": objects }),
            };
            match output {
                Output::Json => println!("{}", serde_json::to_string_pretty(&whole)?),
                _ => print!("{}", serde_saphyr::to_string(&whole)?),
            }
        }
        _ if !printed && !get.watch => eprintln!("No resources found."),
        _ => {}
    }
    Ok(())
}

/// Items of a list carry no apiVersion and kind of their own in Kubernetes' lists.
fn whole(item: &Value, resource: &Resource) -> Value {
    let version = match resource.group.as_str() {
        "" => resource.version.clone(),
        group => format!("{group}/{}", resource.version),
    };
    let mut whole = json!({ "apiVersion": version, "kind": resource.kind });
    if let (Some(to), Some(from)) = (whole.as_object_mut(), item.as_object()) {
        to.extend(from.clone());
    }
    whole
}

async fn name_of(api: &Api, object: &Value) -> anyhow::Result<String> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let resource = api.kind(&text(&object["apiVersion"]), &text(&object["kind"])).await?;
    Ok(format!("{}/{}", resource.label(), text(&object["metadata"]["name"])))
}

async fn table(
    api: &Api,
    get: &Get,
    resource: &Resource,
    path: &str,
    several: bool,
) -> anyhow::Result<bool> {
    let found = api.call("GET", path, AS_TABLE, None).await?;
    let prefix = several.then(|| resource.label());
    let mut printer = Printer::new(get, prefix);
    let rows = found["rows"].as_array().map_or(0, Vec::len);
    print!("{}", printer.print(&found));
    if several && rows > 0 {
        println!();
    }
    if get.watch {
        let revision = found["metadata"]["resourceVersion"].as_str().unwrap_or("0");
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}watch=true&resourceVersion={revision}");
        let mut frames = api.stream(&path, AS_TABLE).await?;
        let mut buffer = Vec::new();
        while let Some(bytes) = frames.next().await {
            buffer.extend_from_slice(&bytes?);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line)?;
                anyhow::ensure!(event["type"] != "ERROR", "{}", event["object"]["message"]);
                if event["type"] != "BOOKMARK" {
                    print!("{}", printer.print(&event["object"]));
                }
            }
        }
    }
    Ok(rows > 0)
}

/// Prints tables in columns; the header once, and widths that only grow.
struct Printer<'a> {
    get: &'a Get,
    prefix: Option<String>,
    widths: Vec<usize>,
    columns: Vec<Value>,
    began: bool,
}

impl<'a> Printer<'a> {
    fn new(get: &'a Get, prefix: Option<String>) -> Self {
        Self { get, prefix, widths: Vec::new(), columns: Vec::new(), began: false }
    }

    fn print(&mut self, table: &Value) -> String {
        if let Some(columns) = table["columnDefinitions"].as_array() {
            self.columns.clone_from(columns);
        }
        let wide = self.get.output == Some(Output::Wide);
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|idx| wide || self.columns[*idx]["priority"].as_i64().unwrap_or(0) == 0)
            .collect();
        let mut lines = Vec::new();
        let rows = table["rows"].as_array().cloned().unwrap_or_default();
        if !self.began && !rows.is_empty() {
            self.began = true;
            let mut header = Vec::new();
            if self.get.all_namespaces {
                header.push("NAMESPACE".to_owned());
            }
            header.extend(shown.iter().map(|idx| text(&self.columns[*idx]["name"]).to_uppercase()));
            if self.get.show_labels {
                header.push("LABELS".to_owned());
            }
            lines.push(header);
        }
        for row in &rows {
            let metadata = &row["object"]["metadata"];
            let mut line = Vec::new();
            if self.get.all_namespaces {
                line.push(text(&metadata["namespace"]));
            }
            for idx in &shown {
                let cell = text(&row["cells"][*idx]);
                line.push(match &self.prefix {
                    Some(prefix) if *idx == 0 => format!("{prefix}/{cell}"),
                    _ => cell,
                });
            }
            if self.get.show_labels {
                let labels = metadata["labels"].as_object().cloned().unwrap_or_default();
                let labels: Vec<_> =
                    labels.iter().map(|(k, v)| format!("{k}={}", text(v))).collect();
                line.push(if labels.is_empty() { "<none>".to_owned() } else { labels.join(",") });
            }
            lines.push(line);
        }
        self.lay_out(&lines)
    }

    fn lay_out(&mut self, lines: &[Vec<String>]) -> String {
        for line in lines {
            self.widths.resize(self.widths.len().max(line.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut out = String::new();
        for line in lines {
            let mut row = String::new();
            for (width, cell) in self.widths.iter().zip(line) {
                write!(row, "{cell:<width$}   ").ok();
            }
            out.push_str(row.trim_end());
            out.push('\n');
        }
        out
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_names_are_told_apart() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(targets(&words("pods")).unwrap(), [("pods".to_owned(), vec![])]);
        assert_eq!(targets(&words("pod a b")).unwrap()[0].1, ["a", "b"]);
        assert_eq!(targets(&words("vs/a dr/b")).unwrap().len(), 2);
        assert!(targets(&words("vs/a dr")).is_err());
    }

    #[test]
    fn a_query_is_encoded() {
        let made = query(&[("labelSelector", Some("app=web,v!=1")), ("fieldSelector", None)]);
        assert_eq!(made, "?labelSelector=app%3Dweb%2Cv%21%3D1");
    }
}
