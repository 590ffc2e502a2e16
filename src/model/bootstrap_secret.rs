/// What the secrets file of a first host holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootstrapSecret {
    AdminPassword,
    ReadonlyPassword,
    TokenWithoutRoles,
    AllocatorToken,
    /// Of all roles but that of an allocator.
    EmergencyToken,
}

impl BootstrapSecret {
    /// In the order of the file.
    pub const ALL: [Self; 5] = [
        Self::AdminPassword,
        Self::ReadonlyPassword,
        Self::TokenWithoutRoles,
        Self::AllocatorToken,
        Self::EmergencyToken,
    ];

    /// Its name in the file, which ECE's automation reads: it is part of the contract.
    pub fn key(self) -> &'static str {
        match self {
            Self::AdminPassword => "adminconsole_root_password",
            Self::ReadonlyPassword => "adminconsole_readonly_password",
            Self::TokenWithoutRoles => "bootstrap_runner_roles_token",
            Self::AllocatorToken => "allocator_only_token",
            Self::EmergencyToken => "emergency_all_roles_except_allocator_token",
        }
    }
}
