//! `tidegate serve`: logs, signals, and the server between them.

use super::args::ServeArgs;
use super::exit::{Exit, Failure};
use crate::app;
use crate::config::server::LogFormat;
use crate::config::{Overrides, ServerConfig};
use crate::store::sqlite::SqliteStore;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
#[cfg(feature = "otel")]
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Serves until a signal says otherwise.
pub(super) fn run(args: ServeArgs) -> Result<Exit, Failure> {
    let file = args.config.clone();
    let overrides = Overrides {
        listen: args.listen,
        zones: args.zones,
        state: args.state,
        admin: args.admin,
        admin_insecure: args.admin_insecure,
    };
    let config = ServerConfig::from_parts(file.as_deref(), overrides)
        .map_err(|problems| Failure::failed(problems.to_string()))?;
    start_log(config.log.format, &config.log.level)?;
    app::spare_memory();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start threads: {error}")))?;
    let ended = runtime.block_on(serve(config));
    #[cfg(feature = "otel")]
    app::traces::finish();
    ended
}

/// Logs to standard error, in the form and at the level asked for.
pub(super) fn start_log(format: LogFormat, level: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Failure::failed(format!(
            "the log level `{level}` is not understood ({error}): use error, warn, info, debug or trace"
        ))
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    #[cfg(feature = "otel")]
    let filter = filter.and(tracing_subscriber::filter::filter_fn(|what| what.target() != app::traces::TARGET));
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otel")]
    let subscriber = subscriber.with(
        app::traces::layer()
            .map_err(|error| Failure::failed(format!("cannot send traces (OTEL_* variables): {error}")))?,
    );
    subscriber.try_init().map_err(|error| Failure::failed(format!("cannot start the log: {error}")))
}

/// The server from start to end.
async fn serve(config: ServerConfig) -> Result<Exit, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    // Signals are caught before anything starts: nothing is answered yet when one ends the start.
    let mut ends = [signal(SignalKind::terminate()), signal(SignalKind::interrupt())];
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| fail(&error))?;
    let [Ok(terminate), Ok(interrupt)] = &mut ends else {
        return Err(Failure::failed("cannot catch signals"));
    };
    let state = config.state.clone();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&state)).await.map_err(|error| fail(&error))?;
    let store = Arc::new(opened.map_err(|error| fail(&error))?);
    let starting = app::start(&config, store);
    let running = tokio::select! {
        started = starting => started.map_err(|error| fail(&error))?,
        _ = terminate.recv() => return Ok(Exit::Done),
        _ = interrupt.recv() => return Ok(Exit::Done),
    };
    if let Some(path) = &running.first_token {
        tracing::info!(path = %path.display(), "first start: the admin token is in this file");
    }
    tracing::info!(dns = ?running.dns, doh = ?running.doh, dot = ?running.dot, doq = ?running.doq, admin = %running.admin, "serving");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => running.reload().await,
        }
    }
    tracing::info!("shutting down");
    running.shutdown().await;
    Ok(Exit::Done)
}
