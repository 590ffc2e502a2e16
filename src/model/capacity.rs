use serde::{Deserialize, Serialize};

use super::{Role, RoleSet};

/// The least that `--capacity` may say, in MB (2^20 bytes).
pub const MIN_CAPACITY_MB: u64 = 8192;

const GB_IN_MB: u64 = 1024;

/// Where the number of an allocator's capacity comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapacitySource {
    /// The machine's memory.
    Physical,
    /// The memory limit of an enclosing container.
    Cgroup,
    /// `--capacity`.
    Flag,
}

/// What an allocator with `total_mb` of memory offers, in MB (2^20 bytes), rounded down.
///
/// ECE's rule: 15 % is kept back, 28 GB at most, and 12 GB at most on a host that is an
/// allocator and nothing else.
pub fn default_capacity_mb(total_mb: u64, roles: &RoleSet) -> u64 {
    let most_kept_back = if roles.is_exactly(Role::Allocator) { 12 } else { 28 } * GB_IN_MB;
    let offered_at_15_percent = u64::try_from(u128::from(total_mb) * 85 / 100).unwrap_or(u64::MAX);
    offered_at_15_percent.max(total_mb.saturating_sub(most_kept_back))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(text: &str) -> RoleSet {
        text.parse().expect("roles")
    }

    #[test]
    fn a_host_of_14586_mb_offers_12398_mb() {
        assert_eq!(default_capacity_mb(14_586, &roles("allocator")), 12_398);
        assert_eq!(default_capacity_mb(14_586, &RoleSet::all()), 12_398);
    }

    #[test]
    fn a_large_host_keeps_back_28_gb_and_12_gb_if_it_is_only_an_allocator() {
        let total = 512 * GB_IN_MB;
        assert_eq!(default_capacity_mb(total, &roles("allocator,proxy")), total - 28 * GB_IN_MB);
        assert_eq!(default_capacity_mb(total, &roles("allocator")), total - 12 * GB_IN_MB);
    }

    #[test]
    fn no_total_overflows() {
        assert_eq!(default_capacity_mb(0, &roles("allocator")), 0);
        assert_eq!(default_capacity_mb(u64::MAX, &roles("")), u64::MAX - 28 * GB_IN_MB);
    }
}
