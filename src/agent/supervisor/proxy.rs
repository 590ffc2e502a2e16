use super::RoleService;
use crate::{
    model::{Failure, Role},
    wire::hosts::RoleHealth,
};

/// Brings users' traffic to instances. As long as no instances run there are no routes, and
/// nothing to listen for.
struct Proxy;

pub fn proxy_service() -> Box<dyn RoleService> {
    Box::new(Proxy)
}

impl RoleService for Proxy {
    fn role(&self) -> Role {
        Role::Proxy
    }

    fn start(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn stop(&mut self) {}

    fn health(&self) -> RoleHealth {
        RoleHealth::good("no routes")
    }
}
