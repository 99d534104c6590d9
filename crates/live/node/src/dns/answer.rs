//! One question and what is answered: a function of the bytes and the names.

use super::names::{Names, ZONE};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, PTR, SOA, SRV};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::net::Ipv4Addr;

/// Seconds that an answer of ours may be kept: endpoints come and go.
const TTL: u32 = 5;

/// What to do with a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Send these bytes.
    Reply(Vec<u8>),
    /// It is about the outside world.
    Forward,
    /// It is answered by what this other name stands for.
    Alias(String),
    /// Not a question at all.
    Ignore,
}

/// The number of a message.
pub(super) fn id(message: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*message.first()?, *message.get(1)?]))
}

/// Gives a message another number.
pub(super) fn set_id(message: &mut [u8], id: u16) {
    if let Some(slot) = message.get_mut(..2) {
        slot.copy_from_slice(&id.to_be_bytes());
    }
}

/// Whether a reply answers this question (numbers aside).
pub(super) fn is_reply_to(reply: &[u8], question: &[u8]) -> bool {
    let (Ok(reply), Ok(question)) = (Message::from_vec(reply), Message::from_vec(question)) else {
        return false;
    };
    reply.metadata.message_type == MessageType::Response
        && reply.queries.first().map(|q| (q.name.to_lowercase(), q.query_type))
            == question.queries.first().map(|q| (q.name.to_lowercase(), q.query_type))
}

/// Decides about a question; `tcp` lifts the limit on the size of the reply.
pub(super) fn answer(question: &[u8], names: &Names, tcp: bool) -> Answer {
    let Ok(message) = Message::from_vec(question) else { return Answer::Ignore };
    if message.metadata.message_type != MessageType::Query {
        return Answer::Ignore;
    }
    let Some(query) = message.queries.first() else { return Answer::Ignore };
    if message.metadata.op_code != OpCode::Query || query.query_class != DNSClass::IN {
        return Answer::Forward;
    }
    let name = query.name.to_lowercase().to_ascii();
    let name = name.trim_end_matches('.');
    if let Some(ip) = reverse(name) {
        if !is_ours(ip) {
            return Answer::Forward;
        }
        let target = names.name_of(ip).and_then(|name| Name::from_ascii(format!("{name}.")).ok());
        let found = target.is_some();
        let data = target.filter(|_| query.query_type == RecordType::PTR);
        let records = data.map(|target| RData::PTR(PTR(target))).into_iter().collect();
        return reply(&message, query, found.then_some(records), tcp);
    }
    if name != ZONE && !name.ends_with(&format!(".{ZONE}")) {
        return Answer::Forward;
    }
    let Some(entry) = names.find(name) else { return reply(&message, query, None, tcp) };
    if let Some(target) = entry.alias {
        return Answer::Alias(target);
    }
    let records = match query.query_type {
        RecordType::A => entry.addresses.iter().map(|ip| RData::A(A(*ip))).collect(),
        RecordType::SRV => {
            let count = u16::try_from(entry.services.len()).unwrap_or(u16::MAX).max(1);
            let one = |(port, host): &(u16, String)| {
                let target = Name::from_ascii(format!("{host}.")).ok()?;
                Some(RData::SRV(SRV::new(0, 100 / count.min(100), *port, target)))
            };
            entry.services.iter().filter_map(one).collect()
        }
        // AAAA of a name that has only IPv4 is empty, not unknown: else some resolvers give up.
        _ => Vec::new(),
    };
    reply(&message, query, Some(records), tcp)
}

/// 10.244/16 and 10.96/16.
fn is_ours(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [10, 244 | 96, ..])
}

fn reverse(name: &str) -> Option<Ipv4Addr> {
    let digits = name.strip_suffix(".in-addr.arpa")?;
    let parts: Vec<u8> = digits.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [d, c, b, a] = parts[..] else { return None };
    Some(Ipv4Addr::new(a, b, c, d))
}

fn begin(question: &Message, query: &Query) -> Message {
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.recursion_desired = question.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.add_query(query.clone());
    message
}

/// `None` for records: there is no such name.
fn reply(question: &Message, query: &Query, records: Option<Vec<RData>>, tcp: bool) -> Answer {
    let mut message = begin(question, query);
    message.metadata.authoritative = true;
    if records.is_none() {
        message.metadata.response_code = ResponseCode::NXDomain;
    }
    let records = records.unwrap_or_default();
    if records.is_empty() {
        message.add_authority(authority());
    }
    for data in records {
        message.add_answer(Record::from_rdata(query.name.clone(), TTL, data));
    }
    let most = usize::from(question.max_payload().max(512));
    match message.to_vec() {
        Ok(bytes) if tcp || bytes.len() <= most => Answer::Reply(bytes),
        // Who sees the mark asks again by TCP.
        Ok(_) => message.truncate().to_vec().map_or(Answer::Ignore, Answer::Reply),
        Err(_) => Answer::Ignore,
    }
}

/// Who says so, and for how long an absence may be kept.
fn authority() -> Record {
    let name = |text: &str| Name::from_ascii(text).unwrap_or_default();
    let soa = SOA::new(
        name("ns.dns.cluster.local."),
        name("hostmaster.cluster.local."),
        1,
        7200,
        1800,
        86_400,
        TTL,
    );
    Record::from_rdata(name("cluster.local."), TTL, RData::SOA(soa))
}

/// The reply when nobody answers: the asker may try again, or elsewhere.
pub(super) fn failure(question: &[u8]) -> Vec<u8> {
    let Ok(message) = Message::from_vec(question) else { return Vec::new() };
    let Some(query) = message.queries.first() else { return Vec::new() };
    let mut out = begin(&message, query);
    out.metadata.response_code = ResponseCode::ServFail;
    out.to_vec().unwrap_or_default()
}

/// The same question about another name.
pub(super) fn ask_instead(question: &[u8], target: &str) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(question).ok()?;
    let query = message.queries.first_mut()?;
    query.name = Name::from_ascii(format!("{target}.")).ok()?;
    message.to_vec().ok()
}

/// The reply about the target, told as a reply about its alias.
pub(super) fn with_alias(question: &[u8], target: &str, found: &[u8]) -> Vec<u8> {
    let parts = || -> Option<Vec<u8>> {
        let message = Message::from_vec(question).ok()?;
        let query = message.queries.first()?;
        let found = Message::from_vec(found).ok()?;
        let mut out = begin(&message, query);
        out.metadata.response_code = found.metadata.response_code;
        let target = Name::from_ascii(format!("{target}.")).ok()?;
        let alias = RData::CNAME(CNAME(target));
        out.add_answer(Record::from_rdata(query.name.clone(), TTL, alias));
        out.add_answers(found.answers);
        out.to_vec().ok()
    };
    parts().unwrap_or_else(|| failure(question))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinds::core::{EndpointSlice, Service};
    use serde_json::{from_value, json};

    fn names() -> Names {
        let services: Vec<Service> = [
            json!({"metadata": {"name": "web", "namespace": "shop"},
                "spec": {"clusterIP": "10.96.1.1", "ports": [{"name": "http", "port": 80}]}}),
            json!({"metadata": {"name": "db", "namespace": "shop"},
                "spec": {"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]}}),
            json!({"metadata": {"name": "out", "namespace": "shop"},
                "spec": {"externalName": "Example.com.", "type": "ExternalName"}}),
        ]
        .map(|v| from_value(v).unwrap())
        .into();
        let slice: EndpointSlice = from_value(json!({
            "metadata": {"name": "db-1", "namespace": "shop",
                "labels": {"kubernetes.io/service-name": "db"}},
            "addressType": "IPv4", "ports": [{"name": "sql", "port": 5432}],
            "endpoints": [
                {"addresses": ["10.244.0.5"], "hostname": "db-0", "conditions": {"ready": true}},
                {"addresses": ["10.244.0.6"], "conditions": {"ready": false}}]
        }))
        .unwrap();
        Names::new(&services, [&slice])
    }

    fn ask(name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message.to_vec().unwrap()
    }

    /// `NOERROR 10.96.1.1`, `NXDOMAIN`, `forward`, `alias example.com`.
    fn told(name: &str, kind: RecordType) -> String {
        match answer(&ask(name, kind), &names(), false) {
            Answer::Forward => "forward".to_owned(),
            Answer::Ignore => "ignore".to_owned(),
            Answer::Alias(target) => format!("alias {target}"),
            Answer::Reply(bytes) => {
                let message = Message::from_vec(&bytes).unwrap();
                assert_eq!(message.metadata.id, 7);
                let mut words = vec![match message.metadata.response_code {
                    ResponseCode::NoError => "NOERROR".to_owned(),
                    ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
                    other => other.to_string(),
                }];
                words.extend(message.answers.iter().map(|r| r.data.to_string()));
                words.join(" ")
            }
        }
    }

    #[test]
    fn names_of_the_cluster_are_answered_and_all_others_forwarded() {
        for (name, kind, expected) in [
            ("web.shop.svc.cluster.local.", RecordType::A, "NOERROR 10.96.1.1"),
            ("WEB.Shop.svc.cluster.local.", RecordType::A, "NOERROR 10.96.1.1"),
            ("web.shop.svc.cluster.local.", RecordType::AAAA, "NOERROR"),
            ("web.other.svc.cluster.local.", RecordType::A, "NXDOMAIN"),
            ("example.com.shop.svc.cluster.local.", RecordType::A, "NXDOMAIN"),
            ("shop.svc.cluster.local.", RecordType::A, "NOERROR"),
            ("db.shop.svc.cluster.local.", RecordType::A, "NOERROR 10.244.0.5"),
            ("db-0.db.shop.svc.cluster.local.", RecordType::A, "NOERROR 10.244.0.5"),
            (
                "_http._tcp.web.shop.svc.cluster.local.",
                RecordType::SRV,
                "NOERROR 0 100 80 web.shop.svc.cluster.local.",
            ),
            ("out.shop.svc.cluster.local.", RecordType::A, "alias example.com"),
            ("1.1.96.10.in-addr.arpa.", RecordType::PTR, "NOERROR web.shop.svc.cluster.local."),
            ("9.9.96.10.in-addr.arpa.", RecordType::PTR, "NXDOMAIN"),
            ("8.8.8.8.in-addr.arpa.", RecordType::PTR, "forward"),
            ("example.com.", RecordType::A, "forward"),
            ("notcluster.local.", RecordType::A, "forward"),
        ] {
            assert_eq!(told(name, kind), expected, "{name} {kind}");
        }
        assert_eq!(answer(&[1, 2, 3], &names(), false), Answer::Ignore);
    }

    #[test]
    fn a_long_reply_is_cut_for_udp_and_whole_for_tcp() {
        let endpoints: Vec<_> =
            (1..100).map(|i| json!({"addresses": [format!("10.244.1.{i}")]})).collect();
        let service: Service = from_value(json!({
            "metadata": {"name": "many", "namespace": "n"}, "spec": {"clusterIP": "None"}}))
        .unwrap();
        let slice: EndpointSlice = from_value(json!({
            "metadata": {"namespace": "n", "labels": {"kubernetes.io/service-name": "many"}},
            "addressType": "IPv4", "endpoints": endpoints}))
        .unwrap();
        let names = Names::new([&service], [&slice]);
        let question = ask("many.n.svc.cluster.local.", RecordType::A);
        let count = |tcp| {
            let Answer::Reply(bytes) = answer(&question, &names, tcp) else { panic!() };
            let message = Message::from_vec(&bytes).unwrap();
            (message.metadata.truncation, message.answers.len())
        };
        assert_eq!(count(false), (true, 0));
        assert_eq!(count(true), (false, 99));
    }

    #[test]
    fn an_alias_is_told_with_what_it_stands_for() {
        let question = ask("out.shop.svc.cluster.local.", RecordType::A);
        let asked = ask_instead(&question, "example.com").unwrap();
        let mut found = Message::from_vec(&asked).unwrap();
        found.metadata.message_type = MessageType::Response;
        let name = Name::from_ascii("example.com.").unwrap();
        found.add_answer(Record::from_rdata(name, 9, RData::A(A(Ipv4Addr::new(1, 2, 3, 4)))));
        let found = found.to_vec().unwrap();
        assert!(is_reply_to(&found, &asked) && !is_reply_to(&found, &question));
        let told = Message::from_vec(&with_alias(&question, "example.com", &found)).unwrap();
        let rows: Vec<String> = told.answers.iter().map(|r| r.data.to_string()).collect();
        assert_eq!(rows, ["example.com.", "1.2.3.4"]);
    }
}
