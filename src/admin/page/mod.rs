//! The page at `/`: what `/status` says, for people.
//!
//! Owns: three files, which need nothing from elsewhere. May not know: the core; the script reads `/status` like any other
//! client. Driven by: `pages`.
//!
//! **Nothing that a stranger said becomes markup**: the script puts in text, this file escapes, and the policy below lets no
//! script run that is not ours.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::core::view::View;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a browser lets the page do: its own style and script, and questions to this endpoint.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page with what it shows where scripts do not run. `stuck`: why the event loop is taken for stuck.
pub(super) fn page(view: &View, stuck: Option<String>) -> Response {
    let up = &view.upstream;
    let (state, diagnosis) = match stuck {
        Some(words) => ("not ready", words),
        None if up.ready => ("ready", String::new()),
        None => ("not ready", up.diagnosis.clone()),
    };
    let mut page = PAGE.to_owned();
    for (place, text) in [
        ("{{version}}", env!("CARGO_PKG_VERSION")),
        ("{{clients}}", &view.clients.len().to_string()),
        ("{{state}}", state),
        // Last, for whatever stands in them is not looked at again.
        ("{{gateway}}", &up.gateway),
        ("{{diagnosis}}", &diagnosis),
    ] {
        page = page.replace(place, &escaped(text));
    }
    file("text/html; charset=utf-8", page)
}

pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE.to_owned())
}

pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT.to_owned())
}

fn file(kind: &'static str, body: String) -> Response {
    let fixed = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        fixed(header::CONTENT_TYPE, kind),
        fixed(header::CONTENT_SECURITY_POLICY, POLICY),
        fixed(header::REFERRER_POLICY, "no-referrer"),
        fixed(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        fixed(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    (headers, body).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_and_needs_nothing_from_elsewhere() {
        assert!(PAGE.len() + STYLE.len() + SCRIPT.len() < 30_000);
        for file in [PAGE, STYLE, SCRIPT] {
            for foreign in ["://", "@import", "url("] {
                assert!(!file.contains(foreign), "{foreign}");
            }
        }
    }

    #[test]
    fn no_text_can_become_markup() {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("] {
            assert!(!SCRIPT.contains(way), "{way}");
        }
        for inline in ["<style", " style=", " onclick", " onload", "javascript:", "<script>"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
    }
}
