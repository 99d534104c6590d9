//! Upstream servers on loopback.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use super::client::{Body, full};

/// A server, and what it saw.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) requests: Arc<AtomicUsize>,
}

impl Backend {
    /// Answers every request with its name; `x-echo-*` of the request's path and host besides.
    pub(super) async fn named(name: &'static str) -> Backend {
        Backend::http1(move |request: Request<Incoming>| async move {
            let path = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
            let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
            let attempt = request.headers().get("x-envoy-attempt-count").cloned();
            let _ = request.into_body().collect().await;
            let mut response = Response::new(full(name));
            response.headers_mut().insert("x-echo-path", path.parse().unwrap());
            let host = host.unwrap_or_default();
            response.headers_mut().insert("x-echo-host", host.parse().unwrap());
            if let Some(attempt) = attempt {
                response.headers_mut().insert("x-echo-attempt", attempt);
            }
            response
        })
        .await
    }

    /// HTTP/1.1 with this handler.
    pub(super) async fn http1<H, F>(handler: H) -> Backend
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Backend::serve(move |stream, requests| {
            let handler = handler.clone();
            async move {
                let service = service_fn(move |request| {
                    requests.fetch_add(1, Ordering::SeqCst);
                    let answer = handler(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                let _ =
                    server.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            }
        })
        .await
    }

    /// HTTP/2 with this handler.
    pub(super) async fn http2<H, F>(handler: H) -> Backend
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Backend::serve(move |stream, requests| {
            let handler = handler.clone();
            async move {
                let service = service_fn(move |request| {
                    requests.fetch_add(1, Ordering::SeqCst);
                    let answer = handler(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }

    /// Any protocol: `connection` has each socket.
    pub(super) async fn serve<H, F>(connection: H) -> Backend
    where
        H: Fn(TcpStream, Arc<AtomicUsize>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = Backend {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (backend.connections.clone(), backend.requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(stream, requests.clone()));
            }
        });
        backend
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// An address that refuses connections.
pub(super) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// The whole body of a request.
pub(super) async fn body_of(request: Request<Incoming>) -> Bytes {
    request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default()
}
