//! `explain`: where a request would go, and which rule says so, by the code that proxies run.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use explain::{Caller, Explanation, Goes, Question, Share};
use serde_json::{Value, json};

use crate::{
    analyze,
    api::{Api, Target},
    documents, logs,
    out::{columns, print},
};

/// The arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// Who asks: gateway, POD, NAMESPACE/POD or deploy/NAME
    #[arg(long, default_value = "gateway", value_name = "WHO")]
    from: String,
    /// What is asked for: http://HOST[:PORT]/PATH, tls://HOST[:PORT] or tcp://HOST:PORT
    #[arg(long, value_name = "URL")]
    to: String,
    /// The method
    #[arg(short = 'X', long, default_value = "GET")]
    method: String,
    /// A header, such as "x-user: tester"; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Take the objects of these files or folders instead of a mesh's
    #[arg(short, long = "filename", value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// The namespace [default: the kubeconfig's, which is `default`]
    #[arg(short, long)]
    namespace: Option<String>,
    /// How to print: text or json
    #[arg(short, long, value_parser = ["text", "json"], default_value = "text", hide_possible_values = true)]
    output: String,
}

pub(crate) async fn run(target: &Target, wanted: &Explain) -> anyhow::Result<ExitCode> {
    let (objects, caller, sidecar) = if wanted.filename.is_empty() {
        let api = Api::reach(target).await?;
        let (caller, sidecar) = live_caller(&api, wanted).await?;
        (analyze::objects(&api).await?, caller, sidecar)
    } else {
        let namespace = wanted.namespace.as_deref().unwrap_or("default");
        let mut objects: Vec<Value> =
            documents::read(&wanted.filename)?.into_iter().map(|it| it.value).collect();
        for object in &mut objects {
            if object["metadata"].is_object() && object["metadata"]["namespace"].is_null() {
                object["metadata"]["namespace"] = json!(namespace);
            }
        }
        (objects, caller(&wanted.from, namespace), true)
    };
    let question = question(wanted, caller)?;
    if !sidecar {
        let text = format!(
            "{question}\n\nThis pod has no sidecar, so no rule of the mesh sees what it sends: the request goes to\na pod that the Service's selector matches, each as likely as the other.\nTo change that, label its namespace istio-injection=enabled and restart the pod.\n"
        );
        print(&if wanted.output == "json" {
            format!("{:#}\n", json!({ "request": question.to_string(), "sidecar": false }))
        } else {
            text
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = explain::explain(&objects, &question).map_err(|said| anyhow::anyhow!("{said}"))?;
    let rules = speaking(&objects, &question);
    print(&match wanted.output.as_str() {
        "json" => format!("{:#}\n", as_json(&question, &found, &rules)),
        _ => {
            let wrong = analyze::about(&objects, &concerned(&objects, &question, &rules));
            let wrong: String = wrong.iter().map(|it| format!("{it}\n")).collect();
            let between = if wrong.is_empty() { "" } else { "\n" };
            format!("{}{between}{wrong}", text(&question, &found, &rules))
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The caller among live pods, and whether a sidecar carries what it sends.
async fn live_caller(api: &Api, wanted: &Explain) -> anyhow::Result<(Caller, bool)> {
    if wanted.from == "gateway" {
        return Ok((Caller::Gateway, true));
    }
    let said = api.namespace(wanted.namespace.as_deref());
    // NAMESPACE/POD, unless the first part is a kind.
    let (namespace, word) = match wanted.from.split_once('/') {
        Some((first, name)) if api.resources().await?.words(first).is_err() => (first, name),
        _ => (said, wanted.from.as_str()),
    };
    let pod = logs::pod(api, namespace, word).await?;
    let lists = ["containers", "initContainers"];
    let mut containers =
        lists.iter().flat_map(|it| pod["spec"][*it].as_array().into_iter().flatten());
    let sidecar = containers.any(|it| it["name"] == "istio-proxy");
    let name = pod["metadata"]["name"].as_str().unwrap_or("").to_owned();
    Ok((Caller::Pod { namespace: namespace.to_owned(), name }, sidecar))
}

/// The caller where there are only files: a name is enough.
fn caller(from: &str, namespace: &str) -> Caller {
    match from.split_once('/') {
        None if from == "gateway" => Caller::Gateway,
        None => Caller::Pod { namespace: namespace.to_owned(), name: from.to_owned() },
        Some((namespace, name)) => {
            Caller::Pod { namespace: namespace.to_owned(), name: name.to_owned() }
        }
    }
}

fn question(wanted: &Explain, from: Caller) -> anyhow::Result<Question> {
    let (method, url) = match wanted.to.split_once("://") {
        None => (wanted.method.as_str(), format!("http://{}", wanted.to)),
        Some(("http", _)) => (wanted.method.as_str(), wanted.to.clone()),
        Some(("tls" | "tcp", _)) => ("CONNECT", wanted.to.clone()),
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or(rest);
            anyhow::bail!(
                "{}: what is inside {scheme} no proxy on the way can see\n  try: --to tls://{host}, for where the connection goes",
                wanted.to
            )
        }
    };
    let read = Question::read("gateway", &format!("{method} {url}"));
    let mut question = read.map_err(|said| anyhow::anyhow!("--to {said}"))?;
    question.from = from;
    for header in &wanted.headers {
        let Some((name, value)) =
            header.split_once(':').filter(|(name, _)| !name.trim().is_empty())
        else {
            anyhow::bail!("-H {header:?}: say headers as \"name: value\"");
        };
        question.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(question)
}

/// The VirtualServices that speak for the host at that place, by namespace/name.
fn speaking(objects: &[Value], question: &Question) -> Vec<String> {
    let host = question.authority.split(':').next().unwrap_or("");
    let own = match &question.from {
        Caller::Gateway => "",
        Caller::Pod { namespace, .. } => namespace,
    };
    let full = full_name(objects, host, own);
    let rules = objects.iter().filter(|it| it["kind"] == "VirtualService").filter(|it| {
        let namespace = it["metadata"]["namespace"].as_str().unwrap_or("default");
        let gateways = it["spec"]["gateways"].as_array().map_or(&[][..], Vec::as_slice);
        let at_gateway = gateways.iter().any(|it| it != "mesh");
        let in_mesh = gateways.is_empty() || gateways.iter().any(|it| it == "mesh");
        let there = match question.from {
            Caller::Gateway => at_gateway,
            Caller::Pod { .. } => in_mesh,
        };
        let hosts = it["spec"]["hosts"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let fits = |pattern: &str| match pattern.strip_prefix('*') {
            Some(end) => host.ends_with(end) || full.ends_with(end),
            None => pattern == host || full_name(objects, pattern, namespace) == full,
        };
        there && hosts.into_iter().any(fits)
    });
    let name = |it: &Value| {
        let text = |name: &str| it["metadata"][name].as_str().unwrap_or("default").to_owned();
        format!("{}/{}", text("namespace"), text("name"))
    };
    rules.map(name).collect()
}

/// The rules that have a say, as findings name them: the VirtualServices, and the
/// DestinationRules of the host and of where those lead.
fn concerned(objects: &[Value], question: &Question, rules: &[String]) -> Vec<String> {
    let own = match &question.from {
        Caller::Gateway => "",
        Caller::Pod { namespace, .. } => namespace,
    };
    let host = question.authority.split(':').next().unwrap_or("");
    let mut hosts = vec![full_name(objects, host, own)];
    let name_of = |it: &Value| {
        let text = |name: &str| it["metadata"][name].as_str().unwrap_or("default").to_owned();
        (text("namespace"), text("name"))
    };
    let of_kind = |kind: &'static str| objects.iter().filter(move |it| it["kind"] == kind);
    for rule in of_kind("VirtualService") {
        let (namespace, name) = name_of(rule);
        if rules.contains(&format!("{namespace}/{name}")) {
            let routes = rule["spec"]["http"].as_array().into_iter().flatten();
            let targets = routes.flat_map(|it| it["route"].as_array().into_iter().flatten());
            let targets = targets.filter_map(|it| it["destination"]["host"].as_str());
            hosts.extend(targets.map(|it| full_name(objects, it, &namespace)));
        }
    }
    let mut found: Vec<String> = rules.iter().map(|it| format!("VirtualService {it}")).collect();
    for rule in of_kind("DestinationRule") {
        let (namespace, name) = name_of(rule);
        let host = rule["spec"]["host"].as_str().unwrap_or("");
        if hosts.contains(&full_name(objects, host, &namespace)) {
            found.push(format!("DestinationRule {namespace}/{name}"));
        }
    }
    found
}

/// `name.namespace.svc.cluster.local` where a Service has the name, else the name as it is.
fn full_name(objects: &[Value], host: &str, namespace: &str) -> String {
    let services = objects.iter().filter(|it| it["kind"] == "Service");
    let names = services.filter_map(|it| {
        let name = it["metadata"]["name"].as_str()?;
        let own = it["metadata"]["namespace"].as_str()?;
        let full = format!("{name}.{own}.svc.cluster.local");
        let is_it = (host == name && own == namespace)
            || host == format!("{name}.{own}")
            || host == format!("{name}.{own}.svc")
            || host == full;
        is_it.then_some(full)
    });
    names.into_iter().next().unwrap_or_else(|| host.to_owned())
}

fn text(question: &Question, found: &Explanation, rules: &[String]) -> String {
    let (who, place) = match &question.from {
        Caller::Gateway => ("somebody outside".to_owned(), "the ingress gateway"),
        Caller::Pod { namespace, name } => (format!("pod {namespace}/{name}"), "its sidecar"),
    };
    let mut out = format!("{question}\nfrom {who}; {place} decides\n\n");
    match &found.goes {
        Goes::To(shares) => {
            let mut lines = Vec::new();
            for (idx, share) in shares.iter().enumerate() {
                let title = if idx == 0 { "goes to" } else { "" };
                let alone = Goes::To(vec![share.clone()]).to_string();
                let mut line = vec![title.to_owned(), alone];
                if shares.len() > 1 {
                    line.push(format!("{:.0}%", share.part * 100.0));
                }
                if line[1] != share.cluster {
                    line.push(share.cluster.clone());
                }
                lines.push(line);
            }
            out += &columns(&lines);
        }
        Goes::Answered { status, flags } => {
            let why = meaning(flags);
            writeln!(out, "answered  {status} by the proxy itself{why}").ok();
        }
        Goes::Closed => {
            let why = match question.from {
                Caller::Gateway => "no Gateway opens a server there",
                Caller::Pod { .. } => "the sidecar closes the connection",
            };
            writeln!(out, "closed    {why}").ok();
        }
    }
    writeln!(out, "because   {}", because(found, rules)).ok();
    for guard in &found.guards {
        // With several clusters each line says whose it is.
        let of = if found.guards.len() > 1 {
            format!("{}: ", short(&guard.cluster))
        } else {
            String::new()
        };
        if let Some(breaker) = &guard.breaker {
            writeln!(out, "breaker   {of}{breaker}").ok();
        }
        if let Some(fallback) = &guard.fallback {
            writeln!(
                out,
                "else      {of}{}, while the breaker is open or no host is left",
                short(fallback)
            )
            .ok();
        }
    }
    out
}

/// A cluster's name for people.
fn short(cluster: &str) -> String {
    Goes::To(vec![Share { cluster: cluster.to_owned(), part: 1.0 }]).to_string()
}

fn because(found: &Explanation, rules: &[String]) -> String {
    let by = match rules {
        [] => String::new(),
        [one] => format!(" of VirtualService {one}"),
        several => format!(" of one of the VirtualServices {}", several.join(", ")),
    };
    match (found.rule.as_str(), rules) {
        ("" | "no rule", []) => "no VirtualService speaks for this host".to_owned(),
        ("" | "no rule", _) => format!("no rule{by} fits the request"),
        ("default" | "allow_any" | "tcp", []) => match &found.goes {
            Goes::To(shares) if shares.iter().any(|it| it.cluster == "PassthroughCluster") => {
                "no Service has this host: the request passes through to where it was going"
                    .to_owned()
            }
            _ => "no VirtualService speaks for this host: it is the Service's own route".to_owned(),
        },
        // What a rule without a name is called on the wire.
        ("default", _) => format!("a rule without a name{by}"),
        (rule, _) => format!("rule \"{rule}\"{by}"),
    }
}

/// What Envoy's response flags say.
fn meaning(flags: &str) -> &'static str {
    match flags {
        "NR" => " (NR: no route fits)",
        "NC" => " (NC: the cluster of the route does not exist)",
        "UH" => " (UH: no healthy endpoint)",
        "FI" => " (FI: a fault that a rule injects)",
        "DI" => " (DI: a delay that a rule injects)",
        _ => "",
    }
}

fn as_json(question: &Question, found: &Explanation, rules: &[String]) -> Value {
    let from = match &question.from {
        Caller::Gateway => "gateway".to_owned(),
        Caller::Pod { namespace, name } => format!("{namespace}/{name}"),
    };
    let mut out = json!({
        "from": from,
        "request": question.to_string(),
        "rule": found.rule,
        "virtualServices": rules,
    });
    match &found.goes {
        Goes::To(shares) => {
            let share = |it: &Share| json!({ "cluster": it.cluster, "part": it.part });
            out["goesTo"] = shares.iter().map(share).collect();
        }
        Goes::Answered { status, flags } => {
            out["answered"] = json!({ "status": status, "flags": flags });
        }
        Goes::Closed => out["closed"] = json!(true),
    }
    if !found.guards.is_empty() {
        let guard = |it: &explain::Guard| json!({ "cluster": it.cluster, "breaker": it.breaker, "fallback": it.fallback });
        out["guards"] = found.guards.iter().map(guard).collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "apiVersion: v1
kind: Service
metadata: { name: shop, namespace: default }
spec: { clusterIP: 10.96.5.1, selector: { app: shop }, ports: [ { name: http, port: 80, targetPort: 8080 } ] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop, namespace: default }
spec: { host: shop, subsets: [ { name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } } ] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop-split, namespace: default }
spec:
  hosts: [ shop ]
  http:
  - name: testers
    match: [ { headers: { x-user: { exact: tester } } } ]
    route: [ { destination: { host: shop, subset: v2 } } ]
  - name: split
    match: [ { uri: { prefix: /cart } } ]
    route:
    - { destination: { host: shop, subset: v1 }, weight: 90 }
    - { destination: { host: shop, subset: v2 }, weight: 10 }
";

    fn explained(to: &str, headers: &[&str]) -> String {
        explained_of(SHOP, to, headers)
    }

    fn explained_of(yaml: &str, to: &str, headers: &[&str]) -> String {
        let objects: Vec<Value> =
            documents::parse("f", yaml).unwrap().into_iter().map(|it| it.value).collect();
        let wanted = Explain {
            from: "client".to_owned(),
            to: to.to_owned(),
            method: "GET".to_owned(),
            headers: headers.iter().map(|it| (*it).to_owned()).collect(),
            filename: Vec::new(),
            namespace: None,
            output: "text".to_owned(),
        };
        let question = question(&wanted, caller("client", "default")).unwrap();
        let found = explain::explain(&objects, &question).unwrap();
        text(&question, &found, &speaking(&objects, &question))
    }

    #[test]
    fn a_request_is_explained_with_its_shares_and_its_rule() {
        let text = explained("http://shop/cart", &[]);
        assert!(text.contains("goes to   shop/v1   90%   outbound|80|v1|shop.default"), "{text}");
        assert!(text.contains("          shop/v2   10%"), "{text}");
        assert!(
            text.contains("because   rule \"split\" of VirtualService default/shop-split"),
            "{text}"
        );
        let text = explained("shop.default/x", &["X-User: tester"]);
        assert!(
            text.contains("goes to   shop/v2   outbound|80|v2|") && text.contains("\"testers\""),
            "{text}"
        );
    }

    #[test]
    fn breakers_and_fallbacks_are_said() {
        let annotations = "metadata: { name: shop, namespace: default, annotations: { \
            lateen/breaker: '{errors: 5, within: 10s}', lateen/fallback: '[{for: {subset: v2}, subset: v1}, {body: sorry}]' } }\nspec: { host: shop,";
        let guarded = SHOP.replacen(
            "metadata: { name: shop, namespace: default }\nspec: { host: shop,",
            annotations,
            1,
        );
        let text = explained_of(&guarded, "http://shop/cart", &[]);
        for line in [
            "breaker   shop/v1: opens after 5 errors within 10s, for 30s (exponential to 300s); a good trial closes it",
            "else      shop/v1: answered 200 by the proxy itself, while the breaker is open or no host is left",
            "else      shop/v2: shop/v1, while the breaker is open or no host is left",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!explained("http://shop/cart", &[]).contains("breaker"));
    }

    #[test]
    fn what_no_rule_takes_is_said() {
        let text = explained("http://shop/other", &[]);
        assert!(text.contains("404 by the proxy itself (NR: no route fits)"), "{text}");
        assert!(text.contains("no rule of VirtualService default/shop-split fits"), "{text}");
        let text = explained("http://elsewhere.example/", &[]);
        assert!(text.contains("passes through"), "{text}");
    }

    #[test]
    fn the_rules_that_have_a_say_are_named() {
        let objects: Vec<Value> =
            documents::parse("f", SHOP).unwrap().into_iter().map(|it| it.value).collect();
        let question = Question::read("default/client", "GET http://shop/").unwrap();
        let rules = speaking(&objects, &question);
        assert_eq!(
            concerned(&objects, &question, &rules),
            ["VirtualService default/shop-split", "DestinationRule default/shop"]
        );
    }

    #[test]
    fn what_cannot_be_asked_is_answered_with_what_can() {
        let wanted = |to: &str, header: &str| Explain {
            from: "gateway".to_owned(),
            to: to.to_owned(),
            method: "GET".to_owned(),
            headers: vec![header.to_owned()],
            filename: Vec::new(),
            namespace: None,
            output: "text".to_owned(),
        };
        let said = |to: &str, header: &str| {
            question(&wanted(to, header), Caller::Gateway).unwrap_err().to_string()
        };
        assert!(said("https://shop/x", "a: b").contains("--to tls://shop,"));
        assert!(said("http://shop/", "nothing").contains("name: value"));
    }
}
