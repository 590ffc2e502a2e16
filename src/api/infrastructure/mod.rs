//! Hosts, by what they are: runners, allocators, proxies, coordinators.

pub mod allocator_config;
pub mod allocators;
pub mod blessings;
pub mod coordinators;
pub mod health;
mod listing;
pub mod proxies;
pub mod proxies_health;
pub mod proxy_groups;
pub mod roles;
pub mod runners;
