use super::RoleService;
use crate::{
    model::{Failure, Role},
    wire::hosts::RoleHealth,
};

/// A role that the daemon runs beside the agent in the same process, for as long as the process
/// lives: the coordinator and the director of a cluster whose data is on one machine.
pub struct InProcess {
    role: Role,
    detail: &'static str,
}

impl InProcess {
    pub fn service(role: Role, detail: &'static str) -> Box<dyn RoleService> {
        Box::new(Self { role, detail })
    }
}

#[async_trait::async_trait]
impl RoleService for InProcess {
    fn role(&self) -> Role {
        self.role
    }

    async fn start(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn stop(&mut self) {}

    async fn health(&mut self) -> RoleHealth {
        RoleHealth::good(self.detail)
    }
}
