//! What becomes of the roles of a host.

use super::*;
use crate::agent::load_desired;

/// A role that does nothing, and says when it stops.
struct Telling(Role, mpsc::UnboundedSender<Role>);

#[async_trait::async_trait]
impl RoleService for Telling {
    fn role(&self) -> Role {
        self.0
    }

    async fn apply(&mut self, _wanted: &RolePayload) -> Result<(), Failure> {
        Ok(())
    }

    async fn stop(&mut self) {
        let _ = self.1.send(self.0);
    }

    async fn health(&mut self) -> Result<String, Failure> {
        Ok(String::new())
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_refused_keeps_the_coordinator_that_may_be_the_one_that_refuses() {
    // The API removes no host that has one: who says so has kept an earlier key of its own host.
    for refusal in [Code::HostUnknown, Code::HostRemoved, Code::HostCloned] {
        keeps_the_coordinator(refusal).await;
    }
}

async fn keeps_the_coordinator(refusal: Code) {
    let (stopped, mut stops) = mpsc::unbounded_channel();
    let ran: RoleSet = "coordinator,director,proxy".parse().expect("roles");
    let roles: Vec<Box<dyn RoleService>> =
        ran.iter().map(|role| Box::new(Telling(role, stopped.clone())) as _).collect();
    let desired = DesiredState { revision: 3, ..DesiredState::of(&ran) };
    let running = start_running(0, false, roles, desired);
    *running.coordinator.refusal.lock().expect("free") = refusal;
    running.coordinator.unknown_at.lock().expect("free").push("10.0.0.1".parse().expect("one"));
    running.board.follow().wait_for(|status| status.state == AgentState::Refused).await.expect("");
    assert_eq!(stops.recv().await, Some(Role::Proxy));
    let status = running.board.read();
    assert!(status.roles.keys().eq(&[Role::Coordinator, Role::Director]), "{status:?}");
    let state = StateDir::new(running.dir.path().to_owned());
    assert_eq!(load_desired(&state, &RoleSet::default()).await, {
        DesiredState::of(&ran.that_keep_the_cluster())
    });
    // With the session they end.
    running.stop.fire();
    running.task.await.expect("no panic");
    let mut ended = [stops.try_recv(), stops.try_recv()].map(|it| it.expect("it has stopped"));
    ended.sort();
    assert_eq!(ended, [Role::Coordinator, Role::Director]);
}
