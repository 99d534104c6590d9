//! The image `service`: calls its upstreams and says which version of each took part.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, StatusCode, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use crate::{
    echo::hostname,
    page,
    request::{Answer, Request, answer, json as json_answer},
    serve,
    settings::Settings,
};

/// The headers that an application must hand on, so that one trace is one trace (and a dark
/// release, chosen by a header, is dark all the way).
const HANDED_ON: &[&str] = &[
    "x-request-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "traceparent",
    "tracestate",
    "baggage",
    "end-user",
    "user-agent",
    "cookie",
    "authorization",
];

/// The longest wait for one upstream, and the largest answer taken from it.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(15);
const UPSTREAM_BYTES_MAX: usize = 1 << 20;

struct Upstream {
    name: String,
    uri: Uri,
}

struct Service {
    name: String,
    version: String,
    host: String,
    page: Option<String>,
    title: String,
    latency: (Duration, Duration),
    error_rate: f64,
    error_code: StatusCode,
    forward_headers: bool,
    extra: Value,
    upstreams: Vec<Upstream>,
    client: Client<HttpConnector, Full<Bytes>>,
    dice: AtomicU64,
}

/// Serves until SIGTERM; with `RATE` above zero it also calls itself that often, as a slow
/// traffic generator that needs nobody at a browser.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let service = Arc::new(Service::new(settings)?);
    let rate = settings.number("RATE", 0.0)?;
    if rate > 0.0 {
        let period = Duration::try_from_secs_f64(1.0 / rate).context("RATE is too small")?;
        tokio::spawn(generate(Arc::clone(&service), period));
    }
    serve::run_async(settings, move |request| {
        let service = Arc::clone(&service);
        async move { service.answer(&request).await }
    })
    .await
}

async fn generate(service: Arc<Service>, period: Duration) {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        service.ask_all(&HeaderMap::new()).await;
    }
}

impl Service {
    fn new(settings: &Settings) -> anyhow::Result<Self> {
        let text = |name: &str, default: &str| settings.text(name).unwrap_or(default).to_owned();
        let code = text("ERROR_CODE", "500");
        let extra = match settings.text("DATA") {
            None => Value::Null,
            Some(data) => serde_json::from_str(data).with_context(|| format!("DATA={data:?}"))?,
        };
        // No name is looked up before the first request: upstreams may start later than we do.
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let upstreams = settings.text("UPSTREAMS").unwrap_or("").split(',').map(str::trim);
        let upstreams =
            upstreams.filter(|it| !it.is_empty()).map(upstream).collect::<Result<_, _>>()?;
        let name = text("NAME", "service");
        Ok(Self {
            title: text("TITLE", &name),
            name,
            version: text("VERSION", "v1"),
            host: hostname(),
            page: settings.text("PAGE").map(str::to_owned),
            latency: settings.latency("LATENCY")?,
            error_rate: settings.number("ERROR_RATE", 0.0)?,
            error_code: code.parse().with_context(|| format!("ERROR_CODE={code:?}"))?,
            forward_headers: settings.switch("FORWARD_HEADERS", true)?,
            extra,
            upstreams,
            client: Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(30))
                .build(connector),
            dice: AtomicU64::new(u64::from(std::process::id()) ^ 0x2545_f491_4f6c_dd1d),
        })
    }

    async fn answer(&self, request: &Request) -> Answer {
        if matches!(request.uri.path(), "/healthz" | "/health") {
            return answer(StatusCode::OK, "text/plain", "ok\n");
        }
        let (low, high) = self.latency;
        if high > Duration::ZERO {
            tokio::time::sleep(low + (high - low).mul_f64(self.dice())).await;
        }
        if self.dice() < self.error_rate {
            let said =
                json!({ "service": self.name, "version": self.version, "error": "by ERROR_RATE" });
            return json_answer(self.error_code, &said);
        }
        let asked = self.ask_all(&request.headers).await;
        let failed = asked.iter().any(|it| it["status"].as_u64().is_none_or(|code| code >= 500));
        let status = if failed { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        let mut said = json!({
            "service": self.name,
            "version": self.version,
            "pod": self.host,
            "path": request.uri.path(),
        });
        if !self.extra.is_null() {
            said["data"] = self.extra.clone();
        }
        if !asked.is_empty() {
            said["upstreams"] = Value::Array(asked);
        }
        let wants_page = request.header("accept").is_some_and(|it| it.contains("text/html"))
            || request.uri.path().starts_with("/productpage");
        match &self.page {
            Some(page) if wants_page && request.query("format") != Some("json") => {
                // A page is for people: it shows what failed instead of failing itself.
                answer(
                    StatusCode::OK,
                    "text/html; charset=utf-8",
                    page::html(page, &self.title, &said),
                )
            }
            _ => json_answer(status, &said),
        }
    }

    /// Asks every upstream at the same time.
    async fn ask_all(&self, headers: &HeaderMap) -> Vec<Value> {
        let mut asked = Vec::with_capacity(self.upstreams.len());
        let mut questions: Vec<_> =
            self.upstreams.iter().map(|upstream| Box::pin(self.ask(upstream, headers))).collect();
        // Polling them one after the other would add up their latencies.
        std::future::poll_fn(|cx| {
            let mut waiting = false;
            for (idx, question) in questions.iter_mut().enumerate() {
                if asked.iter().any(|(done, _)| *done == idx) {
                    continue;
                }
                match question.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => asked.push((idx, value)),
                    std::task::Poll::Pending => waiting = true,
                }
            }
            if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        })
        .await;
        asked.sort_by_key(|(idx, _)| *idx);
        asked.into_iter().map(|(_, value)| value).collect()
    }

    async fn ask(&self, upstream: &Upstream, headers: &HeaderMap) -> Value {
        let began = Instant::now();
        let answer = tokio::time::timeout(UPSTREAM_TIMEOUT, self.call(upstream, headers)).await;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match answer {
            Ok(Ok((status, said))) => {
                json!({ "name": upstream.name, "status": status.as_u16(), "ms": millis, "said": said })
            }
            Ok(Err(error)) => {
                json!({ "name": upstream.name, "status": null, "ms": millis, "error": format!("{error:#}") })
            }
            Err(_) => {
                json!({ "name": upstream.name, "status": null, "ms": millis, "error": "no answer" })
            }
        }
    }

    async fn call(
        &self,
        upstream: &Upstream,
        headers: &HeaderMap,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = hyper::Request::get(upstream.uri.clone());
        if self.forward_headers {
            for name in HANDED_ON {
                for value in headers.get_all(*name) {
                    request = request.header(*name, value);
                }
            }
            for (name, value) in
                headers.iter().filter(|(name, _)| name.as_str().starts_with("x-demo-"))
            {
                request = request.header(name, value);
            }
        }
        let response = self.client.request(request.body(Full::default())?).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), UPSTREAM_BYTES_MAX).collect().await;
        let body =
            body.map_err(|error| anyhow::anyhow!("its answer broke off: {error}"))?.to_bytes();
        let said = serde_json::from_slice(&body)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&body).trim()));
        Ok((status, said))
    }

    /// A number from 0 to 1 (SplitMix64): chance for latencies and errors, not for secrets.
    fn dice(&self) -> f64 {
        let mut z = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(bits) / f64::from(u32::MAX)
    }
}

/// Reads `name=http://host:port/path`, or the URL alone, whose host is then the name.
fn upstream(text: &str) -> anyhow::Result<Upstream> {
    let (name, url) = match text.split_once('=') {
        Some((name, url)) if !name.contains('/') => (Some(name), url),
        _ => (None, text),
    };
    let uri: Uri = url.parse().with_context(|| format!("UPSTREAMS: {url:?} is not a URL"))?;
    anyhow::ensure!(
        uri.scheme_str() == Some("http") && uri.host().is_some(),
        "UPSTREAMS: {url:?}: say http://HOST[:PORT]/PATH"
    );
    let name = name.or(uri.host()).unwrap_or_default().to_owned();
    Ok(Upstream { name, uri })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_url_with_or_without_a_name() {
        let named = upstream("staff=http://fleetman-staff-service:8080/driver?a=b").unwrap();
        assert_eq!((named.name.as_str(), named.uri.port_u16()), ("staff", Some(8080)));
        assert_eq!(upstream("http://details:9080/details/0").unwrap().name, "details");
        assert!(upstream("details:9080").is_err());
        assert!(upstream("https://details:9080").is_err());
    }

    #[test]
    fn chance_is_spread_over_the_whole_range() {
        let service = Service::new(&Settings::default()).unwrap();
        let thrown: Vec<f64> = (0..2000).map(|_| service.dice()).collect();
        let mean = thrown.iter().sum::<f64>() / 2000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(thrown.iter().all(|it| (0.0..=1.0).contains(it)));
    }
}
