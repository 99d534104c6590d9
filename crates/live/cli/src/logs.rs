//! `logs`: what containers wrote.

use std::process::ExitCode;

use futures_util::{Stream, StreamExt as _, stream};
use serde_json::Value;

use crate::{
    api::{Api, Failure},
    apply::is,
    get::{query, targets},
    out::{complain, print_bytes},
};
use kinds::words::nearest;

/// Lines of each pod where several are asked and nobody said how many.
const TAIL_OF_MANY: u32 = 10;

/// The arguments of `logs`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct Logs {
    /// POD, pod/POD, or deploy/NAME for one of its pods
    #[arg(required_unless_present = "selector")]
    what: Option<String>,
    /// The container, as -c
    #[arg(conflicts_with = "container")]
    second: Option<String>,
    /// The namespace [default: the kubeconfig's, which is `default`]
    #[arg(short, long)]
    namespace: Option<String>,
    /// The container; the application's unless said
    #[arg(short, long)]
    container: Option<String>,
    /// Of every container of the pod
    #[arg(long, conflicts_with_all = ["container", "second"])]
    all_containers: bool,
    /// Of the pods with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "what")]
    selector: Option<String>,
    /// Go on as more is written
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines; -1 is all [default: all, with -l 10]
    #[arg(long, allow_negative_numbers = true, value_name = "N")]
    tail: Option<i64>,
    /// Only what was written in this time, such as 5s, 2m or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    since: Option<u64>,
    /// Only what was written after this moment, as RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "since")]
    since_time: Option<jiff::Timestamp>,
    /// Of the container before its last restart
    #[arg(short, long)]
    previous: bool,
    /// With the time of each line
    #[arg(long)]
    timestamps: bool,
    /// With the pod and the container of each line
    #[arg(long)]
    prefix: bool,
    /// At most so many bytes of each container
    #[arg(long, value_name = "BYTES")]
    limit_bytes: Option<u64>,
}

/// `1h2m3s` in seconds, at least one.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?}: say a time such as 5s, 2m or 1h30m");
    let (mut total, mut number) = (0_u64, String::new());
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return Err(wrong()),
        };
        let count: u64 = number.parse().map_err(|_| wrong())?;
        total = count.checked_mul(unit).and_then(|it| total.checked_add(it)).ok_or_else(wrong)?;
        number.clear();
    }
    if number.is_empty() && total > 0 { Ok(total) } else { Err(wrong()) }
}

pub(crate) async fn run(api: &Api, logs: &Logs) -> anyhow::Result<ExitCode> {
    let namespace = api.namespace(logs.namespace.as_deref());
    let pods = pods(api, logs, namespace).await?;
    if pods.is_empty() {
        eprintln!("No resources found in {namespace} namespace.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut streams = Vec::new();
    let mut failed = false;
    for pod in &pods {
        for container in containers(logs, pod) {
            match open(api, logs, namespace, pod, container).await {
                Ok(stream) => streams.push(stream),
                Err(error) if pods.len() == 1 && !logs.all_containers => return Err(error),
                Err(error) => {
                    failed = true;
                    complain(&error);
                }
            }
        }
    }
    if logs.follow {
        // Lines of all of them as they come.
        let mut all = stream::select_all(streams);
        while let Some(line) = all.next().await {
            print_bytes(&line?)?;
        }
    } else {
        for mut stream in streams {
            while let Some(line) = stream.next().await {
                print_bytes(&line?)?;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The containers to read; `None` is the one that the server chooses.
fn containers<'a>(logs: &'a Logs, pod: &'a Value) -> Vec<Option<&'a str>> {
    if let Some(one) = logs.container.as_deref().or(logs.second.as_deref()) {
        return vec![Some(one)];
    }
    if !logs.all_containers {
        return vec![None];
    }
    let names = |list: &str| {
        let entries = pod["spec"][list].as_array().into_iter().flatten();
        entries.filter_map(|it| it["name"].as_str()).map(Some).collect::<Vec<_>>()
    };
    [names("initContainers"), names("containers")].concat()
}

async fn open(
    api: &Api,
    logs: &Logs,
    namespace: &str,
    pod: &Value,
    container: Option<&str>,
) -> anyhow::Result<impl Stream<Item = anyhow::Result<Vec<u8>>> + Unpin + use<>> {
    let name = pod["metadata"]["name"].as_str().unwrap_or("");
    let many = logs.selector.as_ref().map(|_| i64::from(TAIL_OF_MANY));
    let tail = logs.tail.or(many).filter(|it| *it >= 0).map(|it| it.to_string());
    let since = logs.since.map(|it| it.to_string());
    let since_time = logs.since_time.map(|it| it.to_string());
    let limit = logs.limit_bytes.map(|it| it.to_string());
    let parameters = query(&[
        ("container", container),
        ("follow", logs.follow.then_some("true")),
        ("tailLines", tail.as_deref()),
        ("sinceSeconds", since.as_deref()),
        ("sinceTime", since_time.as_deref()),
        ("previous", logs.previous.then_some("true")),
        ("timestamps", logs.timestamps.then_some("true")),
        ("limitBytes", limit.as_deref()),
    ]);
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/log{parameters}");
    let bytes = api.stream(&path, "*/*").await.map_err(|error| hinted(error, pod, container))?;
    let prefix = logs.prefix.then(|| match container {
        Some(container) => format!("[pod/{name}/{container}] "),
        None => format!("[pod/{name}] "),
    });
    Ok(lines(bytes, prefix))
}

/// Names the containers there are, when the one that was said is not.
fn hinted(error: anyhow::Error, pod: &Value, container: Option<&str>) -> anyhow::Error {
    let mut failure = match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => return error,
    };
    let names: Vec<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten())
        .filter_map(|it| it["name"].as_str())
        .collect();
    failure.hint = match container {
        Some(said) if !names.contains(&said) => Some(match nearest(said, names.iter().copied()) {
            Some(near) => format!("did you mean -c {near}?"),
            None => format!("its containers are {}", names.join(", ")),
        }),
        _ if failure.message.contains("waiting to start") => {
            let name = pod["metadata"]["name"].as_str().unwrap_or("");
            Some(format!("`lateen describe pod {name}` tells what it waits for"))
        }
        _ => None,
    };
    failure.into()
}

/// Whole lines, so that those of several containers do not mix, each with its prefix.
fn lines(
    bytes: impl Stream<Item = anyhow::Result<bytes::Bytes>> + Unpin,
    prefix: Option<String>,
) -> impl Stream<Item = anyhow::Result<Vec<u8>>> + Unpin {
    let begin = (bytes, Vec::new(), prefix);
    Box::pin(stream::unfold(begin, |(mut bytes, mut rest, prefix)| async move {
        loop {
            let chunk: bytes::Bytes = match bytes.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Some((Err(error), (bytes, rest, prefix))),
                None if rest.is_empty() => return None,
                None => {
                    let last = prefixed(&rest, prefix.as_deref());
                    return Some((Ok(last), (bytes, Vec::new(), prefix)));
                }
            };
            rest.extend_from_slice(&chunk);
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let whole: Vec<u8> = rest.drain(..=end).collect();
            return Some((Ok(prefixed(&whole, prefix.as_deref())), (bytes, rest, prefix)));
        }
    }))
}

fn prefixed(lines: &[u8], prefix: Option<&str>) -> Vec<u8> {
    let Some(prefix) = prefix else { return lines.to_vec() };
    let each = lines.split_inclusive(|byte| *byte == b'\n');
    each.flat_map(|line| [prefix.as_bytes(), line].concat()).collect()
}

/// The pods that are meant.
async fn pods(api: &Api, logs: &Logs, namespace: &str) -> anyhow::Result<Vec<Value>> {
    let Some(what) = &logs.what else {
        let selector = query(&[("labelSelector", logs.selector.as_deref())]);
        let list = api.read(&format!("/api/v1/namespaces/{namespace}/pods{selector}")).await?;
        return Ok(list["items"].as_array().cloned().unwrap_or_default());
    };
    pod(api, namespace, what).await.map(|it| vec![it])
}

/// The pod that a word names: `POD`, `pod/POD`, or one of the pods of `KIND/NAME`.
pub(crate) async fn pod(api: &Api, namespace: &str, word: &str) -> anyhow::Result<Value> {
    let what = if word.contains('/') { word.to_owned() } else { format!("pod/{word}") };
    let (kind, names) = targets(&[what])?.remove(0);
    let name = names.into_iter().next().unwrap_or_default();
    let resource = api.resources().await?.words(&kind)?.remove(0);
    let owner = match api.read(&resource.path(Some(namespace), Some(&name))).await {
        Ok(owner) => owner,
        Err(error) if is(&error, 404) && resource.kind == "Pod" => {
            return Err(missing_pod(api, error, namespace, &name).await);
        }
        Err(error) => return Err(api.with_hint(error, resource, namespace, &name).await),
    };
    if resource.kind == "Pod" {
        return Ok(owner);
    }
    let labels = &owner["spec"]["selector"];
    let labels = labels["matchLabels"].as_object().or(labels.as_object());
    let selector = labels.into_iter().flatten();
    let selector = selector.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    let selector = selector.collect::<Vec<_>>().join(",");
    anyhow::ensure!(!selector.is_empty(), "{kind}/{name} has no selector, so no pods of its own");
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let list = api.read(&(path + &query(&[("labelSelector", Some(&selector))]))).await?;
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    let count = pods.len();
    let running = |pod: &Value| {
        pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
    };
    let best = pods.iter().find(|it| running(it)).or(pods.first()).cloned();
    let best = best.ok_or_else(|| {
        anyhow::anyhow!(
            "{kind}/{name} has no pods now\n  `lateen describe {kind} {name}` tells why"
        )
    })?;
    if count > 1 {
        let chosen = best["metadata"]["name"].as_str().unwrap_or("");
        eprintln!("Found {count} pods, using pod/{chosen}");
    }
    Ok(best)
}

/// A Deployment of that name is what people mean most often.
async fn missing_pod(
    api: &Api,
    error: anyhow::Error,
    namespace: &str,
    name: &str,
) -> anyhow::Error {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    if api.read(&path).await.is_ok() {
        return match error.downcast::<Failure>() {
            Ok(failure) => {
                let hint = Some(format!("there is a Deployment of that name: say deploy/{name}"));
                Failure { hint, ..failure }.into()
            }
            Err(error) => error,
        };
    }
    match api.kind("v1", "Pod").await {
        Ok(resource) => api.with_hint(error, resource, namespace, name).await,
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_as_kubectl_reads_them() {
        for (text, wanted) in [("5s", 5), ("2m", 120), ("1h30m", 5400)] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for wrong in ["", "5", "5x", "s", "0s", "99999999999999999999h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_line_gets_its_prefix() {
        assert_eq!(prefixed(b"a\nb\n", Some("[p] ")), b"[p] a\n[p] b\n");
        assert_eq!(prefixed(b"a\nb", None), b"a\nb");
    }

    #[test]
    fn a_container_that_is_not_there_is_answered_with_those_that_are() {
        let pod =
            json!({ "spec": { "containers": [ { "name": "web" }, { "name": "istio-proxy" } ] } });
        let failure = || Failure {
            code: 400,
            reason: "BadRequest".to_owned(),
            message: "no".to_owned(),
            hint: None,
        };
        let said = |container| hinted(failure().into(), &pod, Some(container)).to_string();
        assert!(said("istio-prox").contains("did you mean -c istio-proxy?"));
        assert!(said("quite-other").contains("its containers are web, istio-proxy"));
    }
}
