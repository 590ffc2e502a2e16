//! What keeps one from taking what is everybody's: how much each may have, and how fast.

pub mod allowance;
pub mod askers;
pub mod blame;
pub mod generations;
pub mod pace;
pub mod quiet;
pub mod source;
