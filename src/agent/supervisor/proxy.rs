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

#[async_trait::async_trait]
impl RoleService for Proxy {
    fn role(&self) -> Role {
        Role::Proxy
    }

    async fn start(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn stop(&mut self) {}

    async fn health(&mut self) -> RoleHealth {
        RoleHealth::good("no routes")
    }
}
