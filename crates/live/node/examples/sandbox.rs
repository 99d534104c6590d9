//! The node alone, without an API server: pods from a list, and a look at what becomes of them.
//!
//! `cargo run -p node --example sandbox [PODS]` enters the sandbox, plays a Kubernetes API of the
//! smallest kind (lists, watches and patches from memory), runs pods, and checks that they reach
//! each other, the outside, and their files; that logs and exec answer; that deletion is orderly.
//! It ends with exit code 0 when all held. The test `tests/pods.rs` runs it.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_tungstenite::tungstenite::Message;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["container-init", ..] => return node::container_init(&args[1..]),
        ["workload", ..] => return done(serve(80)),
        ["gateway", ..] => return done(serve(8080)),
        ["sidecar", ..] => return done(sidecar()),
        ["dns"] => return done(node::dns::run()),
        _ => {}
    }
    let inside = match node::sandbox::enter() {
        Ok(node::sandbox::Entered::Inside(inside)) => inside,
        Ok(node::sandbox::Entered::Over(code)) => return code,
        Err(error) => return done(Err(error.into())),
    };
    let count = words.first().and_then(|w| w.parse().ok()).unwrap_or(0);
    done(run(inside, count))
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn done(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A server that greets with its host name, also on an inherited listener.
fn serve(port: u16) -> Result<()> {
    say("serving");
    let mut listeners = vec![TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?];
    if let Ok(list) = std::env::var("LATEEN_LISTEN_FDS") {
        for part in list.split(',') {
            let (_, fd) = part.split_once('=').context("PORT=FD")?;
            #[expect(unsafe_code, reason = "an inherited descriptor is known by its number only")]
            // SAFETY: the node handed it to this process alone.
            listeners.push(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd.parse()?) });
        }
    }
    let threads: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            std::thread::spawn(move || {
                let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
                for stream in listener.incoming().flatten() {
                    let mut stream = stream;
                    let _ = stream.read(&mut [0; 1024]);
                    let body = name.trim();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                }
            })
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// Answers with where a redirected connection wanted to go.
fn sidecar() -> Result<()> {
    let inbound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 15006))?;
    let outbound = TcpListener::bind((Ipv4Addr::LOCALHOST, 15001))?;
    let answer = |listener: TcpListener, word: &'static str| {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let to = rustix::net::sockopt::ip_original_dst(&stream);
            let to = to.map_or_else(|e| e.to_string(), |to| to.to_string());
            // Its own sockets pass: the mark needs CAP_NET_ADMIN.
            let own = marked(&to, word == "in").unwrap_or_else(|e| e.to_string());
            let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{word} {to} {own}");
        }
    };
    let other = std::thread::spawn(move || answer(inbound, "in"));
    answer(outbound, "out");
    let _ = other.join();
    Ok(())
}

/// What the destination itself says to a marked socket.
fn marked(to: &str, inbound: bool) -> Result<String> {
    let to: SocketAddr = to.parse()?;
    ensure!(to.port() != 15006, "not redirected");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_mark(0x539)?;
    if inbound {
        socket.bind(&SocketAddr::from(([127, 0, 0, 6], 0)).into())?;
    }
    socket.connect_timeout(&to.into(), Duration::from_secs(1))?;
    let mut stream = std::net::TcpStream::from(socket);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text.rsplit("\r\n").next().unwrap_or_default().to_owned())
}

type Body = BoxBody<Bytes, Infallible>;

/// An API from memory: objects by plural, and the news of pods.
struct Api {
    objects: Mutex<BTreeMap<String, Vec<Value>>>,
    /// (plural, watch event).
    news: broadcast::Sender<(String, Value)>,
    pods: watch::Sender<BTreeMap<String, Value>>,
    events: Mutex<Vec<String>>,
}

impl Api {
    fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.pods.send_modify(|pods| {
            if let Some(pod) = pods.get_mut(name) {
                change(pod);
                let event = json!({"type": "MODIFIED", "object": pod});
                let _ = self.news.send(("pods".to_owned(), event));
            }
        });
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or("").to_owned();
        let method = request.method().clone();
        let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let name = |at: usize| parts.iter().rev().nth(at).map_or("", |p| *p).to_owned();
        match method {
            Method::GET if query.contains("watch=true") => self.watch(&name(0)),
            Method::GET => {
                let plural = name(0);
                let items = if plural == "pods" {
                    self.pods.borrow().values().cloned().collect()
                } else {
                    let objects = self.objects.lock().expect("nobody panics");
                    objects.get(&plural).cloned().unwrap_or_default()
                };
                let known = ["nodes", "namespaces", "leases"].contains(&name(1).as_str());
                if known && items.is_empty() && plural != "namespaces" {
                    return plain(
                        404,
                        &json!({"kind": "Status", "code": 404, "status": "Failure",
                        "reason": "NotFound", "message": "not found"}),
                    );
                }
                plain(200, &json!({"metadata": {"resourceVersion": "1"}, "items": items}))
            }
            Method::POST if name(0) == "token" => plain(
                201,
                &json!({"spec": {"audiences": []}, "status": {"token": "secret",
                    "expirationTimestamp": "2036-01-01T00:00:00Z"}}),
            ),
            Method::POST => {
                if name(0) == "events" {
                    let text = format!("{} {}", body["reason"], body["message"]);
                    self.events.lock().expect("nobody panics").push(text);
                }
                plain(201, &body)
            }
            Method::PATCH if name(2) == "pods" => {
                self.change(&name(1), |pod| pod["status"] = body["status"].clone());
                plain(200, &self.pods.borrow().get(&name(1)).cloned().unwrap_or(body))
            }
            Method::DELETE => {
                self.pods.send_modify(|pods| {
                    if let Some(pod) = pods.remove(&name(0)) {
                        let event = json!({"type": "DELETED", "object": pod});
                        let _ = self.news.send(("pods".to_owned(), event));
                    }
                });
                plain(200, &json!({"kind": "Status", "status": "Success"}))
            }
            _ => plain(200, &body),
        }
    }

    fn watch(&self, plural: &str) -> Response<Body> {
        let (send, receive) = mpsc::channel(1);
        let mut news = self.news.subscribe();
        let wanted = plural.to_owned();
        tokio::spawn(async move {
            while let Ok((plural, event)) = news.recv().await {
                if plural == wanted && send.send(event).await.is_err() {
                    break;
                }
            }
        });
        let frames = futures_util::stream::unfold(receive, |mut receive| async move {
            let event: Value = receive.recv().await?;
            Some((Ok(Frame::data(Bytes::from(format!("{event}\n")))), receive))
        });
        Response::new(BodyExt::boxed(StreamBody::new(frames)))
    }

    async fn until(
        &self,
        what: &str,
        holds: impl Fn(&BTreeMap<String, Value>) -> bool,
    ) -> Result<()> {
        let mut pods = self.pods.subscribe();
        let wait = pods.wait_for(|pods| holds(pods));
        match tokio::time::timeout(Duration::from_secs(30), wait).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                for pod in self.pods.borrow().values() {
                    say(&format!("{}: {}", pod["metadata"]["name"], pod["status"]));
                }
                bail!("not within 30 s: {what}; events: {:#?}", self.events.lock().expect("ok"))
            }
        }
    }
}

fn plain(status: u16, value: &Value) -> Response<Body> {
    let mut response = Response::new(BodyExt::boxed(Full::new(Bytes::from(value.to_string()))));
    *response.status_mut() = status.try_into().expect("a status");
    response
}

fn pod(name: &str, spec: Value) -> (String, Value) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"),
            "resourceVersion": "1", "labels": {"app": name}},
        "spec": spec, "status": {},
    });
    (name.to_owned(), pod)
}

fn is_ready(pod: &Value) -> bool {
    let rows = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    rows.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn pods(count: usize) -> BTreeMap<String, Value> {
    let echo = json!({"nodeName": "lateen", "containers": [{"name": "echo", "image": "lateen/echo",
        "ports": [{"containerPort": 80}]}]});
    if count > 0 {
        return (0..count).map(|i| pod(&format!("p{i}"), echo.clone())).collect();
    }
    let client = json!({
        "nodeName": "lateen", "hostname": "box", "terminationGracePeriodSeconds": 5,
        "initContainers": [{"name": "first", "image": "x",
            "command": ["/bin/sh", "-c", "echo made > /shared/file"],
            "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}],
        "volumes": [{"name": "shared", "emptyDir": {}},
            {"name": "config", "configMap": {"name": "settings"}}],
        "containers": [{"name": "main", "image": "x",
            "env": [{"name": "WHO", "value": "me"},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "key"}}}],
            "command": ["/bin/sh", "-c",
                "trap 'echo bye; exit 7' TERM; echo hello $(WHO) $IP $KEY; cat /shared/file /conf/sub/key; id -u; while :; do sleep 0.05; done"],
            "readinessProbe": {"exec": {"command": ["/bin/sh", "-c", "test -e /conf/sub/key"]}},
            "volumeMounts": [{"name": "shared", "mountPath": "/shared"},
                {"name": "config", "mountPath": "/conf/sub"}]}]
    });
    let crash = json!({"nodeName": "lateen", "containers": [{"name": "c", "image": "x",
        "command": ["/bin/sh", "-c", "exit 3"]}]});
    let unknown = json!({"nodeName": "lateen", "containers": [{"name": "c", "image": "nginx:1"}]});
    let gateway = json!({"nodeName": "lateen", "containers": [{"name": "g", "image": "lateen/gateway",
        "ports": [{"containerPort": 8080}],
        "livenessProbe": {"httpGet": {"path": "/", "port": 8080}}}]});
    let dns = json!({"nodeName": "lateen", "containers": [{"name": "dns", "image": "lateen/echo",
        "ports": [{"containerPort": 80}]}]});
    let meshed = json!({"nodeName": "lateen", "containers": [
        {"name": "istio-proxy", "image": "lateen/proxyv2:1", "ports": [{"containerPort": 15006}]},
        {"name": "main", "image": "x", "command": ["/bin/sleep", "1000"]}],
        "terminationGracePeriodSeconds": 1});
    [
        pod("meshed", meshed),
        pod("server", echo),
        pod("other", dns),
        pod("client", client),
        pod("crash", crash),
        pod("unknown", unknown),
        pod("gateway", gateway),
    ]
    .into()
}

fn run(inside: node::sandbox::Inside, count: usize) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let api = Arc::new(Api {
            objects: Mutex::new(BTreeMap::from([
                ("configmaps".to_owned(), vec![json!({
                    "metadata": {"name": "settings", "namespace": "default", "resourceVersion": "1"},
                    "data": {"key": "value\n"}})]),
                ("services".to_owned(), vec![
                    json!({"metadata": {"name": "web", "namespace": "default", "resourceVersion": "1"},
                        "spec": {"clusterIP": "10.96.7.7", "ports": [{"port": 8000}]}}),
                    json!({"metadata": {"name": "none", "namespace": "default", "resourceVersion": "1"},
                        "spec": {"clusterIP": "10.96.7.8", "ports": [{"port": 8000}]}})]),
            ])),
            news: broadcast::channel(4096).0,
            pods: watch::Sender::new(pods(count)),
            events: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let served = Arc::clone(&api);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let api = Arc::clone(&served);
                let service = hyper::service::service_fn(move |request| {
                    let api = Arc::clone(&api);
                    async move { Ok::<_, Infallible>(api.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        let client = kube::Client::try_from(kube::Config::new(format!("http://{address}").parse()?))?;
        let home = std::env::temp_dir().join(format!("lateen-sandbox-{address}"));
        std::fs::create_dir_all(&home)?;
        let host = TcpListener::bind("127.0.0.1:0")?;
        let gateway = host.local_addr()?;
        let config = node::Config {
            home: home.clone(),
            client,
            binary: std::env::current_exe()?,
            kubelet_socket: home.join("kubelet.sock"),
            netns: node::Netns::start()?,
            rootless: inside.rootless,
            ca: "ca".to_owned(),
            host_ports: vec![node::HostPort {
                image: "lateen/gateway*".to_owned(), port: 8080, listener: host }],
            upstream: Some(node::Upstream {
                socket: UdpSocket::bind("127.0.0.1:0")?, server: "127.0.0.1:53".parse()? }),
            back_off: jiff::SignedDuration::from_millis(300),
            withdrawn: Arc::new(|_| Box::pin(std::future::ready(()))),
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let began = Instant::now();
        let node = tokio::spawn(async move {
            node::run(config, async { let _ = stopped.await; }).await
        });
        let result = if count > 0 {
            api.until("all ready", |pods| pods.values().all(is_ready)).await
        } else {
            checks(&api, &home, gateway).await
        };
        if std::env::var_os("SANDBOX_STAYS").is_some() {
            say(&format!("staying until killed; so far: {result:?}"));
            std::future::pending::<()>().await;
        }
        say(&format!("{} ms in all", began.elapsed().as_millis()));
        let _ = stop.send(());
        node.await??;
        say(&format!("{} ms with the end", began.elapsed().as_millis()));
        let _ = std::fs::remove_dir_all(&home);
        result
    })
}

async fn checks(api: &Api, home: &std::path::Path, gateway: SocketAddr) -> Result<()> {
    let began = Instant::now();
    api.until("servers ready", |pods| {
        ["server", "other", "client", "gateway", "meshed"]
            .iter()
            .all(|p| pods.get(*p).is_some_and(is_ready))
    })
    .await?;
    say(&format!("ready after {} ms", began.elapsed().as_millis()));
    let pod = |name: &str| api.pods.borrow().get(name).cloned().unwrap_or_default();
    let ip = |name: &str| pod(name)["status"]["podIP"].as_str().unwrap_or("").to_owned();
    let (server, client) = (ip("server"), ip("client"));

    api.until("a crash is seen", |pods| {
        let row = &pods["crash"]["status"]["containerStatuses"][0];
        row["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            && row["lastState"]["terminated"]["exitCode"] == 3
    })
    .await?;
    api.until("an unknown image is told", |pods| {
        let row = &pods["unknown"]["status"]["containerStatuses"][0]["state"]["waiting"];
        row["reason"] == "ErrImagePull"
            && row["message"].as_str().is_some_and(|m| m.contains("lateen-images"))
    })
    .await?;

    let log = get(home, "/containerLogs/default/client/main?tailLines=10").await?;
    say(&format!("log: {log:?}"));
    ensure!(log.starts_with(&format!("hello me {client} value\nmade\nvalue\n")), "log: {log}");

    network(api, home, &server).await?;
    files_and_rights(home).await?;
    host_listener(gateway).await?;

    let began = Instant::now();
    api.change("client", |pod| {
        pod["metadata"]["deletionTimestamp"] = json!(jiff::Timestamp::now().to_string());
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(5);
    });
    api.until("the pod is deleted", |pods| !pods.contains_key("client")).await?;
    say(&format!("deleted after {} ms", began.elapsed().as_millis()));
    ensure!(began.elapsed() < Duration::from_secs(2), "SIGTERM was enough");
    for event in api.events.lock().expect("nobody panics").iter() {
        say(&format!("event {event}"));
    }
    Ok(())
}

/// Pods, Services, the sidecar's redirection, and the outside.
async fn network(api: &Api, home: &std::path::Path, server: &str) -> Result<()> {
    let ip = |name: &str| {
        let pods = api.pods.borrow();
        pods[name]["status"]["podIP"].as_str().unwrap_or("").to_owned()
    };
    let slice = json!({"metadata": {"name": "web-1", "namespace": "default", "resourceVersion": "2",
        "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
        "ports": [{"port": 80}], "endpoints": [{"addresses": [server]},
            {"addresses": [ip("other")]}]});
    let event = json!({"type": "ADDED", "object": slice});
    let _ = api.news.send(("endpointslices".to_owned(), event));
    tokio::time::sleep(Duration::from_millis(50)).await;

    let curl = |url: String| exec(home, "client", vec!["curl", "-sS", "-m", "3"], url);
    let mut served = BTreeMap::new();
    for _ in 0..20 {
        let (code, out) = curl("http://10.96.7.7:8000/".to_owned()).await?;
        ensure!(code == 0, "a Service: {code} {out}");
        *served.entry(out).or_insert(0) += 1;
    }
    say(&format!("served: {served:?}"));
    ensure!(served.len() == 2, "both endpoints serve: {served:?}");
    let (_, out) = curl(format!("http://{}:99/", ip("meshed"))).await?;
    ensure!(out.starts_with(&format!("in {}:99 ", ip("meshed"))), "inbound: {out}");
    let words = vec!["curl", "-sS", "-m", "3"];
    let (_, out) = exec(home, "meshed", words, "http://10.96.7.7:8000/".to_owned()).await?;
    say(&out);
    ensure!(
        ["out 10.96.7.7:8000 server", "out 10.96.7.7:8000 other"].contains(&out.as_str()),
        "outbound: {out}"
    );
    let own = curl_self(home, server).await?;
    ensure!(own, "a pod reaches itself through its Service");
    let (code, out) = curl(format!("http://{server}/")).await?;
    ensure!((code, out.as_str()) == (0, "server"), "pod to pod: {code} {out}");
    let (code, out) = curl("http://10.96.7.8:8000/".to_owned()).await?;
    ensure!(code == 7, "a Service without endpoints refuses at once: {code} {out}");
    let host = TcpListener::bind("0.0.0.0:0")?;
    let port = host.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in host.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\noutside");
        }
    });
    if let Some(own) = own_address() {
        let (code, out) = curl(format!("http://{own}:{port}/")).await?;
        ensure!((code, out.as_str()) == (0, "outside"), "egress to {own}: {code} {out}");
    }
    Ok(())
}

/// What a program may touch, and how exec tells its end.
async fn files_and_rights(home: &std::path::Path) -> Result<()> {
    let script = "touch /usr/x 2>&1; touch /tmp/x && echo tmp; grep Cap /proc/self/status; \
                  cat /proc/1/comm; hostname; exit 5";
    let (code, out) = exec(home, "client", vec!["/bin/sh", "-c"], script.to_owned()).await?;
    say(&format!("exec: {out}"));
    ensure!(code == 5 && out.contains("tmp\n") && out.ends_with("box\n"), "exec: {code} {out}");
    ensure!(out.contains("CapEff:\t0000000000000000"), "no capabilities: {out}");

    Ok(())
}

/// What the gateway's program says on the host's side.
async fn host_listener(gateway: SocketAddr) -> Result<()> {
    let answer = tokio::task::spawn_blocking(move || -> Result<String> {
        let mut stream = std::net::TcpStream::connect(gateway)?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    });
    let answer = answer.await??;
    ensure!(answer.ends_with("gateway"), "host listener: {answer}");
    Ok(())
}

/// Whether a pod without a sidecar reaches itself through a Service that chose it.
async fn curl_self(home: &std::path::Path, ip: &str) -> Result<bool> {
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do curl -sS -m 1 http://10.96.7.7:8000/ || echo failed; \
         echo; done; curl -s http://{ip}/"
    );
    let words = vec!["/bin/sh", "-c"];
    let (_, out) = exec_in(home, "server", "echo", words, script).await?;
    Ok(out.contains("server") && !out.contains("failed"))
}

/// An address of this machine that is not loopback.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}

async fn get(home: &std::path::Path, path: &str) -> Result<String> {
    let stream = tokio::net::UnixStream::connect(home.join("kubelet.sock")).await?;
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "x").body(Full::new(Bytes::new()))?;
    let answer = send.send_request(request).await?;
    Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?)
}

async fn exec(
    home: &std::path::Path,
    pod: &str,
    words: Vec<&str>,
    last: String,
) -> Result<(i64, String)> {
    exec_in(home, pod, "main", words, last).await
}

async fn exec_in(
    home: &std::path::Path,
    pod: &str,
    container: &str,
    mut words: Vec<&str>,
    last: String,
) -> Result<(i64, String)> {
    words.push(&last);
    let encode = |w: &str| -> String { w.bytes().map(|b| format!("%{b:02x}")).collect() };
    let query: Vec<String> = words.iter().map(|w| format!("command={}", encode(w))).collect();
    let stream = tokio::net::UnixStream::connect(home.join("kubelet.sock")).await?;
    let request = Request::get(format!(
        "ws://x/exec/default/{pod}/{container}?{}&stdout=true&stderr=true",
        query.join("&")
    ))
    .header("host", "x")
    .header("connection", "Upgrade")
    .header("upgrade", "websocket")
    .header("sec-websocket-version", "13")
    .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    .header("sec-websocket-protocol", "v5.channel.k8s.io")
    .body(())?;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    let (mut output, mut code) = (String::new(), -1);
    while let Some(Ok(message)) = socket.next().await {
        let Message::Binary(data) = message else { continue };
        match data.split_first() {
            Some((1 | 2, text)) => output.push_str(&String::from_utf8_lossy(text)),
            Some((3, status)) => {
                let status: Value = serde_json::from_slice(status)?;
                let cause = status["details"]["causes"][0]["message"].as_str();
                code = if status["status"] == "Success" {
                    0
                } else {
                    cause.and_then(|c| c.parse().ok()).with_context(|| status.to_string())?
                };
            }
            _ => {}
        }
    }
    let _ = socket.close(None).await;
    Ok((code, output))
}
