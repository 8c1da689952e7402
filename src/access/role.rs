//! What a caller may do.

use crate::document::{Audience, named};

/// What a caller may do. Ordered: each role may do what those before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// 公众: searches what is for the public.
    #[default]
    Public,
    /// 坐席: takes calls.
    Agent,
    /// 采编: keeps the corpus.
    Editor,
    /// 管理员: runs the server.
    Admin,
}

named!(
    Role,
    "role",
    "public (公众), agent (坐席), editor (采编), admin (管理员)",
    Public = "public" | "公众",
    Agent = "agent" | "坐席",
    Editor = "editor" | "采编",
    Admin = "admin" | "管理员"
);

impl Role {
    /// What a caller of this role sees, within its scope.
    pub fn audience(self) -> Audience {
        match self {
            Self::Public => Audience::Public,
            Self::Agent => Audience::Agent,
            Self::Editor | Self::Admin => Audience::Internal,
        }
    }
}
