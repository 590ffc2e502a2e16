//! What a coordinator does, one operation a file. Handlers call these and nothing else.

pub mod enrolment;
pub mod members;
pub mod removal;
pub mod roles;
pub mod tokens;

/// How often a change is tried anew after losing a race for a record. Each loss means that
/// somebody else's change went through.
const ATTEMPTS: usize = 16;

#[cfg(test)]
mod tests;
