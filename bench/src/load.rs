//! A closed-loop load generator: each connection (or stream) sends its next request when the last is answered. Prints what
//! happened as one line of JSON.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};

/// What is sent, and for how long.
#[derive(Clone, Debug)]
struct Plan {
    target: SocketAddr,
    host: String,
    path: String,
    end: Instant,
    /// What the records count from: the first part of the time warms up.
    begin: Instant,
}

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    /// All requests that were answered, also while warming up, and the bytes of their bodies.
    all: u64,
    bytes: u64,
    /// Those after it.
    counted: u64,
    errors: u64,
    micros: Vec<u32>,
}

impl Tally {
    fn add(&mut self, plan: &Plan, since: Instant, bytes: usize) {
        self.all += 1;
        self.bytes += bytes as u64;
        if since >= plan.begin {
            self.counted += 1;
            self.micros.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
}

/// Runs by settings `mode`, `connections`, `streams`, `seconds`, `warm`, `host`, `path`.
#[expect(clippy::print_stdout, reason = "the result is for whoever started it")]
pub(crate) fn run(target: SocketAddr, settings: &BTreeMap<&str, &str>) -> anyhow::Result<()> {
    let text =
        |key: &str, default: &'static str| settings.get(key).copied().unwrap_or(default).to_owned();
    let number = |key: &str, default: &'static str| {
        text(key, default).parse::<u64>().with_context(|| format!("{key} is no number"))
    };
    let seconds = |key: &str, default: &'static str| -> anyhow::Result<Duration> {
        let value: f64 =
            text(key, default).parse().with_context(|| format!("{key} is no number"))?;
        Ok(Duration::try_from_secs_f64(value)?)
    };
    let (connections, streams) = (number("connections", "1")?, number("streams", "1")?);
    let begin = Instant::now() + seconds("warm", "0.3")?;
    let plan = Plan {
        target,
        host: text("host", "svc-42.default.svc.cluster.local"),
        path: text("path", "/k"),
        end: begin + seconds("seconds", "2")?,
        begin,
    };
    let mode = text("mode", "h1");
    let tally = Rc::new(RefCell::new(Tally::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    for _ in 0..connections {
        let (plan, tally, mode) = (plan.clone(), Rc::clone(&tally), mode.clone());
        local.spawn_local(async move {
            let done = match mode.as_str() {
                "h1" => keep_alive(&plan, &tally).await,
                "connect" => connect(&plan, &tally).await,
                "h2" => http2(&plan, &tally, streams, false).await,
                "grpc" => http2(&plan, &tally, streams, true).await,
                other => Err(anyhow::anyhow!("there is no mode {other:?}")),
            };
            if done.is_err() {
                tally.borrow_mut().errors += 1;
            }
        });
    }
    runtime.block_on(local);
    let mut tally = tally.take();
    tally.micros.sort_unstable();
    let at = |share: usize| {
        let last = tally.micros.len().saturating_sub(1);
        tally.micros.get(last * share / 100).copied().unwrap_or_default()
    };
    println!(
        "{}",
        json!({
            "all": tally.all, "counted": tally.counted, "errors": tally.errors, "bytes": tally.bytes,
            "seconds": plan.end.duration_since(plan.begin).as_secs_f64(),
            "p50_us": at(50), "p99_us": at(99),
        })
    );
    Ok(())
}

async fn dial(plan: &Plan) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(plan.target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn request(plan: &Plan) -> Vec<u8> {
    format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n",
        plan.path, plan.host
    )
    .into_bytes()
}

async fn keep_alive(plan: &Plan, tally: &RefCell<Tally>) -> anyhow::Result<()> {
    let mut stream = dial(plan).await?;
    let request = request(plan);
    let mut input = Vec::with_capacity(64 << 10);
    while Instant::now() < plan.end {
        let since = Instant::now();
        stream.write_all(&request).await?;
        let bytes = answer(&mut stream, &mut input).await?;
        tally.borrow_mut().add(plan, since, bytes);
    }
    Ok(())
}

async fn connect(plan: &Plan, tally: &RefCell<Tally>) -> anyhow::Result<()> {
    let request = request(plan);
    let mut input = Vec::with_capacity(8 << 10);
    while Instant::now() < plan.end {
        let since = Instant::now();
        let mut stream = dial(plan).await?;
        stream.write_all(&request).await?;
        let bytes = answer(&mut stream, &mut input).await?;
        tally.borrow_mut().add(plan, since, bytes);
    }
    Ok(())
}

/// Reads one answer with a length; anything but a 200 is an error.
async fn answer(stream: &mut TcpStream, input: &mut Vec<u8>) -> anyhow::Result<usize> {
    input.clear();
    let head = loop {
        anyhow::ensure!(stream.read_buf(input).await? > 0, "closed before an answer");
        if let Some(at) = input.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
    };
    anyhow::ensure!(input.starts_with(b"HTTP/1.1 200"), "no 200");
    let text = String::from_utf8_lossy(&input[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer without length")?.trim().parse()?;
    let mut seen = input.len() - head;
    while seen < length {
        input.clear();
        let n = stream.read_buf(input).await?;
        anyhow::ensure!(n > 0, "closed inside of an answer");
        seen += n;
    }
    Ok(length)
}

async fn http2(
    plan: &Plan,
    tally: &Rc<RefCell<Tally>>,
    streams: u64,
    is_grpc: bool,
) -> anyhow::Result<()> {
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(16 << 20)
        .handshake::<_, Bytes>(dial(plan).await?)
        .await?;
    let driver = tokio::task::spawn_local(connection);
    let mut all = Vec::new();
    for _ in 0..streams {
        let (plan, tally, mut send) = (plan.clone(), Rc::clone(tally), send.clone());
        all.push(tokio::task::spawn_local(async move {
            while Instant::now() < plan.end {
                let since = Instant::now();
                send = send.ready().await?;
                let bytes = exchange(&plan, &mut send, is_grpc).await?;
                tally.borrow_mut().add(&plan, since, bytes);
            }
            anyhow::Ok(())
        }));
    }
    drop(send);
    for one in all {
        one.await??;
    }
    driver.abort();
    Ok(())
}

async fn exchange(
    plan: &Plan,
    send: &mut h2::client::SendRequest<Bytes>,
    is_grpc: bool,
) -> anyhow::Result<usize> {
    let uri = format!("http://{}{}", plan.host, plan.path);
    let request = Request::builder().uri(uri).header("user-agent", "bench");
    let (response, body) = if is_grpc {
        let request = request.method(Method::POST).header("content-type", "application/grpc");
        let (response, mut body) =
            send.send_request(request.header("te", "trailers").body(())?, false)?;
        let mut message = vec![0, 0, 0, 0, 100];
        message.resize(105, b'x');
        body.send_data(message.into(), true)?;
        (response.await?, 105)
    } else {
        (send.send_request(request.body(())?, true)?.0.await?, 0)
    };
    anyhow::ensure!(response.status() == 200, "no 200");
    let mut body_in = response.into_body();
    let mut seen = 0;
    while let Some(part) = body_in.data().await {
        let part = part?;
        seen += part.len();
        body_in.flow_control().release_capacity(part.len())?;
    }
    let trailers = body_in.trailers().await?.unwrap_or_else(HeaderMap::new);
    if is_grpc {
        anyhow::ensure!(
            trailers.get("grpc-status").is_some_and(|it| it == "0"),
            "no grpc-status 0"
        );
    }
    Ok(seen.max(body))
}
