//! The console on a real socket, over an API that is played.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Longest wait for anything in these tests.
const SOON: Duration = Duration::from_secs(20);

type ApiBody = UnsyncBoxBody<Bytes, Infallible>;

/// A Kubernetes API with one list for each kind, and watches that say what a test sends.
struct Cluster {
    lists: HashMap<&'static str, Vec<Value>>,
    /// Answered as kinds that are not installed.
    unknown: &'static str,
    watches: Mutex<HashMap<&'static str, mpsc::UnboundedReceiver<Bytes>>>,
}

#[derive(Clone)]
struct Api(Arc<Cluster>);

impl tower_service::Service<Request<kube::client::Body>> for Api {
    type Response = Response<ApiBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        assert_eq!(request.method(), "GET", "the console only reads");
        let plural = request.uri().path().rsplit('/').next().unwrap();
        assert_ne!(plural, "secrets");
        let watches = request.uri().query().is_some_and(|it| it.contains("watch=true"));
        if plural == self.0.unknown {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                "message": "no such kind", "reason": "NotFound", "metadata": {}});
            let mut answer = Response::new(Full::from(status.to_string()).boxed_unsync());
            *answer.status_mut() = StatusCode::NOT_FOUND;
            return ready(Ok(answer));
        }
        if !watches {
            let items = self.0.lists.get(plural).cloned().unwrap_or_default();
            let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                "items": items});
            return ready(Ok(Response::new(Full::from(list.to_string()).boxed_unsync())));
        }
        let told = self.0.watches.lock().unwrap().remove(plural);
        let lines = stream::unfold(told, |told| async {
            let mut told = told?;
            Some((told.recv().await?, Some(told)))
        });
        let open = lines.chain(stream::pending());
        let body = StreamBody::new(open.map(|line| Ok(Frame::data(line)))).boxed_unsync();
        ready(Ok(Response::new(body)))
    }
}

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    done: JoinHandle<anyhow::Result<()>>,
    services: mpsc::UnboundedSender<Bytes>,
}

fn service(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "resourceVersion": "2"},
        "spec": {"clusterIP": "10.96.0.9", "selector": {"app": name},
            "ports": [{"name": "http", "port": 80}]}})
}

fn start(unknown: &'static str) -> Running {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (services, told) = mpsc::unbounded_channel();
    let cluster = Cluster {
        lists: HashMap::from([("services", vec![service("cart")])]),
        unknown,
        watches: Mutex::new(HashMap::from([("services", told)])),
    };
    let client = kube::Client::new(Api(Arc::new(cluster)), "default");
    let (stop, stopped) = watch::channel(false);
    let done = tokio::spawn(run(listener, client, stopped));
    Running { address, stop, done, services }
}

impl Running {
    async fn ask(&self, head: &str) -> String {
        let ask = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        timeout(SOON, ask).await.unwrap()
    }

    async fn follow(&self) -> Events {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut lines = BufReader::new(stream);
        let mut status = String::new();
        lines.read_line(&mut status).await.unwrap();
        Events { lines, status }
    }

    /// The main page, as soon as it contains `text`: looked at once for each event.
    async fn page_with(&self, events: &mut Events, text: &str) -> String {
        let look = async {
            loop {
                assert!(events.next().await, "the stream ended early");
                let page = self.ask("GET / HTTP/1.1").await;
                if page.contains(text) {
                    return page;
                }
            }
        };
        timeout(SOON, look).await.unwrap_or_else(|_| panic!("the page never says {text:?}"))
    }
}

struct Events {
    lines: BufReader<TcpStream>,
    status: String,
}

impl Events {
    /// Waits for an event; false at the end of the stream.
    async fn next(&mut self) -> bool {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).await.unwrap() == 0 {
                return false;
            }
            if line == "data: changed\n" {
                return true;
            }
        }
    }
}

#[tokio::test]
async fn a_change_reaches_the_page_by_push() {
    let console = start("none");
    let mut events = console.follow().await;
    assert_eq!(events.status, "HTTP/1.1 200 OK\r\n");
    let page = console.page_with(&mut events, "/objects/shop/Service/cart").await;
    assert!(!page.contains("/objects/shop/Service/till"));
    let told = json!({"type": "ADDED", "object": {"apiVersion": "v1", "kind": "Service"}});
    let mut told = told;
    told["object"]["metadata"] = service("till")["metadata"].clone();
    told["object"]["spec"] = service("till")["spec"].clone();
    console.services.send(format!("{told}\n").into()).unwrap();
    console.page_with(&mut events, "/objects/shop/Service/till").await;
    told["type"] = json!("DELETED");
    told["object"]["metadata"]["resourceVersion"] = json!("3");
    console.services.send(format!("{told}\n").into()).unwrap();
    let gone = async {
        while console.ask("GET / HTTP/1.1").await.contains("/objects/shop/Service/till") {
            assert!(events.next().await);
        }
    };
    timeout(SOON, gone).await.unwrap();
    let page = console.ask("GET /objects/shop/Service/till HTTP/1.1").await;
    assert!(page.starts_with("HTTP/1.1 404 ") && page.contains("no such object"), "{page}");
}

#[tokio::test]
async fn every_answer_carries_its_guards() {
    let console = start("none");
    let table = [
        ("GET / HTTP/1.1", 200),
        ("HEAD / HTTP/1.1", 200),
        ("HEAD /events HTTP/1.1", 200),
        ("GET /live.js HTTP/1.1", 200),
        ("GET /style.css HTTP/1.1", 200),
        ("GET /healthz HTTP/1.1", 200),
        ("GET /objects/shop/Service/none HTTP/1.1", 404),
        ("GET /objects/shop/Secret/cart HTTP/1.1", 404),
        ("GET /else HTTP/1.1", 404),
        ("POST / HTTP/1.1", 405),
        ("DELETE /objects/shop/Service/cart HTTP/1.1", 405),
        ("GET / HTTP/1.1\r\nHost: evil.example", 403),
    ];
    for (head, status) in table {
        let answer = console.ask(head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        let (answer, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.is_empty(), head.starts_with("HEAD"), "{head}");
        for guard in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.contains(guard), "{head} lacks {guard}");
        }
        assert_eq!(answer.contains("allow: GET, HEAD"), status == 405, "{head}");
    }
}

#[tokio::test]
async fn a_cluster_without_istios_kinds_shows_what_there_is() {
    let console = start("gateways");
    let mut events = console.follow().await;
    let page = console.page_with(&mut events, "The API does not tell about gateways").await;
    assert!(page.contains("install Istio&#39;s CRDs"), "{page}");
    console.page_with(&mut console.follow().await, "/objects/shop/Service/cart").await;
}

#[tokio::test]
async fn the_sixty_fifth_stream_is_refused_until_another_ends() {
    let console = start("none");
    let mut streams = Vec::new();
    for _ in 0..64 {
        let mut events = console.follow().await;
        assert!(events.next().await);
        streams.push(events);
    }
    assert_eq!(console.follow().await.status, "HTTP/1.1 503 Service Unavailable\r\n");
    drop(streams.pop());
    let again = async { while !console.follow().await.status.contains("200") {} };
    timeout(SOON, again).await.unwrap();
}

#[tokio::test]
async fn stop_ends_streams_and_the_console() {
    let console = start("none");
    let mut events = console.follow().await;
    assert!(events.next().await);
    console.stop.send_replace(true);
    timeout(SOON, console.done).await.unwrap().unwrap().unwrap();
    while events.next().await {}
    assert!(TcpStream::connect(console.address).await.is_err());
}
