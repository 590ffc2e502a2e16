use super::records::{UserRecord, UserRole};

/// What an operation needs. Each operation names one; a handler that compiles is authorised.
pub trait Permission: Send + Sync {
    fn allows(user: &UserRecord) -> bool;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: $($role:ident)|+;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl Permission for $name {
            fn allows(user: &UserRecord) -> bool {
                user.is_one_of(&[$(UserRole::$role),+])
            }
        }
    )*};
}

permissions! {
    /// Seeing hosts, their roles and their state.
    ReadHosts: PlatformAdmin | PlatformViewer;
    /// Changing hosts and their roles, and removing them.
    ChangeHosts: PlatformAdmin;
    /// Seeing deployments and what they can be made of.
    ReadDeployments: PlatformAdmin | PlatformViewer | DeploymentManager | DeploymentViewer;
    /// Making and changing deployments.
    ChangeDeployments: PlatformAdmin | DeploymentManager;
    /// Seeing and making roles tokens: whoever may, can add hosts.
    ManageTokens: PlatformAdmin;
    /// Seeing who else there is.
    ReadUsers: PlatformAdmin | PlatformViewer;
    /// Other people's accounts and keys.
    ManageUsers: PlatformAdmin;
    /// What was done, by whom.
    ReadAudit: PlatformAdmin;
}

/// One's own account, session and keys: of everybody who gets in.
pub struct OwnAccount;

impl Permission for OwnAccount {
    fn allows(_user: &UserRecord) -> bool {
        true
    }
}
