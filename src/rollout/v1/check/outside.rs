//! What a rollout calls outside the server: a source of evidence and hooks, which only files may name.

use super::{CheckContext, Checking};
use crate::rollout::hook::Hook;
use crate::rollout::plan::PrometheusSource;
use crate::rollout::v1::HookForm;

impl Checking<'_> {
    pub(super) fn prometheus(&mut self, context: &CheckContext<'_>) -> Option<PrometheusSource> {
        if let Some(files) = context.from_call {
            if self.form.prometheus.is_some() {
                self.refuse(
                    "prometheus",
                    "a call names no server to ask: its token would go wherever the call says",
                    "put it into the zone's file",
                );
            }
            return files.prometheus.clone();
        }
        let form = self.form.prometheus.as_ref()?;
        self.url("prometheus.url", &form.url);
        Some(PrometheusSource {
            url: form.url.trim_end_matches('/').to_owned(),
            bearer_file: form.bearer_file.clone(),
            ca_file: form.ca_file.clone(),
            timeout_ms: self.time("prometheus.timeout", form.timeout, 10_000),
        })
    }

    pub(super) fn hooks(&mut self, context: &CheckContext<'_>) -> Vec<Hook> {
        if let Some(files) = context.from_call {
            if self.form.hooks.is_some() {
                self.refuse(
                    "hooks",
                    "a call names no hooks: their secrets are files of the server",
                    "put them into the zone's file",
                );
            }
            return files.hooks.clone();
        }
        let forms = self.form.hooks.as_deref().unwrap_or_default();
        forms.iter().enumerate().map(|(at, form)| self.hook(&format!("hooks[{at}]"), form)).collect()
    }

    fn hook(&mut self, path: &str, form: &HookForm) -> Hook {
        self.url(&format!("{path}.url"), &form.url);
        Hook {
            kind: form.on,
            url: form.url.clone(),
            secret_file: form.secret_file.clone(),
            timeout_ms: self.time(&format!("{path}.timeout"), form.timeout, 10_000),
            retries: form.retries.unwrap_or(5).min(100),
        }
    }

    fn url(&mut self, path: &str, url: &str) {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
        if host.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.refuse(
                path,
                format!("`{url}` is no URL that could be called"),
                "write http://HOST[:PORT]/PATH or https://...",
            );
        }
    }
}
