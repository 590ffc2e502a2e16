use super::RoleService;
use crate::{
    model::{Failure, Role},
    wire::desired::RolePayload,
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

    async fn apply(&mut self, _wanted: &RolePayload) -> Result<(), Failure> {
        Ok(())
    }

    async fn stop(&mut self) {}

    async fn health(&mut self) -> Result<String, Failure> {
        Ok("no routes".into())
    }
}
