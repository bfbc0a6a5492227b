//! The dashboard's files (§6.3), embedded in the binary: plain HTML, CSS and ES modules, no build step.
//!
//! They hold nothing secret and are served without a token; what they show comes from `/v1` with one.
//! Their policy lets the page load and reach nothing but this server, and run no inline script.

use super::auth::hex;
use super::problem::Problem;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// What the page may do: nothing but what is listed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The types of the files.
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Names, types and texts of some files of one folder.
macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        &[$(($name, $kind, include_str!(concat!("dashboard/", $name)))),*]
    };
}

/// Every file; `index.html` is the page.
const FILES: &[(&str, &str, &str)] = files! {
    "index.html": HTML,
    "icon.svg": SVG,
    "base.css": CSS,
    "parts.css": CSS,
    "detail.css": CSS,
    "dialog.css": CSS,
    "main.js": JS,
    "session.js": JS,
    "api.js": JS,
    "events.js": JS,
    "state.js": JS,
    "dom.js": JS,
    "words.js": JS,
    "pools.js": JS,
    "theme.js": JS,
    "signin.js": JS,
    "overview.js": JS,
    "detail.js": JS,
    "members.js": JS,
    "charts.js": JS,
    "plot.js": JS,
    "rollout.js": JS,
    "history.js": JS,
    "explain.js": JS,
    "dialog.js": JS,
    "actions.js": JS,
    "forms.js": JS,
};

/// Tags of the files, in their order.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    FILES.iter().map(|(_, _, text)| format!("\"{}\"", &hex(&Sha256::digest(text.as_bytes()))[..16])).collect()
});

/// `GET /`.
pub(super) async fn page(headers: HeaderMap) -> Response {
    send("index.html", &headers)
}

/// `GET /dashboard/{file}`.
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    send(&name, &headers)
}

/// One file, or 304 where the browser has it already.
fn send(name: &str, headers: &HeaderMap) -> Response {
    let found = FILES.iter().zip(TAGS.iter()).find(|((known, ..), _)| *known == name);
    let Some(((_, kind, text), tag)) = found else {
        let detail = format!("the dashboard has no file `{name}`: it begins at /");
        return Problem::new(StatusCode::NOT_FOUND, "no-such-path", detail).into_response();
    };
    let wanted = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if wanted.split(',').any(|each| each.trim().trim_start_matches("W/") == tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, *kind)], *text).into_response()
    };
    let fixed = [
        // Asked about each time, since the files change with the program; answered by 304.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_carries_its_type_its_policy_and_a_tag_that_spares_the_second_transfer() {
        let first = send("main.js", &HeaderMap::new());
        assert_eq!((first.status(), &first.headers()["content-type"]), (StatusCode::OK, &HeaderValue::from_static(JS)));
        assert_eq!(first.headers()["content-security-policy"], POLICY);
        assert!(!POLICY.contains("unsafe"));
        let again = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()["etag"].clone())]);
        assert_eq!(send("main.js", &again).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(send("base.css", &again).status(), StatusCode::OK);
        assert_eq!(send("../mod.rs", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn names_and_reasons_become_text_and_nothing_is_inline_or_loaded_from_elsewhere() {
        for (name, kind, text) in FILES {
            assert!(text.trim_start().starts_with(['/', '<']), "{name} does not open with what it is for");
            for banned in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " onclick=", "style=\""]
            {
                assert!(!text.contains(banned), "{name}: {banned}");
            }
            let outside = text.matches("://").count() - text.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(outside, 0, "{name} names another server");
            if *kind == JS {
                for import in text.lines().filter(|line| line.starts_with("import ")) {
                    let from =
                        import.rsplit_once("\"./").and_then(|(_, rest)| rest.split_once('"')).map(|(file, _)| file);
                    assert!(
                        from.is_some_and(|file| FILES.iter().any(|(known, ..)| *known == file)),
                        "{name}: {import}"
                    );
                }
            }
        }
    }
}
