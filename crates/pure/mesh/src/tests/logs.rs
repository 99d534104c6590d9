//! The access log that the whole mesh keeps.

use serde_json::{Value, json};

use super::{Script, Told};

fn script() -> Script {
    let mut script = Script::default();
    script.ingress().app("web", 80, &["v1"]);
    script.istio(
        "Gateway",
        "gw",
        json!({"selector": {"istio": "ingressgateway"}, "servers": [
            {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}),
    );
    script
}

/// The access logs of each listener and of its chains, as JSON.
fn logs(told: &Told) -> Vec<(String, usize, usize)> {
    told.listeners()
        .into_iter()
        .map(|(name, listener)| {
            let own = listener["accessLog"].as_array().map_or(0, Vec::len);
            let mut chains = listener["filterChains"].as_array().cloned().unwrap_or_default();
            chains.extend(listener.get("defaultFilterChain").cloned());
            let has = |chain: &Value| chain["filters"][0]["typedConfig"]["accessLog"].is_array();
            let without = chains.iter().filter(|chain| !has(chain)).count();
            (name, own, without)
        })
        .collect()
}

#[test]
fn nothing_is_logged_unless_somebody_asks_for_it() {
    let script = script();
    for told in [script.sidecar(), script.gateway()] {
        assert!(!told.listeners().values().any(|it| it.to_string().contains("accessLog")));
    }
}

#[test]
fn every_chain_logs_and_so_does_who_accepts_connections() {
    let mut script = script();
    script.mesh_config("accessLogFile: /dev/stdout");
    assert_eq!(script.findings(), Vec::<String>::new());
    for (name, own, without) in logs(&script.sidecar()) {
        let accepts = matches!(&*name, "virtualInbound" | "virtualOutbound");
        assert_eq!((own, without), (usize::from(accepts), 0), "{name}");
    }
    assert_eq!(logs(&script.gateway()), [("0.0.0.0_8080".to_owned(), 1, 0)]);
    let log = &script.gateway().listener("0.0.0.0_8080")["accessLog"][0];
    assert_eq!(log["filter"], json!({"responseFlagFilter": {"flags": ["NR"]}}));
    assert_eq!(log["typedConfig"]["path"], "/dev/stdout");
    let text = log["typedConfig"]["logFormat"]["textFormatSource"]["inlineString"].as_str();
    let text = text.unwrap();
    assert!(
        text.starts_with("[%START_TIME%] \"%REQ(:METHOD)% ") && text.ends_with("%ROUTE_NAME%\n")
    );
    script.mesh_config("accessLogFile: /dev/stdout\ndisableEnvoyListenerLog: true");
    assert_eq!(logs(&script.gateway()), [("0.0.0.0_8080".to_owned(), 0, 0)]);
}

fn format_of(script: &Script) -> Value {
    let listener = script.gateway().listener("0.0.0.0_8080");
    listener["accessLog"][0]["typedConfig"]["logFormat"].clone()
}

#[test]
fn a_format_of_ones_own_is_taken_as_it_is() {
    let mut script = script();
    script.mesh_config("accessLogFile: /l\naccessLogFormat: '%REQ_WITHOUT_QUERY(:PATH)%'");
    let told = format_of(&script);
    assert_eq!(told["textFormatSource"]["inlineString"], "%REQ_WITHOUT_QUERY(:PATH)%\n");
    assert_eq!(told["formatters"][0]["name"], "envoy.formatter.req_without_query");
    script.mesh_config(
        "accessLogFile: /l\naccessLogEncoding: JSON\naccessLogFormat: '{\"p\": \"%PROTOCOL%\"}'",
    );
    assert_eq!(format_of(&script)["jsonFormat"], json!({"p": "%PROTOCOL%"}));
    script.mesh_config("accessLogFile: /l\naccessLogEncoding: JSON");
    let keys = format_of(&script)["jsonFormat"].as_object().unwrap().len();
    assert_eq!(keys, 24);
}

#[test]
fn what_cannot_be_is_told_and_the_rest_holds() {
    let mut script = script();
    script.mesh_config("accessLogFile: /l\naccessLogEncoding: JSON\naccessLogFormat: 'no'");
    assert_eq!(script.findings().len(), 1);
    assert!(script.findings()[0].ends_with("data.mesh: accessLogFormat"));
    assert_eq!(format_of(&script)["jsonFormat"]["method"], "%REQ(:METHOD)%");
    // A proxy that cannot read a format refuses every listener, so it never gets it.
    for wrong in ["'%CEL(a)%'", "'%REQ()%'", "'%REQ(x'", "'%PROTOCOL(x)%'", "'%START_TIME(%n)%'"] {
        script.mesh_config(&format!("accessLogFile: /l\naccessLogFormat: {wrong}"));
        assert!(script.findings()[0].ends_with("data.mesh: accessLogFormat"), "{wrong}");
        let told = format_of(&script)["textFormatSource"]["inlineString"].to_string();
        assert!(told.contains("%RESPONSE_CODE_DETAILS%"), "{wrong}: {told}");
    }
    script.mesh_config(
        "accessLogFile: /l\naccessLogEncoding: JSON\naccessLogFormat: '{\"a\": {\"b\": [\"%NO%\"]}}'",
    );
    assert!(script.findings()[0].ends_with("data.mesh: accessLogFormat"));
    script.mesh_config("accessLogEncoding: XML");
    assert!(script.findings()[0].ends_with("data.mesh: accessLogEncoding"));
}
