//! Whether a request was meant for this endpoint (DNS rebinding).
//!
//! A web page can let its own name point at 127.0.0.1 and then have a browser ask this endpoint as if it were the
//! page's own server. The browser still sends the page's name in `Host`; so only names that nobody else can own pass.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header::HOST, uri::Authority};

/// Whether a request names this endpoint: `localhost`, a loopback address, or the address listened on, with any
/// port (a tunnel changes it). Without exactly one `Host` it does not.
pub fn is_ours(headers: &HeaderMap, uri: &Uri, own: IpAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    host.is_some_and(|host| names_us(&host, own)) && uri.authority().is_none_or(|a| names_us(a, own))
}

fn names_us(authority: &Authority, own: IpAddr) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let addr = literal.parse::<IpAddr>().map(|addr| addr.to_canonical());
    addr.is_ok_and(|addr| addr.is_loopback() || addr == own.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(host: &str, uri: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        is_ours(&headers, &uri.parse().unwrap(), [10, 1, 2, 3].into())
    }

    #[test]
    fn names_that_nobody_else_can_own_pass() {
        for host in [
            "localhost",
            "LocalHost:9410",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.8.8.8",
            "[::1]",
            "[::1]:9410",
            "[::ffff:127.0.0.1]",
            "10.1.2.3:9410",
        ] {
            assert!(passes(host, "/status"), "{host}");
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for host in [
            "",
            "evil.example",
            "evil.example:9410",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil@localhost",
            "10.1.2.4",
            "0.0.0.0",
            "[::]",
            "127.1",
            "2130706433",
            "localhost, evil.example",
        ] {
            assert!(!passes(host, "/status"), "{host}");
        }
    }

    #[test]
    fn a_full_request_target_counts_too() {
        assert!(passes("localhost", "http://127.0.0.1:9410/status"));
        assert!(!passes("localhost", "http://evil.example/status"));
    }

    #[test]
    fn none_or_two_are_refused() {
        let mut headers = HeaderMap::new();
        let uri = Uri::from_static("/");
        let own = [127, 0, 0, 1].into();
        assert!(!is_ours(&headers, &uri, own));
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(is_ours(&headers, &uri, own));
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(!is_ours(&headers, &uri, own));
    }
}
