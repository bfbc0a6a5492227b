//! A small model server: it loads for a while, then answers, and counts its requests.

use super::scenario::Scenario;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What a model server is told.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// `blue` or `green`.
    pub name: &'static str,
    /// The version it shows.
    pub version: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it loads.
    pub load: Duration,
    /// What is wrong with it, if anything.
    pub scenario: Option<Scenario>,
}

/// How long an inference takes: 20 to 40 ms, by its number.
const THINKING: [u64; 8] = [20, 31, 24, 38, 27, 22, 40, 35];

/// What its handlers share.
#[derive(Debug)]
struct Serving {
    model: Model,
    began: Instant,
    requests: AtomicU64,
}

/// The part of a completion request that matters here.
#[derive(Debug, Deserialize)]
struct Prompt {
    #[serde(default)]
    prompt: String,
}

impl Model {
    /// Binds and serves until the task is aborted.
    pub(super) async fn start(self) -> std::io::Result<JoinHandle<()>> {
        let listener = TcpListener::bind(self.address).await?;
        let serving = Arc::new(Serving { model: self, began: Instant::now(), requests: AtomicU64::new(0) });
        let router = Router::new()
            .route("/health", get(health))
            .route("/v1/completions", post(complete))
            .route("/requests", get(requests))
            .with_state(serving);
        Ok(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "a model server ended");
            }
        }))
    }
}

impl Serving {
    /// Whether the model is loaded, and if not how far it is.
    fn progress(&self) -> Option<f64> {
        let past = self.began.elapsed();
        (past < self.model.load).then(|| (past.as_secs_f64() / self.model.load.as_secs_f64() * 100.0).round() / 100.0)
    }

    /// 503 while it loads.
    fn loading(&self, progress: f64) -> Response {
        let body = json!({ "status": "loading", "model": self.model.version, "progress": progress });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
    }
}

/// Ready, with the version, or how far it is.
async fn health(State(serving): State<Arc<Serving>>) -> Response {
    match serving.progress() {
        Some(progress) => serving.loading(progress),
        None => Json(json!({ "status": "ok", "model": serving.model.version })).into_response(),
    }
}

/// A sample inference; whatever content type `curl -d` gives the prompt.
async fn complete(State(serving): State<Arc<Serving>>, body: Bytes) -> Response {
    if let Some(progress) = serving.progress() {
        return serving.loading(progress);
    }
    let number = serving.requests.fetch_add(1, Ordering::Relaxed) + 1;
    if serving.model.scenario == Some(Scenario::Errors) && number.is_multiple_of(10) {
        let body = json!({ "error": "out of memory", "served_by": serving.model.name });
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response();
    }
    let slow = if serving.model.scenario == Some(Scenario::Slow) { 2 } else { 1 };
    tokio::time::sleep(thinking(number) * slow).await;
    let prompt = serde_json::from_slice::<Prompt>(&body).map(|body| body.prompt).unwrap_or_default();
    let Model { name, version, .. } = &serving.model;
    let text = format!("Hello from {name} with model {version}. You said: {prompt}");
    let answer = json!({
        "id": format!("cmpl-{name}-{number}"),
        "object": "text_completion",
        "model": version,
        "served_by": name,
        "choices": [{ "index": 0, "text": text, "finish_reason": "stop" }],
    });
    Json(answer).into_response()
}

/// How long the inference of this number takes.
fn thinking(number: u64) -> Duration {
    let at = usize::try_from(number % 8).unwrap_or(0);
    Duration::from_millis(THINKING[at])
}

/// How many inferences it has answered: the idle reading.
async fn requests(State(serving): State<Arc<Serving>>) -> Json<Value> {
    Json(json!({ "requests": serving.requests.load(Ordering::Relaxed) }))
}
