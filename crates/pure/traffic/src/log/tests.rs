//! Access logs: what operators show, what formats keep, what filters pass, and what is refused.

use std::time::Duration;

use xds::{
    accesslog::AccessLogFilter,
    core::{SubstitutionFormatString, substitution_format_string},
    wkt,
};

use super::*;
use crate::{
    flags::Flag,
    head::{Head, Header, Version},
    peer::Peer,
};

const REQUEST: &[Header<'static>] = &[
    Header { name: "x-a", value: b"a\"b" },
    Header { name: "x-request-id", value: b"0000000a-0000-4000-8000-000000000000" },
    Header { name: "x-envoy-original-path", value: b"/old?q=one%20two&r=2" },
];

fn peer() -> Peer {
    Peer::new("1.2.3.4:9".parse().unwrap(), "10.0.0.1:80".parse().unwrap())
}

fn head() -> Head<'static> {
    Head {
        method: "GET",
        scheme: "http",
        authority: "h",
        path: "/new?q=1",
        headers: REQUEST,
        version: Version::Http11,
        ..Head::default()
    }
}

fn facts<'a>(peer: &'a Peer, head: &'a Head<'a>) -> Facts<'a> {
    Facts {
        began: Duration::new(1_796_072_124, 291_219_000),
        times: Times {
            request: Some(Duration::from_millis(1)),
            answered: Some(Duration::from_millis(4)),
            responded: Some(Duration::from_micros(6500)),
            ended: Some(Duration::from_millis(7)),
            ..Times::default()
        },
        head: Some(head),
        response: &[Header { name: "x-b", value: b"1" }, Header { name: "x-b", value: b"2" }],
        protocol: Some(Version::Http11),
        status: 503,
        details: "two words",
        flags: Flag::UpstreamRetryLimitExceeded.into(),
        received: 5,
        sent: 2,
        attempts: 1,
        route: "r",
        ..Facts::new(Kind::DownstreamEnd, peer)
    }
}

fn told(format: &Format) -> String {
    let (peer, head) = (peer(), head());
    let mut out = Vec::new();
    format.write(&facts(&peer, &head), &mut Dice::seeded(1), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn operators_show_what_envoy_shows() {
    for (format, expected) in [
        ("%START_TIME%", "2026-11-30T20:55:24.291Z"),
        ("%EMIT_TIME(%s)%", "1796072124"),
        ("%REQ(:METHOD)% %REQUEST_HEADER(none?:PATH)%", "GET /new?q=1"),
        ("%REQ(X-A):2%|%REQ(none)%|100%%", "a\"|-|100%"),
        ("%REQ_WITHOUT_QUERY(:PATH)%", "/new"),
        ("%RESP(:status)% %RESPONSE_HEADER(x-b)% %TRAILER(x)%", "503 1 -"),
        ("%QUERY_PARAM(q)% %QUERY_PARAM(q):1% %QUERY_PARAM(z)%", "one two o -"),
        ("%QUERY_PARAMS%", "q=one%20two&r=2"),
        (
            "%PATH% %PATH(NQ)% %PATH(NQ:PATH)% %PATH(WQ:ORIG)%",
            "/old?q=one%20two&r=2 /old /new /old?q=one%20two&r=2",
        ),
        ("%PROTOCOL% %UPSTREAM_PROTOCOL%", "HTTP/1.1 -"),
        ("%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%", "503 two_words"),
        ("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "two words"),
        ("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", "URX UpstreamRetryLimitExceeded"),
        ("%BYTES_RECEIVED% %BYTES_SENT% %DURATION%", "5 2 7"),
        ("%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "1 4 2"),
        (
            "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)% %COMMON_DURATION(US_CX_BEG:US_CX_END:ms)%",
            "6500 -",
        ),
        ("%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%", "- - 1"),
        ("%DOWNSTREAM_LOCAL_PORT% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "80 1.2.3.4"),
        ("%ROUTE_NAME% %ACCESS_LOG_TYPE% %GRPC_STATUS%", "r DownstreamEnd -"),
        ("%STREAM_ID%", "0000000a-0000-4000-8000-000000000000"),
        ("%DYNAMIC_METADATA(a:b)% %METADATA(CLUSTER:a)% %FILTER_STATE(a)%", "- - -"),
        ("[%LOCAL_REPLY_BODY%]", "[]"),
    ] {
        assert_eq!(told(&Format::text(format, false).unwrap()), expected, "{format}");
    }
}

#[test]
fn what_is_not_known_may_leave_nothing_behind() {
    let format = Format::text("%REQ(none)%|%REQ(x-a)%|%GRPC_STATUS%", true).unwrap();
    assert_eq!(told(&format), "|a\"b|");
}

#[test]
fn the_default_is_envoys() {
    assert_eq!(
        told(&Format::of(None).unwrap()),
        "[2026-11-30T20:55:24.291Z] \"GET /old?q=one%20two&r=2 HTTP/1.1\" 503 URX 5 2 7 - \"-\" \"-\" \
         \"0000000a-0000-4000-8000-000000000000\" \"h\" \"-\"\n"
    );
}

fn json(text: &str, omit: bool) -> Format {
    let fields = serde_json::from_str::<wkt::Struct>(text).unwrap();
    Format::json(&fields, omit).unwrap()
}

#[test]
fn json_keeps_types_and_sorts_its_keys() {
    let text = r#"{"z": "%RESPONSE_CODE%", "a": "%REQ(none)%", "m": {"y": "x%BYTES_SENT%", "b": "%REQ(x-a)%"},
        "l": ["%REQ(none)%", "lit", 5, true, null], "p": "100%%"}"#;
    assert_eq!(
        told(&json(text, false)),
        "{\"a\":null,\"l\":[null,\"lit\",5,true,null],\"m\":{\"b\":\"a\\\"b\",\"y\":\"x2\"},\"p\":\"100%\",\"z\":503}\n"
    );
}

#[test]
fn json_may_leave_out_what_is_not_known() {
    let text =
        r#"{"a": "%REQ(none)%", "m": {"y": "%REQ(none)%"}, "l": ["%REQ(none)%", "x%REQ(none)%y"]}"#;
    assert_eq!(told(&json(text, true)), "{\"l\":[\"xy\"]}\n");
    assert_eq!(told(&json(r#"{"a": "%REQ(none)%"}"#, true)), "{}\n");
    assert_eq!(told(&json(r#"{"l": ["%REQ(none)%", null]}"#, true)), "{\"l\":[]}\n");
}

#[test]
fn what_is_no_format_is_refused() {
    for format in [
        "%",
        "%REQ",
        "%REQ(a%",
        "%REQ()%",
        "%REQ(a?b?c)%",
        "%NO_SUCH%",
        "%PROTOCOL():x%",
        "%RESPONSE_CODE:3%",
        "%PATH(X)%",
        "%COMMON_DURATION(a:b:ms)%",
        "%START_TIME(%n)%",
        "%GRPC_STATUS(X)%",
        "%CEL(1)%",
        "%METADATA(ROUTE:a)%",
        "%req(a)%",
    ] {
        assert!(Format::text(format, false).is_err(), "{format}");
    }
}

#[test]
fn an_error_names_the_whole_path() {
    let format = SubstitutionFormatString {
        format: Some(substitution_format_string::Format::TextFormat("%NO%".into())),
        ..Default::default()
    };
    let file = proto::FileAccessLog {
        path: "/x".into(),
        access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(format)),
    };
    let any = wkt::Any::pack(&file);
    let log = proto::AccessLog {
        name: "x".into(),
        filter: None,
        config_type: Some(proto::access_log::ConfigType::TypedConfig(any)),
    };
    let bad = Log::compile_all(&[log]).unwrap_err();
    assert_eq!(bad.field, "access_log[0].typed_config.log_format.text_format");
    assert_eq!(bad.why, "%NO% is no operator that we know");
}

fn passes(text: &str) -> bool {
    let filter = serde_json::from_str::<AccessLogFilter>(text).unwrap();
    let (peer, head) = (peer(), head());
    Filter::compile(&filter).unwrap().passes(&facts(&peer, &head), &mut Dice::seeded(1))
}

#[test]
fn filters_pass_what_they_say() {
    let status = |op: &str, value: u32| {
        format!(
            r#"{{"status_code_filter": {{"comparison": {{"op": "{op}", "value": {{"default_value": {value}, "runtime_key": "k"}}}}}}}}"#
        )
    };
    let not = r#"{"header_filter": {"header": {"name": "none"}}}"#;
    let id_share = |numerator: u32| {
        format!(
            r#"{{"runtime_filter": {{"runtime_key": "k", "percent_sampled": {{"numerator": {numerator}}}}}}}"#
        )
    };
    for (filter, expected) in [
        (status("EQ", 503), true),
        (status("GE", 504), false),
        (status("LE", 503), true),
        (status("NE", 503), false),
        (r#"{"duration_filter": {"comparison": {"op": "GE", "value": {"default_value": 7, "runtime_key": "k"}}}}"#.into(), true),
        (r#"{"not_health_check_filter": {}}"#.into(), true),
        (r#"{"traceable_filter": {}}"#.into(), false),
        // The id is 10 of 100.
        (id_share(10), false),
        (id_share(11), true),
        (format!(r#"{{"and_filter": {{"filters": [{}, {not}]}}}}"#, status("EQ", 503)), false),
        (format!(r#"{{"or_filter": {{"filters": [{not}, {}]}}}}"#, status("EQ", 503)), true),
        (r#"{"header_filter": {"header": {"name": ":method", "string_match": {"exact": "GET"}}}}"#.into(), true),
        (r#"{"response_flag_filter": {}}"#.into(), true),
        (r#"{"response_flag_filter": {"flags": ["UF", "URX"]}}"#.into(), true),
        (r#"{"response_flag_filter": {"flags": ["UF", "RLSE"]}}"#.into(), false),
        (r#"{"grpc_status_filter": {"statuses": ["UNAVAILABLE"]}}"#.into(), true),
        (r#"{"grpc_status_filter": {"statuses": ["UNAVAILABLE"], "exclude": true}}"#.into(), false),
        (r#"{"log_type_filter": {"types": ["DownstreamEnd"]}}"#.into(), true),
        (r#"{"log_type_filter": {"types": ["DownstreamEnd"], "exclude": true}}"#.into(), false),
        (r#"{"metadata_filter": {"match_if_key_not_found": false}}"#.into(), false),
        (r#"{"metadata_filter": {}}"#.into(), true),
    ] {
        assert_eq!(passes(&filter), expected, "{filter}");
    }
}

#[test]
fn filters_that_cannot_be_are_refused() {
    for filter in [
        r#"{"response_flag_filter": {"flags": ["XX"]}}"#,
        r#"{"and_filter": {"filters": []}}"#,
        r#"{"extension_filter": {"name": "cel"}}"#,
        "{}",
    ] {
        let filter = serde_json::from_str::<AccessLogFilter>(filter).unwrap();
        assert!(Filter::compile(&filter).is_err(), "{filter:?}");
    }
}

#[test]
fn who_publishes_formats_and_who_reads_them_know_the_same() {
    use xds::accesslog::format::{OPERATORS, check};
    let brackets = [
        "",
        "()",
        "(x)",
        "(x?y)",
        "(x?y?z)",
        "(?y)",
        "(a:b)",
        "(a::b)",
        "(CLUSTER:a)",
        "(DYNAMIC:)",
        "(NUMBER)",
        "(ALLOW_WHITESPACES)",
        "(NQ:ORIG)",
        "(NQ:x)",
        "(%Y %f)",
        "(%n)",
        "(DS_RX_BEG:DS_TX_END:us)",
        "(DS_RX_BEG:x:us)",
        "(DS_RX_BEG:DS_TX_END)",
        "(x",
    ];
    let names = OPERATORS.iter().map(|operator| operator.name).chain(["NO", "CEL", "req"]);
    for name in names {
        let mut known = 0;
        for (given, length) in
            brackets.iter().flat_map(|given| ["", ":3", ":x", ":"].map(|length| (given, length)))
        {
            let text = format!("a %%%{name}{given}{length}% b");
            let read = Format::text(&text, false).is_ok();
            assert_eq!(check(&text).is_ok(), read, "{text}: {:?}", check(&text));
            known += usize::from(read);
        }
        assert_eq!(known != 0, OPERATORS.iter().any(|operator| operator.name == name), "{name}");
    }
}
