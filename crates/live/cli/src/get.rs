//! `get`: the server's tables, or whole objects.

mod table;

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    api::{AS_TABLE, Api},
    apply::{is, sorted},
    documents,
    jsonpath::Path,
    out::{complain, print},
    output::{Output, own_table},
    resources::Resource,
};
pub(crate) use table::labels;
use table::{Printer, Shape};

/// The arguments of `get`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct Get {
    /// KIND, KIND NAME…, KIND/NAME…, or several kinds with commas; `all` for the usual ones
    #[arg(required_unless_present = "filename")]
    what: Vec<String>,
    /// The objects that these files name
    #[arg(short, long = "filename", value_name = "FILE", conflicts_with = "what")]
    filename: Vec<PathBuf>,
    /// The namespace [default: the kubeconfig's, which is `default`]
    #[arg(short, long)]
    namespace: Option<String>,
    /// Every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only objects with these labels, such as app=web,version!=v1
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Only objects with these fields, such as status.phase=Running
    #[arg(long, value_name = "FIELDS")]
    field_selector: Option<String>,
    /// wide, yaml, json, name, jsonpath=TEMPLATE or custom-columns=HEADER:.path,…
    #[arg(short, long, value_name = "FORM")]
    output: Option<Output>,
    /// Go on and print each change
    #[arg(short, long)]
    watch: bool,
    /// As --watch, without what is there already
    #[arg(long)]
    watch_only: bool,
    /// Show the labels as the last column
    #[arg(long)]
    show_labels: bool,
    /// Show these labels as columns
    #[arg(short = 'L', long, value_name = "LABELS", value_delimiter = ',')]
    label_columns: Vec<String>,
    /// Leave out the line of headers
    #[arg(long)]
    no_headers: bool,
    /// Sort by this path, such as .metadata.creationTimestamp
    #[arg(long, value_name = "PATH", value_parser = Path::read)]
    sort_by: Option<Path>,
    /// What is not there is no error
    #[arg(long)]
    ignore_not_found: bool,
}

/// What is asked of one kind: all of them, or some by namespace and name.
struct Wanted<'a> {
    resource: &'a Resource,
    names: Vec<(String, String)>,
}

/// Splits `KIND NAME…` and `KIND/NAME…` into a kind and names; no name means all.
pub(crate) fn targets(what: &[String]) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    if what.iter().any(|it| it.contains('/')) {
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for it in what {
            let Some((kind, name)) = it
                .split_once('/')
                .filter(|(kind, name)| !kind.is_empty() && !name.is_empty() && !name.contains('/'))
            else {
                anyhow::bail!("say KIND NAME or KIND/NAME, not both: {it:?}");
            };
            match found.iter_mut().find(|(known, _)| known == kind) {
                Some((_, names)) => names.push(name.to_owned()),
                None => found.push((kind.to_owned(), vec![name.to_owned()])),
            }
        }
        return Ok(found);
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

pub(crate) fn encoded(value: &str) -> String {
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

pub(crate) async fn run(api: &Api, get: &Get) -> anyhow::Result<ExitCode> {
    let namespace = api.namespace(get.namespace.as_deref());
    let wanted = wanted(api, get, namespace).await?;
    anyhow::ensure!(
        !get.all_namespaces || wanted.iter().all(|it| it.names.is_empty()),
        "a name is of one namespace: say -n NAMESPACE instead of -A"
    );
    let watch = get.watch || get.watch_only;
    let mut job = Job { api, get, namespace, failed: false, found: 0 };
    match &get.output {
        None | Some(Output::Wide) => {
            anyhow::ensure!(
                !watch || wanted.len() == 1,
                "one kind can be watched at a time: leave out the others"
            );
            job.tables(&wanted).await?;
        }
        Some(output) => {
            anyhow::ensure!(!watch, "-w prints tables: leave out -o, or say -o wide");
            let objects = job.objects(&wanted).await?;
            job.whole(output, &objects, &wanted).await?;
        }
    }
    if job.found == 0 && !job.failed && !watch && !get.ignore_not_found {
        let structured =
            matches!(get.output, Some(Output::Json | Output::Yaml | Output::JsonPath(_)));
        if !structured {
            job.nothing(&wanted).await;
        }
    }
    Ok(if job.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn wanted<'a>(api: &'a Api, get: &Get, namespace: &str) -> anyhow::Result<Vec<Wanted<'a>>> {
    let mut wanted: Vec<Wanted<'a>> = Vec::new();
    if !get.filename.is_empty() {
        for document in documents::read(&get.filename)? {
            let text = |pointer: &str| document.value.pointer(pointer).and_then(Value::as_str);
            let (version, kind) = (text("/apiVersion"), text("/kind"));
            let resource = api.kind(version.unwrap_or(""), kind.unwrap_or("")).await?;
            let namespace = text("/metadata/namespace").unwrap_or(namespace).to_owned();
            let name = text("/metadata/name").unwrap_or("").to_owned();
            match wanted.iter_mut().find(|it| it.resource == resource) {
                Some(known) => known.names.push((namespace, name)),
                None => wanted.push(Wanted { resource, names: vec![(namespace, name)] }),
            }
        }
        return Ok(wanted);
    }
    for (word, names) in targets(&get.what)? {
        for resource in api.resources().await?.words(&word)? {
            let names = names.iter().map(|name| (namespace.to_owned(), name.clone())).collect();
            wanted.push(Wanted { resource, names });
        }
    }
    Ok(wanted)
}

/// One run of `get`.
struct Job<'a> {
    api: &'a Api,
    get: &'a Get,
    namespace: &'a str,
    failed: bool,
    found: usize,
}

impl Job<'_> {
    /// The paths to ask for one kind.
    fn paths(&self, wanted: &Wanted<'_>) -> Vec<(String, Option<(String, String)>)> {
        if !wanted.names.is_empty() {
            let one = |key: &(String, String)| {
                (wanted.resource.path(Some(&key.0), Some(&key.1)), Some(key.clone()))
            };
            return wanted.names.iter().map(one).collect();
        }
        let namespace = (!self.get.all_namespaces).then_some(self.namespace);
        let selectors = query(&[
            ("labelSelector", self.get.selector.as_deref()),
            ("fieldSelector", self.get.field_selector.as_deref()),
        ]);
        vec![(wanted.resource.path(namespace, None) + &selectors, None)]
    }

    /// Asks; a name that is not there is said, and the others are still shown.
    async fn ask(
        &mut self,
        resource: &Resource,
        path: &str,
        key: Option<&(String, String)>,
        accept: &str,
    ) -> anyhow::Result<Option<Value>> {
        match self.api.call("GET", path, accept, None).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is(&error, 404) && key.is_some() => {
                if let Some((namespace, name)) = key.filter(|_| !self.get.ignore_not_found) {
                    complain(&self.api.with_hint(error, resource, namespace, name).await);
                    self.failed = true;
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn tables(&mut self, wanted: &[Wanted<'_>]) -> anyhow::Result<()> {
        let mut first = true;
        for one in wanted {
            let shape = Shape {
                prefix: (wanted.len() > 1).then(|| one.resource.label()),
                wide: self.get.output == Some(Output::Wide),
                namespaces: self.get.all_namespaces && one.resource.namespaced,
                labels: self.get.show_labels,
                label_columns: self.get.label_columns.clone(),
                headers: !self.get.no_headers,
            };
            let mut printer = Printer::new(shape);
            let mut rows = Vec::new();
            let mut watched = None;
            for (path, key) in self.paths(one) {
                let mark = if path.contains('?') { '&' } else { '?' };
                let asked = match &self.get.sort_by {
                    Some(_) => format!("{path}{mark}includeObject=Object"),
                    None => path.clone(),
                };
                let Some(table) = self.ask(one.resource, &asked, key.as_ref(), AS_TABLE).await?
                else {
                    continue;
                };
                printer.know(&table);
                rows.extend(table["rows"].as_array().cloned().unwrap_or_default());
                watched = Some((path, key, table));
            }
            if let Some(by) = &self.get.sort_by {
                table::sort(&mut rows, by);
            }
            self.found += rows.len();
            if !rows.is_empty() && !self.get.watch_only {
                let text = printer.print(&rows);
                print(&if first { text } else { format!("\n{text}") })?;
                first = false;
            }
            if let Some((path, key, table)) =
                watched.filter(|_| self.get.watch || self.get.watch_only)
            {
                self.watch(one.resource, &path, key.as_ref(), &table, &mut printer).await?;
            }
        }
        Ok(())
    }

    async fn watch(
        &self,
        resource: &Resource,
        path: &str,
        key: Option<&(String, String)>,
        table: &Value,
        printer: &mut Printer,
    ) -> anyhow::Result<()> {
        // One object is watched as the list of those with its name.
        let path = match key {
            None => path.to_owned(),
            Some((namespace, name)) => {
                let field = format!("metadata.name={name}");
                resource.path(Some(namespace), None) + &query(&[("fieldSelector", Some(&field))])
            }
        };
        let revision = &table["metadata"]["resourceVersion"];
        let revision = revision.as_str().unwrap_or("0");
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}watch=true&resourceVersion={revision}");
        let mut frames = self.api.stream(&path, AS_TABLE).await?;
        let mut buffer = Vec::new();
        while let Some(bytes) = frames.next().await {
            buffer.extend_from_slice(&bytes?);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line)?;
                anyhow::ensure!(event["type"] != "ERROR", "{}", event["object"]["message"]);
                if event["type"] != "BOOKMARK" {
                    printer.know(&event["object"]);
                    let rows = event["object"]["rows"].as_array().cloned().unwrap_or_default();
                    print(&printer.print(&rows))?;
                }
            }
        }
        Ok(())
    }

    /// Whole objects of all that was asked for.
    async fn objects(&mut self, wanted: &[Wanted<'_>]) -> anyhow::Result<Vec<Value>> {
        let mut objects = Vec::new();
        for one in wanted {
            for (path, key) in self.paths(one) {
                let found = self.ask(one.resource, &path, key.as_ref(), "application/json").await?;
                let Some(found) = found else { continue };
                match found["items"].as_array().filter(|_| key.is_none()) {
                    Some(items) => objects.extend(items.iter().map(|it| whole(it, one.resource))),
                    None => objects.push(found),
                }
            }
        }
        if let Some(by) = &self.get.sort_by {
            objects.sort_by(|a, b| table::order(by, a, b));
        }
        self.found += objects.len();
        Ok(objects)
    }

    async fn whole(
        &self,
        output: &Output,
        objects: &[Value],
        wanted: &[Wanted<'_>],
    ) -> anyhow::Result<()> {
        // One name is one object; everything else is a list, however long.
        let names: usize = wanted.iter().map(|it| it.names.len()).sum();
        let one = names == 1 && wanted.len() == 1;
        if one && objects.is_empty() {
            return Ok(());
        }
        let document = || match objects {
            [only] if one => only.clone(),
            all => json!({
                "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" },
                "items": all,
            }),
        };
        match output {
            Output::Name => {
                let mut text = String::new();
                for object in objects {
                    text += &name_of(self.api, object).await?;
                    text.push('\n');
                }
                print(&text)
            }
            Output::Json => print(&json_text(&sorted(&document()))?),
            Output::Yaml => print(&serde_saphyr::to_string(&sorted(&document()))?),
            Output::JsonPath(template) => print(&template.render(&document())),
            Output::Columns(columns) if objects.is_empty() && self.get.no_headers => {
                print(&own_table(columns, &[], false))
            }
            Output::Columns(columns) => print(&own_table(columns, objects, !self.get.no_headers)),
            Output::Wide => Ok(()),
        }
    }

    /// Says that nothing was found, and why that may be.
    async fn nothing(&self, wanted: &[Wanted<'_>]) {
        let namespaced = wanted.iter().any(|it| it.resource.namespaced);
        if self.get.all_namespaces || !namespaced {
            eprintln!("No resources found");
            return;
        }
        eprintln!("No resources found in {} namespace.", self.namespace);
        if let Some(hint) = self.api.namespace_hint(self.namespace).await {
            eprintln!("  {hint}");
        }
    }
}

/// JSON as kubectl indents it: four blanks.
fn json_text(value: &Value) -> anyhow::Result<String> {
    let mut out = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut out, form);
    serde::Serialize::serialize(value, &mut writer)?;
    out.push(b'\n');
    Ok(String::from_utf8(out)?)
}

/// Items of a list carry no apiVersion and kind of their own in Kubernetes' lists.
pub(crate) fn whole(item: &Value, resource: &Resource) -> Value {
    let mut whole = json!({ "apiVersion": resource.api_version(), "kind": resource.kind });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_names_are_told_apart() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(targets(&words("pods")).unwrap(), [("pods".to_owned(), vec![])]);
        assert_eq!(targets(&words("pod a b")).unwrap()[0].1, ["a", "b"]);
        assert_eq!(targets(&words("vs/a dr/b")).unwrap().len(), 2);
        assert_eq!(targets(&words("vs/a vs/b")).unwrap()[0].1, ["a", "b"]);
        assert!(targets(&words("vs/a dr")).is_err());
        assert!(targets(&words("vs/")).is_err());
    }

    #[test]
    fn a_query_is_encoded() {
        let made = query(&[("labelSelector", Some("app=web,v!=1")), ("fieldSelector", None)]);
        assert_eq!(made, "?labelSelector=app%3Dweb%2Cv%21%3D1");
    }
}
