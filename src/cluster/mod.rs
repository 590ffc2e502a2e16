//! The cluster: who its members are, who may join, what each runs. No HTTP in it.
//!
//! - `operations/` does what is asked for, one operation a file, each a commit with preconditions.
//! - `records/` is what is stored; `registry` is the same in memory, kept current by the watch.
//!   `member` puts together what is kept of a host in several records.
//! - `change` commits nothing without its audit record.
//! - `liveness` knows who is connected, and `owners` writes it down for the next start.
//! - `permissions` says what a user may do; `sign_in` who is who they say.
//! - `news` tells pages that are open what has changed; `shown` is what is shown of a host.
//! - `lists` does what looks at all of them, beside everything else; `hosts_now` is what it sees.
//! - `earlier_records` brings over what earlier versions have stored.
//! - `bootstrap` makes a cluster with its first host; `secrets` opens what it made.

pub mod app;
pub mod audit_growth;
pub mod bootstrap;
pub mod change;
pub mod counters;
pub mod earlier_records;
pub mod host_allowances;
pub mod hosts_now;
pub mod joins;
pub mod lists;
pub mod liveness;
pub mod member;
pub mod news;
pub mod operations;
pub mod own_changes;
pub mod owners;
mod passages;
pub mod passwords;
pub mod permissions;
pub mod queues;
pub mod records;
pub mod registry;
pub mod seal;
pub mod secrets;
pub mod sessions;
pub mod shown;
pub mod sign_in;
#[cfg(test)]
pub mod testing;
