//! What every handler of the admin interface can reach.

use super::auth::TokenSet;
use super::problem::Problem;
use super::throttle::Throttle;
use crate::control::Handle;
use crate::metrics::RequestTotals;
use crate::metrics::exposition::Format;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::watch;

/// Makes the text of `/metrics`; who counts what is not this room's business.
pub type MetricsText = Arc<dyn Fn(Format) -> BoxFuture<'static, String> + Send + Sync>;

/// Shared by all connections; cheap to clone.
#[derive(Clone)]
pub struct AdminContext {
    inner: Arc<Inner>,
}

/// Behind the one pointer.
struct Inner {
    handle: Handle,
    tokens: TokenSet,
    wrong_tokens: Throttle,
    metrics: MetricsText,
    requests: Arc<RequestTotals>,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for AdminContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminContext").finish_non_exhaustive()
    }
}

impl AdminContext {
    /// Joins the way to the control task and the metrics; tokens are read from the control task.
    ///
    /// # Errors
    /// When the control task is gone.
    pub async fn new(handle: Handle, metrics: MetricsText, requests: Arc<RequestTotals>) -> Result<Self, Problem> {
        let rows = handle.tokens().await.ok_or_else(Problem::shutting_down)?;
        let inner = Inner {
            handle,
            tokens: TokenSet::new(rows),
            wrong_tokens: Throttle::default(),
            metrics,
            requests,
            stopping: watch::Sender::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The way to the control task.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.inner.handle
    }

    /// Who may come in.
    #[must_use]
    pub fn tokens(&self) -> &TokenSet {
        &self.inner.tokens
    }

    /// Counts wrong tokens by address.
    #[must_use]
    pub(super) fn wrong_tokens(&self) -> &Throttle {
        &self.inner.wrong_tokens
    }

    /// The text of `/metrics`.
    pub(super) fn metrics(&self, format: Format) -> BoxFuture<'static, String> {
        (self.inner.metrics)(format)
    }

    /// Counts requests and how long they took.
    pub(super) fn requests(&self) -> &RequestTotals {
        &self.inner.requests
    }

    /// Reads the tokens again, after one was added or removed.
    ///
    /// # Errors
    /// When the control task is gone.
    pub(super) async fn refresh_tokens(&self) -> Result<(), Problem> {
        let rows = self.inner.handle.tokens().await.ok_or_else(Problem::shutting_down)?;
        self.inner.tokens.replace(rows);
        Ok(())
    }

    /// Tells open event streams to end.
    pub(super) fn stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    /// Becomes true when streams are to end.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.inner.stopping.subscribe()
    }
}
