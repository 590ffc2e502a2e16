//! Pure types and rules: no clock, no files, no network.

mod address;
mod bootstrap_secret;
mod capacity;
mod code;
mod coordinator_layout;
mod exit;
mod failure;
mod fingerprint;
mod ids;
pub mod printable;
mod roles;
mod secret;
mod storage_layout;
mod tags;

pub use address::{CoordinatorAddress, HOSTS_PORT, InvalidAddress};
pub use bootstrap_secret::BootstrapSecret;
pub use capacity::{CapacitySource, MIN_CAPACITY_MB, default_capacity_mb};
pub use code::Code;
pub use coordinator_layout::CoordinatorLayout;
pub use exit::Exit;
pub use failure::Failure;
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use ids::{InvalidId, KeyId, RunnerId, SessionId, TokenId, Zone};
pub use roles::{NotSomeRoles, Role, RoleSet, UnknownRole};
pub use secret::Secret;
pub use storage_layout::{SERVICE_STATE_DIR, StorageLayout};
pub use tags::{InvalidTag, Tags, is_like_a_field};
