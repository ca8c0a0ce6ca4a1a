//! What the admin endpoint answers.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::control::{self, Way};
use super::{host, page};
use crate::core::view::View;
use crate::limits;
use crate::shell::control::Remote;
use crate::sockets;
use crate::telemetry::refusals::Refusals;
use crate::telemetry::{Loaded, Published, exposition, log_lines_dropped};

/// Where the answers come from.
#[derive(Debug)]
pub(super) struct Source {
    published: Arc<Published>,
    pub(super) remote: Arc<Remote>,
    own: IpAddr,
    stale: Duration,
    /// The last look at the kernel's table.
    looked: Mutex<Option<(Instant, Option<usize>)>>,
}

impl Source {
    pub(super) fn new(published: Arc<Published>, remote: Arc<Remote>, own: IpAddr, stale: Duration) -> Self {
        Source { published, remote, own, stale, looked: Mutex::new(None) }
    }

    /// Where refused requests are counted.
    pub(super) fn refusals(&self) -> &Refusals {
        self.published.refusals()
    }

    /// Sockets in CLOSE_WAIT on the Gateway's port, at most [`limits::SOCKET_TABLE_DISTANCE`] ago; `None` when that
    /// cannot be known.
    fn close_wait(&self) -> Option<usize> {
        let gateway = self.published.gateway()?;
        let mut looked = self.looked.lock().unwrap_or_else(|e| e.into_inner());
        match *looked {
            Some((at, found)) if at.elapsed() < limits::SOCKET_TABLE_DISTANCE => found,
            _ => {
                let found = sockets::zombies_on(gateway);
                *looked = Some((Instant::now(), found));
                found
            }
        }
    }

    /// Why the event loop is taken for stuck, if it is.
    fn stuck(&self) -> Option<String> {
        let age = self.published.age();
        let words = || format!("the event loop has not reported for {:.1} s", age.as_secs_f64());
        (age > self.stale).then(words)
    }
}

pub(super) fn router(source: Source) -> Router {
    let source = Arc::new(source);
    Router::new()
        .route("/", get(index))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/control/{name}", post(control::command))
        .fallback(|| async { text(StatusCode::NOT_FOUND, "no such page; see /") })
        .layer(middleware::from_fn_with_state(source.clone(), guard))
        .with_state(source)
}

/// Lets through what asks this endpoint for something that it has.
async fn guard(State(source): State<Arc<Source>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    // No web page reaches the socket.
    let by_socket = matches!(request.extensions().get(), Some(Way::Socket { .. }));
    let is_command = *request.method() == Method::POST && request.uri().path().starts_with("/control/");
    let mut response = if !by_socket && !host::is_ours(headers, request.uri(), source.own) {
        text(
            StatusCode::FORBIDDEN,
            "the Host header names another server; use localhost or the address itself",
        )
    } else if is_command {
        next.run(request).await
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let words =
            text(StatusCode::METHOD_NOT_ALLOWED, "this endpoint answers GET and HEAD, and POST to /control/");
        ([(header::ALLOW, "GET, HEAD")], words).into_response()
    } else if has_body {
        text(StatusCode::PAYLOAD_TOO_LARGE, "requests have no body here")
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The page alone has a policy of its own.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

pub(super) fn text(code: StatusCode, words: &str) -> Response {
    (code, format!("{words}\n")).into_response()
}

async fn metrics(State(source): State<Arc<Source>>) -> Response {
    let beside = exposition::Beside {
        close_wait: source.close_wait(),
        log_lines_dropped: log_lines_dropped(),
        loaded: source.published.loaded(),
        refused: source.published.refusals().counts(),
        commands: source.remote.counts(),
        captures: source.published.captures(),
    };
    let body = exposition::render(&source.published.get(), &beside);
    ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], body).into_response()
}

/// Whether the process is worth keeping: 503 asks for a restart, hence only what a restart cures.
async fn livez(State(source): State<Arc<Source>>) -> Response {
    match source.stuck() {
        None => text(StatusCode::OK, "alive"),
        Some(words) => text(StatusCode::SERVICE_UNAVAILABLE, &words),
    }
}

/// Whether clients can work.
async fn readyz(State(source): State<Arc<Source>>) -> Response {
    let view = source.published.get();
    match source.stuck() {
        Some(words) => text(StatusCode::SERVICE_UNAVAILABLE, &words),
        None if view.draining => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "draining: no new clients are taken in (`twsmux control resume`)",
        ),
        None if view.upstream.ready => text(StatusCode::OK, "ready"),
        None => match &view.upstream.trouble {
            Some(trouble) => text(StatusCode::SERVICE_UNAVAILABLE, &trouble.to_string()),
            None => text(StatusCode::SERVICE_UNAVAILABLE, &view.upstream.diagnosis),
        },
    }
}

/// The answer of `/status`.
#[derive(serde::Serialize)]
struct Status<'a> {
    /// The version that runs.
    version: &'static str,
    /// How old the rest is, seconds.
    age_seconds: f64,
    #[serde(flatten)]
    view: &'a View,
    config: Config,
    totals: Totals,
}

/// The settings in `/status`.
#[derive(serde::Serialize)]
struct Config {
    /// The file; null without one.
    file: Option<String>,
    /// When the settings in effect were read, UTC.
    loaded_at: String,
    /// Readings at SIGHUP that counted.
    reloads_applied: u64,
    /// Readings at SIGHUP that changed nothing.
    reloads_rejected: u64,
    /// What the last reading found wrong.
    error: Option<String>,
    /// What the file says and only a restart can apply.
    restart_needed: Vec<String>,
    /// What was changed by hand since, keys of settings.
    changed_by_hand: Vec<String>,
    /// The admin socket, where commands are taken; null without one.
    admin_socket: Option<String>,
}

impl Config {
    fn of(loaded: Loaded) -> Self {
        Config {
            file: loaded.file,
            loaded_at: crate::time::utc_style(loaded.loaded_ms),
            reloads_applied: loaded.applied,
            reloads_rejected: loaded.rejected,
            error: loaded.error,
            restart_needed: loaded.restart_needed,
            changed_by_hand: loaded.changed_by_hand,
            admin_socket: loaded.admin_socket,
        }
    }
}

/// Counts since the start.
#[derive(serde::Serialize)]
struct Totals {
    clients: u64,
    frames_from_gateway: u64,
    frames_from_clients: u64,
    frames_to_gateway: u64,
    frames_to_clients: u64,
    bytes_from_gateway: u64,
    bytes_from_clients: u64,
    bytes_to_gateway: u64,
    bytes_to_clients: u64,
    frames_dropped: u64,
    bad_requests: u64,
    log_lines_dropped: u64,
}

impl Totals {
    fn of(view: &View) -> Self {
        let s = &view.stats;
        Totals {
            clients: s.clients,
            frames_from_gateway: s.from_gateway.iter().sum(),
            frames_from_clients: s.from_clients.iter().sum(),
            frames_to_gateway: s.frames_up,
            frames_to_clients: s.frames_down,
            bytes_from_gateway: s.bytes_from_gateway,
            bytes_from_clients: s.bytes_from_clients,
            bytes_to_gateway: s.bytes_up,
            bytes_to_clients: s.bytes_down,
            frames_dropped: s.dropped.iter().sum(),
            bad_requests: s.bad_requests,
            log_lines_dropped: log_lines_dropped(),
        }
    }
}

async fn status(State(source): State<Arc<Source>>) -> Response {
    let age_seconds = source.published.age().as_secs_f64();
    let mut view = View::clone(&source.published.get());
    if source.published.gateway().is_some() {
        // Fresher than the core's, which looks only before it dials.
        view.upstream.close_wait = source.close_wait();
    }
    let totals = Totals::of(&view);
    let config = Config::of(source.published.loaded());
    Json(Status { version: env!("CARGO_PKG_VERSION"), age_seconds, view: &view, config, totals })
        .into_response()
}

async fn index(State(source): State<Arc<Source>>) -> Response {
    page::page(&source.published.get(), source.stuck())
}
