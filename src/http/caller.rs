//! Who asks.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::problem::{Problem, ProblemKind};
use crate::access::{KnownKey, Role};
use crate::sight::Sight;

/// Who makes a request: every handler takes it, and shows nothing that [`Caller::sight`] does not
/// let be seen. The guard decides who it is, before any handler runs.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    who: Who,
    role: Role,
    sight: Sight,
    address: Option<IpAddr>,
    ended: CancellationToken,
}

/// By what somebody is known.
#[derive(Clone, Debug)]
enum Who {
    /// By asking on this machine, while there are no keys.
    Local,
    /// By nothing.
    Anonymous,
    /// By a key.
    Key(Arc<KnownKey>),
}

impl Caller {
    /// Somebody on this machine, while there are no keys: until `keyless` is cancelled.
    pub(super) fn local(sight: Sight, role: Role, keyless: CancellationToken) -> Self {
        Self {
            who: Who::Local,
            role,
            sight,
            address: None,
            ended: keyless,
        }
    }

    /// Somebody without a key.
    pub(super) fn anonymous(address: Option<IpAddr>) -> Self {
        Self {
            who: Who::Anonymous,
            role: Role::Public,
            sight: Role::Public.audience().into(),
            address,
            ended: CancellationToken::new(),
        }
    }

    /// The holder of a key that counts.
    pub(super) fn with_key(known: Arc<KnownKey>, address: Option<IpAddr>) -> Self {
        Self {
            role: known.key.role,
            sight: known.key.sight(),
            ended: known.ended.clone(),
            who: Who::Key(known),
            address,
        }
    }

    /// What the caller may see.
    pub(super) fn sight(&self) -> &Sight {
        &self.sight
    }

    /// What the caller may do.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Whether the caller showed nothing by which somebody is known.
    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self.who, Who::Anonymous)
    }

    /// The id of the caller's key; empty without one.
    pub(super) fn key_id(&self) -> &str {
        match &self.who {
            Who::Key(known) => &known.key.id,
            Who::Local | Who::Anonymous => "",
        }
    }

    /// Cancelled as soon as what let the caller in does not count any more: answers without an end
    /// must end then.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Counts a request, or a message of a connection that stays open, if there is room for it.
    ///
    /// # Errors
    /// [`ProblemKind::RateLimited`]
    pub(super) fn admit(&self, app: &App) -> Result<(), Problem> {
        let admitted = match (&self.who, self.address) {
            (Who::Local, _) | (Who::Anonymous, None) => Ok(()),
            (Who::Key(known), _) => known.admit(),
            (Who::Anonymous, Some(address)) => app.access.admit_anonymous(address),
        };
        admitted.map_err(Problem::too_often)
    }

    /// Refuses callers below a role; `what` they ask for, e.g. `Calls`.
    ///
    /// # Errors
    /// [`ProblemKind::KeyRequired`] for callers without a key, [`ProblemKind::Forbidden`] for others.
    pub(super) fn at_least(&self, role: Role, what: &str) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        Err(match &self.who {
            Who::Anonymous => Problem::new(
                ProblemKind::KeyRequired,
                format!("{what}: send a key of the role `{role}` as `Authorization: Bearer …`."),
            ),
            Who::Key(_) => Problem::new(
                ProblemKind::Forbidden,
                format!(
                    "{what}: the role `{role}` is needed, and this key has the role `{}`.",
                    self.role
                ),
            ),
            Who::Local => Problem::new(
                ProblemKind::Forbidden,
                format!("{what}: this server serves the public (server.audience)."),
            ),
        })
    }

    /// Refuses callers who are limited to departments or regions: figures of the whole server count
    /// what they may not see.
    ///
    /// # Errors
    /// [`ProblemKind::Forbidden`]
    pub(super) fn without_limits(&self, what: &str) -> Result<(), Problem> {
        if self.sight.scope.is_everything() {
            return Ok(());
        }
        let detail = format!("{what}: this key is limited to departments or regions.");
        Err(Problem::new(ProblemKind::Forbidden, detail))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal("a route was reached past the guard"))
    }
}
