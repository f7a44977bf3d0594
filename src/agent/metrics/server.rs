//! Metrics over HTTP, for a monitor on the same host or behind something that asks who it is.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Metrics;
use crate::operations::{Exit, Failure, Workspace};

/// So many are answered at once; whoever comes beyond that is hung up on.
const CONNECTIONS: usize = 8;
/// How long one may take to ask.
const ASKING: Duration = Duration::from_secs(5);
/// How long all of it may take.
const WHOLE: Duration = Duration::from_secs(15);
/// What is done when the system gives no connection, for example since all files are taken.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes the address.
///
/// # Errors
/// It is in use, or not one of this host.
pub(in crate::agent) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(
            "metrics-address",
            Exit::Error,
            format!("metrics cannot be served at {address}: {error}"),
            "name an address of this host and a port that is free: --metrics 127.0.0.1:PORT",
        )
    })
}

/// Answers until it is dropped.
pub(in crate::agent) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    workspace: Arc<Workspace>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (metrics, workspace) = (Arc::clone(&metrics), Arc::clone(&workspace));
        tokio::spawn(async move {
            let _ = timeout(WHOLE, converse(stream, metrics, workspace)).await;
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, metrics: Arc<Metrics>, workspace: Arc<Workspace>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (metrics, workspace) = (Arc::clone(&metrics), Arc::clone(&workspace));
        async move { Ok::<_, Infallible>(answer(&request, &metrics, &workspace).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(ASKING);
    server.keep_alive(false);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a reader of metrics was not answered");
    }
}

async fn answer(
    request: &Request<Incoming>,
    metrics: &Metrics,
    workspace: &Workspace,
) -> Response<String> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/metrics" | "/healthz" if !is_read => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
            let methods = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, methods);
            response
        }
        "/metrics" => match metrics.text(workspace).await {
            Ok(text) => {
                let mut response = Response::new(text);
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                let kind = HeaderValue::from_static(kind);
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            Err(failure) => {
                tracing::warn!(error = %failure.message, "metrics could not be read");
                plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the store cannot be read\n",
                )
            }
        },
        "/healthz" if metrics.is_well() => plain(StatusCode::OK, "ok\n"),
        "/healthz" => plain(StatusCode::SERVICE_UNAVAILABLE, "the agent is stuck\n"),
        _ => plain(StatusCode::NOT_FOUND, "see /metrics and /healthz\n"),
    }
}

fn plain(status: StatusCode, words: &str) -> Response<String> {
    let mut response = Response::new(words.to_owned());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
