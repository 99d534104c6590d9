//! `analyze`: what is wrong with the objects of a mesh or of files, where, why, and what to do.

mod report;
mod shape;

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use mesh::{FINDINGS, Finding, Key, Kind, Severity, World, understand};
use serde_json::{Value, json};

use crate::{
    api::{Api, Target},
    documents::{self, Document},
    get::whole,
    out::{columns, complain, print},
};
use report::{Row, Suppression};

/// The exit code when something as bad as the threshold was found.
///
/// Spec: istioctl's, so that scripts written for it hold; 2 is a wrong command line.
const FOUND: u8 = 79;

/// The arguments of `analyze`.
#[derive(Debug, clap::Args)]
pub struct Analyze {
    /// Files or folders to look at, as -f
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Files or folders to look at: what would be wrong if they were applied; - for standard input
    #[arg(short, long = "filename", value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Look into the folders below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Whether files are laid over the objects of the mesh [default: if one runs]
    #[arg(long, action = clap::ArgAction::Set, value_name = "true|false")]
    use_kube: Option<bool>,
    /// The namespace [default: the kubeconfig's, which is `default`]
    #[arg(short, long)]
    namespace: Option<String>,
    /// Every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// How to print: text or json
    #[arg(short, long, value_parser = ["text", "json"], default_value = "text", hide_possible_values = true)]
    output: String,
    /// From which severity on the exit code is 79: Info, Warning or Error
    #[arg(long, value_enum, ignore_case = true, default_value = "Error", value_name = "SEVERITY")]
    failure_threshold: Threshold,
    /// Leave out a code, or a code of one object: CODE or "CODE=KIND NAME.NAMESPACE", * fits anything
    #[arg(short = 'S', long, value_name = "WHAT")]
    suppress: Vec<Suppression>,
    /// List the codes that there are, and end
    #[arg(short = 'L', long)]
    list_codes: bool,
}

/// A severity as a word of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Threshold {
    #[value(name = "Info")]
    Info,
    #[value(name = "Warning")]
    Warning,
    #[value(name = "Error")]
    Error,
}

pub(crate) async fn run(target: &Target, analyze: &Analyze) -> anyhow::Result<ExitCode> {
    if analyze.list_codes {
        print(&codes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let files = [analyze.files.as_slice(), analyze.filename.as_slice()].concat();
    let reading = documents::read_each(&files, analyze.recursive)?;
    for error in &reading.errors {
        complain(error);
    }
    let (live, own) = live(target, analyze, files.is_empty()).await?;
    let namespace = analyze.namespace.clone().or(own).unwrap_or_else(|| "default".to_owned());
    let mut documents = reading.documents;
    for document in &mut documents {
        settle(document, &namespace);
    }
    let mut rows = if files.is_empty() {
        rows_of_live(&live, (!analyze.all_namespaces).then_some(namespace.as_str()))
    } else {
        rows_of_files(&live, &documents)
    };
    rows.retain(|row| !analyze.suppress.iter().any(|it| it.fits(row)));
    rows.retain(|row| !suppressed_by_object(row, &live, &documents));
    rows.sort_by(|a, b| (b.severity, &a.place, &a.object).cmp(&(a.severity, &b.place, &b.object)));
    let looked_at = match (files.is_empty(), analyze.all_namespaces) {
        (false, _) => format!("{} objects of files", documents.len()),
        (true, true) => "all namespaces".to_owned(),
        (true, false) => format!("namespace {namespace}"),
    };
    if analyze.output == "json" {
        let all: Vec<Value> = rows.iter().map(Row::json).collect();
        print(&(serde_json::to_string_pretty(&all)? + "\n"))?;
    } else {
        print(&report::text(&rows, &looked_at))?;
    }
    if !reading.errors.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let threshold = match analyze.failure_threshold {
        Threshold::Info => Severity::Info,
        Threshold::Warning => Severity::Warning,
        Threshold::Error => Severity::Error,
    };
    let found = rows.iter().any(|row| row.severity >= threshold);
    Ok(if found { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// The objects of the mesh, as far as they are wanted and there, and its kubeconfig's namespace.
async fn live(
    target: &Target,
    analyze: &Analyze,
    needed: bool,
) -> anyhow::Result<(Vec<Value>, Option<String>)> {
    if analyze.use_kube == Some(false) {
        anyhow::ensure!(!needed, "say which files: lateen analyze --use-kube=false -f FILE");
        return Ok((Vec::new(), None));
    }
    let found = async {
        let api = Api::reach(target).await?;
        Ok::<_, anyhow::Error>((objects(&api).await?, Some(api.namespace(None).to_owned())))
    };
    match found.await {
        Ok(found) => Ok(found),
        Err(error) if needed || analyze.use_kube == Some(true) => Err(error),
        Err(_) => {
            eprintln!("No mesh runs here: the files are looked at alone.");
            Ok((Vec::new(), None))
        }
    }
}

/// All objects that mean something to the mesh.
pub(crate) async fn objects(api: &Api) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for resource in api.resources().await?.preferred() {
        if Kind::of(&resource.api_version(), &resource.kind).is_none() {
            continue;
        }
        let list = match api.read(&resource.path(None, None)).await {
            // Who may look at rules may not look at Secrets everywhere; the rest is worth a look all the same.
            Err(_) if resource.kind == "Secret" => continue,
            list => list?,
        };
        let items = list["items"].as_array().into_iter().flatten();
        objects.extend(items.map(|it| whole(it, resource)));
    }
    Ok(objects)
}

/// Whether an object can have findings of its own.
pub(crate) fn has_findings(object: &Value) -> bool {
    Key::of(object).is_some_and(|key| {
        matches!(
            key.kind,
            Kind::Pod
                | Kind::Service
                | Kind::VirtualService
                | Kind::DestinationRule
                | Kind::Gateway
                | Kind::ServiceEntry
                | Kind::WorkloadEntry
                | Kind::WorkloadGroup
                | Kind::Sidecar
                | Kind::PeerAuthentication
                | Kind::ProxyConfig
                | Kind::ConfigMap
        )
    })
}

/// What is wrong with one live object, and what to do.
pub(crate) async fn of_object(api: &Api, object: &Value) -> anyhow::Result<Vec<String>> {
    let objects = objects(api).await?;
    let key = Key::of(object);
    let (_, findings) = understand(&World::new(&objects));
    let own = findings.iter().filter(|it| Some(&it.object) == key.as_ref());
    Ok(own.flat_map(|it| Row::of(it, None).brief(false)).collect())
}

/// What is wrong with the objects that a page is about, `Kind namespace/name` each.
pub(crate) fn about(objects: &[Value], wanted: &[String]) -> Vec<String> {
    let (_, findings) = understand(&World::new(objects));
    let own = findings.iter().filter(|it| wanted.contains(&it.object.to_string()));
    own.flat_map(|it| Row::of(it, None).brief(true)).collect()
}

fn rows_of_live(live: &[Value], namespace: Option<&str>) -> Vec<Row> {
    let (_, findings) = understand(&World::new(live));
    let own = findings
        .iter()
        .filter(|it| namespace.is_none_or(|namespace| it.object.namespace == namespace));
    own.map(|it| Row::of(it, None)).collect()
}

/// What is wrong with the objects of the files, and what they would break in the mesh.
fn rows_of_files(live: &[Value], documents: &[Document]) -> Vec<Row> {
    let mut world = World::new(live);
    let (_, before) = understand(&world);
    let before: BTreeSet<Finding> = before.into_iter().collect();
    for document in documents {
        world.upsert(&document.value);
    }
    let document_of =
        |key: &Key| documents.iter().rev().find(|it| Key::of(&it.value).as_ref() == Some(key));
    let (_, findings) = understand(&world);
    let mut rows: Vec<Row> = Vec::new();
    for document in documents {
        rows.extend(
            shape::faults(&document.value).into_iter().map(|fault| Row::of_shape(document, &fault)),
        );
    }
    for finding in &findings {
        let document = document_of(&finding.object);
        if document.is_none() && before.contains(finding) {
            continue;
        }
        let row = Row::of(finding, document);
        // What the schema has said of this place already is not said twice.
        let same = |it: &Row| it.code == row.code && it.object == row.object && it.path == row.path;
        if !rows.iter().any(same) {
            rows.push(row);
        }
    }
    rows
}

/// Gives an object without a namespace the one that it would be applied to.
fn settle(document: &mut Document, namespace: &str) {
    let namespaced = !shape::is_cluster_wide(&document.value);
    if let Some(metadata) = document.value["metadata"].as_object_mut()
        && namespaced
        && metadata.get("namespace").is_none_or(Value::is_null)
    {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
}

/// The annotation by which an object says that it means it.
fn suppressed_by_object(row: &Row, live: &[Value], documents: &[Document]) -> bool {
    const ANNOTATION: &str = "galley.istio.io/analyze-suppress";
    let all = documents.iter().map(|it| &it.value).chain(live);
    let mut same = all.filter(|it| Key::of(it).is_some_and(|key| key.to_string() == row.object));
    let codes = same.next().map(|it| it["metadata"]["annotations"][ANNOTATION].clone());
    let codes = codes.as_ref().and_then(Value::as_str).unwrap_or("");
    codes.split(',').map(str::trim).any(|it| it == "*" || it == row.code)
}

fn codes() -> String {
    let mut lines = vec![["CODE", "SEVERITY", "NAME", "WHAT IT MEANS"].map(str::to_owned).to_vec()];
    lines.extend(
        FINDINGS.iter().map(|row| {
            [row.id, row.severity.word(), row.name, row.help].map(str::to_owned).to_vec()
        }),
    );
    lines.sort_by(|a, b| (b[0] == "CODE", &a[0]).cmp(&(a[0] == "CODE", &b[0])));
    columns(&lines)
}

#[cfg(test)]
mod tests;
