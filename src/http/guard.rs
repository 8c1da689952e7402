//! Before every handler: who asks, whether that lets them do it, and how often.
//!
//! Fails closed: a route without a row in [`super::permissions`], keys that cannot be read and a
//! connection without an address let nobody in.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

use super::address::Origin;
use super::app::App;
use super::caller::Caller;
use super::permissions::{Known, Need, known};
use super::problem::{Problem, ProblemKind};
use crate::access::{AuditEntry, Outcome, Refusal, Role};
use crate::document::Audience;

/// The subprotocol under which a browser's WebSocket carries a token: it cannot set headers.
const TOKEN_PROTOCOL: &str = "zhiku.bearer.";

/// Lets a request through to its handler, with the [`Caller`] whose it is, or refuses it.
pub(super) async fn guard(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let origin = Origin::of(&request, &app.trusted_proxies);
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("(none)", MatchedPath::as_str).to_owned();
    let place = Place {
        app: &app,
        origin,
        method: &method,
        route: &route,
    };
    let (caller, need) = match place.admit(request.headers()).await {
        Ok(admitted) => admitted,
        Err((caller, problem)) => return place.refuse(caller.as_ref(), problem),
    };
    request.extensions_mut().insert(caller.clone());
    let mut begun = Begun {
        place: &place,
        caller: &caller,
        is_noted: need < Need::Role(Role::Editor),
    };
    let response = next.run(request).await;
    begun.is_noted = true;
    drop(begun);
    place.note(&caller, need, &response);
    until_ended(response, &caller)
}

/// What whoever asked, or the time limit, gave up.
const GIVEN_UP: u16 = 499;

/// Something that goes into the book however it ends: who leaves before the answer may have done it.
struct Begun<'r> {
    place: &'r Place<'r>,
    caller: &'r Caller,
    is_noted: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.is_noted {
            let outcome = Outcome::Status(GIVEN_UP);
            self.place.put_down(Some(self.caller), outcome);
        }
    }
}

/// A request on its way.
struct Place<'r> {
    app: &'r App,
    origin: Origin,
    method: &'r Method,
    route: &'r str,
}

impl Place<'_> {
    /// Whose request it is and what it needs; else why not, and whose it was as far as that is known.
    async fn admit(
        &self,
        headers: &HeaderMap,
    ) -> Result<(Caller, Need), (Option<Caller>, Problem)> {
        let nobody = |problem| (None, problem);
        let need = match known(self.method, self.route) {
            Known::Route(need) => need,
            // Answered below as what it is: there is no handler.
            Known::Forgotten if self.route == "(none)" => Need::Role(Role::Public),
            Known::OtherMethods(allowed) => {
                return Err(nobody(Problem::method_not_allowed(self.route, &allowed)));
            }
            Known::Forgotten => {
                let reason =
                    format_args!("{} {} needs a row in permissions", self.method, self.route);
                return Err(nobody(Problem::internal(reason)));
            }
        };
        if self.route == "/healthz" {
            // Asked by whatever watches the process, from wherever; says nothing.
            return Ok((Caller::anonymous(None), need));
        }
        let caller = self.identify(headers, need).await.map_err(nobody)?;
        if let Err(problem) = caller.admit(self.app) {
            return Err((Some(caller), problem));
        }
        if let Need::Role(role) = need {
            let what = format!("{} {}", self.method, self.route);
            if let Err(problem) = caller.at_least(role, &what) {
                return Err((Some(caller), problem));
            }
        }
        Ok((caller, need))
    }

    async fn identify(&self, headers: &HeaderMap, need: Need) -> Result<Caller, Problem> {
        let access = &self.app.access;
        if !access.has_keys().map_err(Problem::access_unavailable)? {
            return self.without_keys();
        }
        // A connection without an address counts with all others that have none.
        let address = self.origin.address;
        let counted = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let token = match token(headers) {
            Shown::Nothing => None,
            Shown::Token(token) => Some(token),
            Shown::Unreadable(reason) => {
                access
                    .admit_anonymous(counted)
                    .map_err(Problem::too_often)?;
                return Err(Problem::new(ProblemKind::InvalidKey, reason));
            }
        };
        let Some(token) = token else {
            return match access.settings.admits_anonymous || need == Need::Nothing {
                true => Ok(Caller::anonymous(Some(counted))),
                false => {
                    access
                        .admit_anonymous(counted)
                        .map_err(Problem::too_often)?;
                    let detail = "This server answers callers with a key alone: send \
                                  `Authorization: Bearer …`.";
                    Err(Problem::new(ProblemKind::KeyRequired, detail))
                }
            };
        };
        match access.identify(&token, counted).await {
            Ok(known) => Ok(Caller::with_key(known, address)),
            Err(refusal) => {
                // Whoever tries keys asks as seldom as whoever has none.
                access
                    .admit_anonymous(counted)
                    .map_err(Problem::too_often)?;
                Err(refused_key(refusal))
            }
        }
    }

    /// While there are no keys, whoever asks on this machine is what the configuration says.
    fn without_keys(&self) -> Result<Caller, Problem> {
        if !self.origin.is_local {
            return Err(Problem::new(
                ProblemKind::NoKeys,
                "This server has no API keys yet, so it answers requests of its own machine alone. \
                 Create one there with `zhiku keys create --role agent`, and send it as \
                 `Authorization: Bearer …`.",
            ));
        }
        let audience = self.app.server.audience;
        let role = match audience {
            Audience::Public => Role::Public,
            Audience::Agent | Audience::Internal => Role::Admin,
        };
        Ok(Caller::local(
            audience.into(),
            role,
            self.app.access.keyless(),
        ))
    }

    fn refuse(&self, caller: Option<&Caller>, problem: Problem) -> Response {
        let response = problem.into_response();
        let status = response.status().as_u16();
        // Everything else is no denial.
        if [401, 403, 429].contains(&status) {
            self.put_down(caller, Outcome::Refused(status));
        }
        response
    }

    /// What editors and administrators do goes into the book.
    fn note(&self, caller: &Caller, need: Need, response: &Response) {
        let status = response.status().as_u16();
        if [401, 403].contains(&status) {
            self.put_down(Some(caller), Outcome::Refused(status));
        } else if need >= Need::Role(Role::Editor) {
            self.put_down(Some(caller), Outcome::Status(status));
        }
    }

    fn put_down(&self, caller: Option<&Caller>, outcome: Outcome) {
        let address = self.origin.address;
        self.app.access.note(AuditEntry {
            key_id: caller.map_or_else(String::new, |caller| caller.key_id().to_owned()),
            role: match caller {
                Some(caller) if caller.is_anonymous() => "anonymous",
                Some(caller) => caller.role().name(),
                None => "unknown",
            },
            address: address.map_or_else(|| "unknown".to_owned(), |address| address.to_string()),
            action: self.method.as_str().chars().take(16).collect(),
            route: self.route.to_owned(),
            outcome,
        });
    }
}

fn refused_key(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Wrong => Problem::new(ProblemKind::InvalidKey, "There is no such key."),
        Refusal::Expired => Problem::new(ProblemKind::InvalidKey, "The key has expired."),
        Refusal::Revoked => Problem::new(ProblemKind::InvalidKey, "The key was revoked."),
        Refusal::TooMany(wait) => Problem::too_often(wait),
        Refusal::Busy => Problem::new(
            ProblemKind::Overloaded,
            "Too many keys wait to be verified. Try again shortly.",
        ),
        Refusal::Unavailable(error) => Problem::access_unavailable(error),
    }
}

/// What a request shows.
enum Shown {
    Nothing,
    Token(String),
    Unreadable(&'static str),
}

fn token(headers: &HeaderMap) -> Shown {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return token_of_socket(headers);
    };
    if given.next().is_some() {
        return Shown::Unreadable("There is more than one header `Authorization`.");
    }
    let Ok(value) = value.to_str() else {
        return Shown::Unreadable("The header `Authorization` is not plain text.");
    };
    match value.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Shown::Token(token.trim().to_owned())
        }
        _ => Shown::Unreadable("The header `Authorization` must read `Bearer` and the key."),
    }
}

fn token_of_socket(headers: &HeaderMap) -> Shown {
    let is_socket = headers
        .get(UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let token = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(TOKEN_PROTOCOL));
    match token.filter(|_| is_socket) {
        Some(token) => Shown::Token(token.to_owned()),
        None => Shown::Nothing,
    }
}

/// An answer without an end ends with what let the caller in.
fn until_ended(response: Response, caller: &Caller) -> Response {
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_stream = content_type.is_some_and(|content_type: &HeaderValue| {
        content_type.as_bytes().starts_with(b"text/event-stream")
    });
    if !is_stream {
        return response;
    }
    let ended = caller.ended().clone().cancelled_owned();
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(ended)))
}

impl Problem {
    /// The path does not take this method.
    fn method_not_allowed(route: &str, allowed: &str) -> Self {
        let detail = format!("{route} does not take this method; it takes {allowed}.");
        let problem = Self::new(ProblemKind::MethodNotAllowed, detail);
        match HeaderValue::from_str(allowed) {
            Ok(allowed) => problem.with_header(ALLOW, allowed),
            Err(_) => problem,
        }
    }
}
