//! A host's side: becoming a member, and being one.

mod facts;
mod identity;
mod install;
mod journal;
mod progress;
mod session;
mod status;
mod supervisor;

pub use facts::{HostIp, gather_facts};
pub use identity::{HostKeyState, Identity, IdentityError, load_identity, load_key, save_identity};
pub use install::{
    Enrolled, JoinStart, load_or_make_key, not_writable, prepare_state_dir, report_findings,
};
pub use journal::{Journal, Phase};
pub use progress::{Progress, Step};
pub use session::Session;
pub use status::{
    AgentState, Problem, RoleStatus, Status, StatusBoard, StatusClient, StatusError, serve_status,
};
pub use supervisor::{InProcess, RoleService, Supervisor, allocator_service, proxy_service};
