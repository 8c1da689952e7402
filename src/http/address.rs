//! Where a request comes from.
//!
//! `X-Forwarded-For` counts where a proxy that is trusted has written it, read from the right: what
//! stands left of the first address that is no trusted proxy, anybody may have written.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Whatever carries one of these came through a proxy.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The caller's address as far as it can be told; `None` where there is no connection.
    pub(super) address: Option<IpAddr>,
    /// Whether it was made on this machine, and not for somebody else.
    pub(super) is_local: bool,
}

impl Origin {
    pub(super) fn of(request: &Request, trusted: &[IpNet]) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let origin = Self::read(peer, request.headers(), trusted);
        // The endpoint of the Model Context Protocol knows which pages may ask, and lets no others.
        let judges_pages = request.uri().path() == super::contracts::mcp::PATH;
        Self {
            is_local: origin.is_local && (judges_pages || !is_foreign_page(request.headers())),
            ..origin
        }
    }

    fn read(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        let address = peer.map(|peer| match is_trusted(&peer) {
            true => forwarded_for(headers, is_trusted).unwrap_or(peer),
            false => peer,
        });
        Self {
            address,
            is_local: peer.is_some_and(|peer| peer.is_loopback()) && !is_forwarded,
        }
    }
}

/// The last address that no trusted proxy has.
fn forwarded_for(headers: &HeaderMap, is_trusted: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    let mut last = None;
    for line in lines.iter().rev() {
        for entry in line.to_str().ok()?.rsplit(',') {
            let address = read_address(entry.trim())?;
            last = Some(address);
            if !is_trusted(&address) {
                return last;
            }
        }
    }
    last
}

/// An address, as some proxies write it also with a port.
fn read_address(text: &str) -> Option<IpAddr> {
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => text.parse::<SocketAddr>().ok()?.ip(),
    };
    Some(address.to_canonical())
}

/// Whether a browser asks for a page of another host. Names of other hosts may be made to point to
/// this machine, so that their pages ask as if they were its own.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match headers.get(ORIGIN) {
        Some(origin) => {
            let origin = origin.to_str().ok().and_then(|text| text.split_once("://"));
            !origin.is_some_and(|(_, named)| is_this_machine(named))
        }
        None => headers.contains_key("sec-fetch-site") && !host.is_some_and(is_this_machine),
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(peer: &str, headers: &[(&str, &str)], trusted: &[&str]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let origin = Origin::read(Some(peer.parse().unwrap()), &map, &trusted);
        (origin.address.unwrap().to_string(), origin.is_local)
    }

    #[test]
    fn only_trusted_proxies_say_who_asks() {
        let proxies = ["10.0.0.0/8", "127.0.0.1/32"];
        let xff = "x-forwarded-for";
        for (peer, headers, trusted, address, is_local) in [
            ("127.0.0.1", vec![], &[][..], "127.0.0.1", true),
            ("::1", vec![], &[], "::1", true),
            ("192.0.2.7", vec![], &[], "192.0.2.7", false),
            (
                "127.0.0.1",
                vec![(xff, "192.0.2.7")],
                &[],
                "127.0.0.1",
                false,
            ),
            (
                "127.0.0.1",
                vec![("forwarded", "for=x")],
                &[],
                "127.0.0.1",
                false,
            ),
            (
                "192.0.2.7",
                vec![(xff, "127.0.0.1")],
                &[],
                "192.0.2.7",
                false,
            ),
            (
                "192.0.2.7",
                vec![(xff, "127.0.0.1")],
                &proxies,
                "192.0.2.7",
                false,
            ),
            (
                "10.1.1.1",
                vec![(xff, "9.9.9.9, 192.0.2.7")],
                &proxies,
                "192.0.2.7",
                false,
            ),
            (
                "10.1.1.1",
                vec![(xff, "192.0.2.7, 10.2.2.2")],
                &proxies,
                "192.0.2.7",
                false,
            ),
            (
                "10.1.1.1",
                vec![(xff, "192.0.2.7"), (xff, "10.2.2.2")],
                &proxies,
                "192.0.2.7",
                false,
            ),
            (
                "10.1.1.1",
                vec![(xff, "192.0.2.7:4711")],
                &proxies,
                "192.0.2.7",
                false,
            ),
            (
                "10.1.1.1",
                vec![(xff, "[2001:db8::1]:80")],
                &proxies,
                "2001:db8::1",
                false,
            ),
            (
                "10.1.1.1",
                vec![(xff, "192.0.2.7, evil")],
                &proxies,
                "10.1.1.1",
                false,
            ),
            ("10.1.1.1", vec![], &proxies, "10.1.1.1", false),
            (
                "127.0.0.1",
                vec![(xff, "127.0.0.1")],
                &proxies,
                "127.0.0.1",
                false,
            ),
            ("127.0.0.1", vec![], &proxies, "127.0.0.1", true),
        ] {
            let found = origin(peer, &headers, trusted);
            assert_eq!(found, (address.to_owned(), is_local), "{peer} {headers:?}");
        }
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_not_this_machine() {
        let local = |headers: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                let name: HeaderName = name.parse().unwrap();
                map.append(name, value.parse().unwrap());
            }
            !is_foreign_page(&map)
        };
        let browser = ("sec-fetch-site", "same-origin");
        for host in [
            "localhost:8080",
            "LOCALHOST",
            "127.0.0.1:8080",
            "[::1]:8080",
        ] {
            assert!(local(&[browser, ("host", host)]), "{host}");
        }
        assert!(!local(&[browser, ("host", "evil.example:8080")]));
        assert!(!local(&[
            ("origin", "http://evil.example"),
            ("host", "evil.example")
        ]));
        assert!(!local(&[
            ("origin", "http://evil.example"),
            ("host", "localhost:8080")
        ]));
        assert!(!local(&[("origin", "null"), ("host", "localhost:8080")]));
        assert!(local(&[
            ("origin", "http://localhost:8080"),
            ("host", "localhost:8080")
        ]));
        assert!(local(&[
            ("origin", "http://localhost:3000"),
            ("host", "localhost:8080")
        ]));
        assert!(!local(&[browser]));
        assert!(
            local(&[("host", "search.internal")]),
            "a program by any name"
        );
    }
}
