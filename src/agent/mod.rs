//! A host's side: becoming a member, and being one.

mod checks;
mod desired;
mod facts;
mod host_start;
mod identity;
mod install;
mod journal;
mod key;
mod progress;
mod return_window;
mod session;
mod socket;
mod state;
mod status;
mod storage_marker;
mod supervisor;
mod unknown;

pub use checks::{find_coordinator, proxies_in_environment};
pub use desired::{load_desired, roles_today};
pub use facts::{HostIp, gather_facts};
pub use host_start::HostStart;
pub use identity::{
    Identity, IdentityError, begin_membership, load_identity, load_own_identity, save_identity,
};
pub use install::{Enrolled, JoinStart, KeyWish, Place};
pub use journal::{Journal, Phase};
pub use key::{HostKeyState, dialler, load_key, load_or_make_key, may_give_up};
pub use progress::{Progress, Step};
pub use session::{Dial, Session};
pub use socket::{DaemonClient, DaemonError, LocalAdministration, Peer, serve_socket};
pub use state::{as_its_user, give_back, not_permitted, not_writable, prepare_state_dir};
pub use status::{AgentState, Problem, RoleStatus, Status, StatusBoard};
pub use storage_marker::{StorageMarker, instances_in};
pub use supervisor::{RoleService, Supervisor, allocator_service, proxy_service};
