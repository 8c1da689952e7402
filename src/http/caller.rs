//! Who asks.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::app::App;
use super::problem::{Problem, ProblemKind};
use crate::access::Role;
use crate::document::Audience;
use crate::sight::Sight;

/// Who makes a request: every handler takes it, and shows nothing that [`Caller::sight`] does not
/// let be seen.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    role: Role,
    sight: Sight,
}

impl Caller {
    /// What the caller may see.
    pub(super) fn sight(&self) -> &Sight {
        &self.sight
    }

    /// What the caller may do.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Refuses callers below a role; `what` they ask for, in the plural, e.g. `calls`.
    ///
    /// # Errors
    /// [`ProblemKind::Forbidden`]
    pub(super) fn at_least(&self, role: Role, what: &str) -> Result<(), Problem> {
        if self.role() >= role {
            return Ok(());
        }
        let detail = format!("{what} are not for the public (server.audience).");
        Err(Problem::new(ProblemKind::Forbidden, detail))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(_parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        // Whoever reaches the server is staff, unless it serves the public.
        let role = match app.server.audience {
            Audience::Public => Role::Public,
            Audience::Agent | Audience::Internal => Role::Admin,
        };
        Ok(Self {
            role,
            sight: app.server.audience.into(),
        })
    }
}
