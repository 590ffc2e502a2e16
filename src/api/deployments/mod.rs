//! Deployments and what is made for them. There are none in this version: lists are empty, and
//! changes say that they are not served.

pub mod extensions;
pub mod overview;
pub mod templates;
pub mod traffic_filters;
