mod kept;
mod memory;
mod refused;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    facts::{FactsReader, HostIp},
    identity::Identity,
    return_window::ReturnWindow,
    status::{AgentState, Problem, StatusBoard},
    supervisor::Supervisor,
};
use crate::{
    client::{ClientError, CoordinatorClient, resolve},
    config::StateDir,
    host::SharedMachine,
    model::{Code, CoordinatorAddress, Failure, Role, SessionId},
    preflight::clock_skew,
    rt::{Clock, Shutdown, random_fraction},
    tls::PinVerifier,
    wire::{
        desired::DesiredState,
        hosts::{Facts, PROTOCOL, RoleHealth, SessionReply, SessionRequest},
    },
};
use kept::SAVE_INTERVAL;
use memory::Memory;
use refused::FINAL;

/// How much longer than a hold an answer may take before the coordinator counts as silent.
const MARGIN: Duration = Duration::from_secs(4);

/// How often the machine is looked at for changes.
const FACTS_INTERVAL: Duration = Duration::from_secs(30);

/// More coordinators than any cluster has.
const MOST_COORDINATORS: usize = 64;

/// How long the coordinator's name may take to be resolved for the sake of this host's address.
const RESOLVING: Duration = Duration::from_secs(2);

const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// The least time between two polls that bring nothing new.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// How a coordinator is turned to.
pub type Dial = Box<dyn Fn(CoordinatorAddress) -> Box<dyn CoordinatorClient> + Send + Sync>;

/// A member's side of its session: polls, does what is asked, says what it is.
pub struct Session {
    pub id: SessionId,
    pub identity: Identity,
    pub state: StateDir,
    pub dial: Dial,
    pub verifier: Arc<PinVerifier>,
    pub machine: SharedMachine,
    pub supervisor: Supervisor,
    /// What this host runs until it hears otherwise.
    pub desired: DesiredState,
    pub board: StatusBoard,
    pub clock: Clock,
}

impl Session {
    /// Keeps the session until `shutdown`, then says goodbye, and ends the roles.
    pub async fn run(mut self, shutdown: Shutdown) {
        self.keep_until(shutdown).await;
        // The coordinator may be one of them, and has heard the goodbye.
        self.supervisor.end().await;
    }

    async fn keep_until(&mut self, shutdown: Shutdown) {
        let coordinators = self.identity.coordinators().into_iter().map(&self.dial).collect();
        let (mut memory, mut reader) = tokio::select! {
            () = shutdown.wait() => return,
            begun = async {
                // What ran before runs again, whether or not there is a coordinator to ask.
                let desired = self.desired.clone();
                self.apply(&desired).await;
                let mut reader = FactsReader::load(&self.state).await;
                let facts = self.read_facts(&mut reader).await;
                (Memory::new(coordinators, desired, facts), reader)
            } => begun,
        };
        tokio::select! {
            never = self.keep(&mut memory, &mut reader) => match never {},
            () = shutdown.wait() => {}
        }
        self.board.set_state(AgentState::Stopping, None, self.clock.now());
        if memory.unsaved {
            self.save_learned(&mut memory).await;
        }
        let goodbye = self.request(&memory, true);
        // If nobody hears it, the closed connection says the same.
        let _ = memory.coordinators[memory.current].poll(&goodbye, GOODBYE_TIMEOUT).await;
    }

    /// Polls for as long as it is let.
    async fn keep(&mut self, memory: &mut Memory, reader: &mut FactsReader) -> Infallible {
        loop {
            if memory.facts_read.elapsed() >= FACTS_INTERVAL {
                (memory.facts, memory.unread) = self.read_facts(reader).await;
                memory.facts_read = Instant::now();
            }
            let request = self.request(memory, false);
            let started = Instant::now();
            let poll = memory.coordinators[memory.current].poll(&request, memory.hold + MARGIN);
            let polled = showing(&mut self.supervisor, &self.board, poll).await;
            let pause = match polled {
                Ok(reply) => self.take(memory, reply, started.elapsed()).await,
                Err(error) => self.lost(memory, error).await,
            };
            showing(&mut self.supervisor, &self.board, sleep(pause)).await;
        }
    }

    fn request(&self, memory: &Memory, closing: bool) -> SessionRequest {
        SessionRequest {
            protocol: PROTOCOL,
            session: self.id,
            facts_hash: memory.facts.hash(),
            facts: memory.send_facts.then(|| memory.facts.clone()),
            // Whoever is not connected wants an answer at once.
            applied_revision: if self.board.read().connected { memory.desired.revision } else { 0 },
            health: self.supervisor.health().into_iter().map(for_others).collect(),
            hold_ms: memory.hold.as_millis() as u64,
            closing,
            boot_id: self.machine.boot_id(),
        }
    }

    /// The coordinator answered; how long to wait before the next poll.
    async fn take(&mut self, memory: &mut Memory, reply: SessionReply, took: Duration) -> Duration {
        if let Some(other) = reply.runner_id.as_ref().filter(|it| **it != self.identity.runner_id) {
            return self.stand_back(memory, other).await;
        }
        memory.backoff.reset();
        memory.unknown_to.nobody();
        memory.hold = Duration::from_millis(reply.hold_ms);
        memory.return_window = ReturnWindow::is(Duration::from_millis(reply.return_window_ms));
        let news = reply.desired != memory.desired || reply.send_facts != memory.send_facts;
        memory.send_facts = reply.send_facts;
        if reply.desired != memory.desired {
            self.apply(&reply.desired).await;
            memory.desired = reply.desired;
            self.keep_desired(memory).await;
        } else if !memory.kept {
            self.keep_desired(memory).await;
        }
        let mut coordinators = reply.coordinators;
        coordinators.truncate(MOST_COORDINATORS);
        if coordinators != self.identity.known && !coordinators.is_empty() {
            self.learn(memory, coordinators);
        }
        if memory.unsaved && memory.saved.is_none_or(|at| at.elapsed() >= SAVE_INTERVAL) {
            self.save_learned(memory).await;
        }
        let address = memory.coordinators[memory.current].address().clone();
        if !self.board.read().connected {
            tracing::info!(coordinator = %address, "connected to {address}");
        }
        memory.notices = reply.notices;
        let ahead_of = |now_ms| self.clock.now().unix_millis().saturating_sub(now_ms);
        memory.clock_ahead_ms = reply.now_ms.map(ahead_of);
        self.show(memory, &address);
        self.board.set_state(AgentState::Connected, None, self.clock.now());
        if news { Duration::ZERO } else { LEAST_PAUSE.saturating_sub(took) }
    }

    /// The coordinator did not answer, or refused; how long to wait before the next try.
    async fn lost(&mut self, memory: &mut Memory, error: ClientError) -> Duration {
        let address = memory.coordinators[memory.current].address().clone();
        let all = memory.coordinators.iter().map(|it| it.address().clone());
        let is_unknown = memory.unknown_to.failed(&address, &error, all);
        let is_there = error.is_of_one_who_is_there();
        let refused = is_unknown || FINAL.into_iter().any(|code| error.is(code));
        memory.current = (memory.current + 1) % memory.coordinators.len();
        let failure = Failure::from(error);
        if self.board.read().problem.as_ref().map(|problem| &problem.code[..])
            != Some(failure.code())
        {
            tracing::warn!(coordinator = %address, code = failure.code(), "{}", failure.message);
        }
        if refused {
            return self.refused(memory, &address, &failure).await;
        }
        self.show(memory, &address);
        self.board.set_state(AgentState::Connecting, Some(&failure), self.clock.now());
        // Each time, not only the first: those who failed would else all come at once.
        let in_window = memory.return_window.pause(Instant::now(), is_there, random_fraction());
        memory.backoff.next(random_fraction()).max(in_window)
    }

    async fn apply(&mut self, desired: &DesiredState) {
        self.supervisor.apply(desired);
        self.supervisor.settled().await;
        self.board.set_roles(self.supervisor.health());
    }

    fn show(&self, memory: &Memory, coordinator: &CoordinatorAddress) {
        let health = self.supervisor.health();
        let wrong_date = self.verifier.saw_wrong_date().then(|| {
            let message = "by this machine's clock the coordinator's certificate is not valid; it is trusted by its key";
            Problem::from(&Failure::new(Code::TrustCertificateDate, message))
        });
        let skew = memory.clock_ahead_ms.and_then(clock_skew);
        let skew = skew.as_ref().map(Problem::from);
        let unread = memory.unread.as_ref().map(Problem::from);
        let unknown = self.supervisor.unknown_roles().as_ref().map(Problem::from);
        let notices = memory.notices.iter().cloned().map(Problem::from);
        self.board.update(|status| {
            status.coordinator = Some(coordinator.clone());
            status.roles = health;
            status.desired_revision = memory.desired.revision;
            status.maintenance = memory.desired.maintenance;
            status.host_ip = Some(memory.facts.host_ip);
            let own = [wrong_date, skew, unread, unknown].into_iter().flatten();
            status.warnings = own.chain(notices).collect();
        });
    }

    async fn read_facts(&self, reader: &mut FactsReader) -> (Facts, Option<Failure>) {
        let fallback = HostIp(self.identity.host_ip);
        let host_ip = match self.towards().await {
            Some(towards) => {
                HostIp::choose(&self.identity.settings, &*self.machine, towards).unwrap_or(fallback)
            }
            None => fallback,
        };
        reader.read(&self.identity.settings, &self.machine, host_ip).await
    }

    /// Where packets to the coordinator go, if that matters and can be known.
    async fn towards(&self) -> Option<SocketAddr> {
        if let Some(address) = self.identity.settings.host_ip {
            return Some(SocketAddr::new(address, 0));
        }
        let coordinator = self.identity.coordinators().into_iter().next()?;
        timeout(RESOLVING, resolve(&coordinator)).await.ok()?.ok()
    }
}

/// Does `work`, and shows meanwhile how the roles are doing.
async fn showing<T>(
    supervisor: &mut Supervisor,
    board: &StatusBoard,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = supervisor.changed() => board.set_roles(supervisor.health()),
        }
    }
}

/// The version of what a role was told last is for those who ask the host itself.
fn for_others((role, health): (Role, RoleHealth)) -> (Role, RoleHealth) {
    (role, RoleHealth { applied: None, ..health })
}

#[cfg(test)]
mod tests;
