//! What every route needs: a route that does not stand here is answered to nobody.

use axum::http::Method;

use crate::access::Role;

/// What a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing: it shows nothing of any document.
    Nothing,
    /// This role or a higher one.
    Role(Role),
}

/// A route: method, pattern, what it needs.
pub type Permission = (&'static str, &'static str, Need);

const PUBLIC: Need = Need::Role(Role::Public);
const AGENT: Need = Need::Role(Role::Agent);
const EDITOR: Need = Need::Role(Role::Editor);
const ADMIN: Need = Need::Role(Role::Admin);

/// Every route, by path. `GET` is also `HEAD`.
pub const PERMISSIONS: &[Permission] = &[
    ("GET", "/", Need::Nothing),
    ("GET", "/ask", Need::Nothing),
    ("POST", "/ask", PUBLIC),
    ("GET", "/docs", Need::Nothing),
    ("GET", "/docs/", Need::Nothing),
    ("GET", "/docs/{*rest}", Need::Nothing),
    ("GET", "/healthz", Need::Nothing),
    // Which tools there are; what they show is filtered by the caller's sight.
    ("DELETE", "/mcp", PUBLIC),
    ("GET", "/mcp", PUBLIC),
    ("POST", "/mcp", PUBLIC),
    ("GET", "/metrics", ADMIN),
    ("GET", "/openapi.json", Need::Nothing),
    ("GET", "/readyz", Need::Nothing),
    ("POST", "/v1/answer", PUBLIC),
    ("DELETE", "/v1/calls/{id}", ADMIN),
    ("GET", "/v1/calls/{id}", AGENT),
    ("POST", "/v1/calls/{id}/end", AGENT),
    ("GET", "/v1/calls/{id}/events", AGENT),
    ("GET", "/v1/calls/{id}/export", ADMIN),
    ("POST", "/v1/calls/{id}/feedback", AGENT),
    ("GET", "/v1/calls/{id}/related", AGENT),
    ("POST", "/v1/calls/{id}/utterances", AGENT),
    ("GET", "/v1/calls/{id}/ws", AGENT),
    ("GET", "/v1/changes", AGENT),
    ("POST", "/v1/dify/retrieval", PUBLIC),
    ("GET", "/v1/documents", PUBLIC),
    // A document, its file, its versions and what differs between them.
    ("GET", "/v1/documents/{*id}", PUBLIC),
    ("GET", "/v1/learned", AGENT),
    ("POST", "/v1/learned", EDITOR),
    ("POST", "/v1/reindex", EDITOR),
    ("GET", "/v1/reports/gaps", AGENT),
    ("GET", "/v1/reports/trending", AGENT),
    ("GET", "/v1/reports/usage", AGENT),
    ("POST", "/v1/search", PUBLIC),
    ("POST", "/v1/vector_stores/{id}/search", PUBLIC),
];

/// What is known of a request's route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It needs this.
    Route(Need),
    /// Of this path other methods are known.
    OtherMethods(String),
    /// It was left out above.
    Forgotten,
}

/// What a request to the route of this pattern needs.
pub(super) fn known(method: &Method, pattern: &str) -> Known {
    let method = match *method {
        Method::HEAD => "GET",
        ref method => method.as_str(),
    };
    let of_path = || PERMISSIONS.iter().filter(|(_, path, _)| *path == pattern);
    if let Some((_, _, need)) = of_path().find(|(known, _, _)| *known == method) {
        return Known::Route(*need);
    }
    let others: Vec<&str> = of_path()
        .flat_map(|(method, _, _)| match *method {
            "GET" => &["GET", "HEAD"],
            ref method => std::slice::from_ref(method),
        })
        .copied()
        .collect();
    match others.is_empty() {
        true => Known::Forgotten,
        false => Known::OtherMethods(others.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_stand_in_the_list_is_forgotten() {
        let search = known(&Method::POST, "/v1/search");
        assert_eq!(search, Known::Route(PUBLIC));
        assert_eq!(
            known(&Method::GET, "/v1/search"),
            Known::OtherMethods("POST".to_owned())
        );
        assert_eq!(known(&Method::HEAD, "/v1/learned"), Known::Route(AGENT));
        assert_eq!(
            known(&Method::PUT, "/v1/learned"),
            Known::OtherMethods("GET,HEAD,POST".to_owned())
        );
        assert_eq!(known(&Method::GET, "/v1/new"), Known::Forgotten);
    }
}
