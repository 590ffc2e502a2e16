use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    desired::{load_desired, save_desired},
    facts::{HostIp, gather_facts},
    identity::{Identity, save_identity},
    return_window::ReturnWindow,
    status::{AgentState, Problem, StatusBoard},
    supervisor::Supervisor,
};
use crate::{
    client::{ClientError, CoordinatorClient, resolve},
    config::StateDir,
    host::SharedMachine,
    model::{Code, CoordinatorAddress, Failure, SessionId},
    rt::{Backoff, Clock, Shutdown, random_fraction},
    tls::PinVerifier,
    wire::hosts::{
        DesiredState, Facts, HOLD_BEFORE_TOLD_MS, Notice, PROTOCOL, SessionReply, SessionRequest,
    },
};

/// The hold that is assumed before a coordinator has said.
const ASSUMED_HOLD: Duration = Duration::from_millis(HOLD_BEFORE_TOLD_MS);

/// How much longer than a hold an answer may take before the coordinator counts as silent.
const MARGIN: Duration = Duration::from_secs(4);

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// How often a host that was refused asks again: somebody may have changed their mind.
const RETRY_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// What no coordinator of the cluster will see otherwise.
const REFUSALS: [Code; 3] = [Code::HostRemoved, Code::HostUnknown, Code::HostCloned];

/// How often the machine is looked at for changes.
const FACTS_INTERVAL: Duration = Duration::from_secs(30);

const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// The least time between two polls that bring nothing new.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// A member's side of its session: polls, does what is asked, says what it is.
pub struct Session {
    pub id: SessionId,
    pub identity: Identity,
    pub state: StateDir,
    pub coordinators: Vec<Box<dyn CoordinatorClient>>,
    pub verifier: Arc<PinVerifier>,
    pub machine: SharedMachine,
    pub supervisor: Supervisor,
    pub board: StatusBoard,
    pub clock: Clock,
}

/// What a session remembers from one poll to the next.
struct Memory {
    desired: DesiredState,
    facts: Facts,
    facts_read: Instant,
    send_facts: bool,
    hold: Duration,
    return_window: ReturnWindow,
    backoff: Backoff,
    current: usize,
    notices: Vec<Notice>,
}

impl Session {
    /// Keeps the session until `shutdown`, then says goodbye.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), Failure> {
        let desired = load_desired(&self.state);
        // What ran before runs again, whether or not there is a coordinator to ask.
        self.apply(&desired);
        let mut memory = Memory {
            facts: self.gather().await?,
            facts_read: Instant::now(),
            desired,
            send_facts: false,
            hold: ASSUMED_HOLD,
            return_window: ReturnWindow::default(),
            backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY),
            current: 0,
            notices: Vec::new(),
        };
        loop {
            if memory.facts_read.elapsed() >= FACTS_INTERVAL {
                memory.facts = self.gather().await?;
                memory.facts_read = Instant::now();
            }
            let request = self.request(&memory, false);
            let started = Instant::now();
            let polled = tokio::select! {
                polled = tending(
                    &mut self.supervisor,
                    &self.board,
                    self.coordinators[memory.current].poll(&request, memory.hold + MARGIN),
                ) => polled,
                () = shutdown.wait() => break,
            };
            let pause = match polled {
                Ok(reply) => self.take(&mut memory, reply, started.elapsed()),
                Err(error) => self.lost(&mut memory, error),
            };
            tokio::select! {
                () = tending(&mut self.supervisor, &self.board, sleep(pause)) => {}
                () = shutdown.wait() => break,
            }
        }
        self.board.set_state(AgentState::Stopping, None, self.clock.now());
        let goodbye = self.request(&memory, true);
        // If nobody hears it, the closed connection says the same.
        let _ = self.coordinators[memory.current].poll(&goodbye, GOODBYE_TIMEOUT).await;
        Ok(())
    }

    fn request(&self, memory: &Memory, closing: bool) -> SessionRequest {
        SessionRequest {
            protocol: PROTOCOL,
            session: self.id,
            facts_hash: memory.facts.hash(),
            facts: memory.send_facts.then(|| memory.facts.clone()),
            // Whoever is not connected wants an answer at once.
            applied_revision: if self.board.read().connected { memory.desired.revision } else { 0 },
            health: self.supervisor.health(),
            hold_ms: memory.hold.as_millis() as u64,
            closing,
            boot_id: self.machine.boot_id(),
        }
    }

    /// The coordinator answered; how long to wait before the next poll.
    fn take(&mut self, memory: &mut Memory, reply: SessionReply, took: Duration) -> Duration {
        memory.backoff.reset();
        memory.hold = Duration::from_millis(reply.hold_ms);
        memory.return_window = ReturnWindow::is(Duration::from_millis(reply.return_window_ms));
        let news = reply.desired != memory.desired || reply.send_facts != memory.send_facts;
        memory.send_facts = reply.send_facts;
        if reply.desired != memory.desired {
            self.apply(&reply.desired);
            save_desired(&self.state, &reply.desired);
            memory.desired = reply.desired;
        }
        if reply.coordinators != self.identity.known && !reply.coordinators.is_empty() {
            self.identity.known = reply.coordinators;
            self.verifier.set_known_keys(self.identity.known.iter().map(|known| known.key));
            if let Err(error) = save_identity(&self.state, &self.identity) {
                tracing::warn!(%error, "the list of coordinators was not kept");
            }
        }
        let address = self.coordinators[memory.current].address().clone();
        if !self.board.read().connected {
            tracing::info!(coordinator = %address, "connected to {address}");
        }
        memory.notices = reply.notices;
        self.show(memory, &address);
        self.board.set_state(AgentState::Connected, None, self.clock.now());
        if news { Duration::ZERO } else { LEAST_PAUSE.saturating_sub(took) }
    }

    /// The coordinator did not answer, or refused; how long to wait before the next try.
    fn lost(&mut self, memory: &mut Memory, error: ClientError) -> Duration {
        let address = self.coordinators[memory.current].address().clone();
        let refused = REFUSALS.into_iter().any(|code| error.is(code));
        let failure = Failure::from(error);
        if self.board.read().problem.as_ref().map(|problem| &problem.code[..])
            != Some(failure.code())
        {
            tracing::warn!(coordinator = %address, code = failure.code(), "{}", failure.message);
        }
        self.show(memory, &address);
        if refused {
            self.apply(&DesiredState::default());
            memory.desired = DesiredState::default();
            save_desired(&self.state, &memory.desired);
            memory.notices.clear();
            self.show(memory, &address);
            self.board.set_state(AgentState::Refused, Some(&failure), self.clock.now());
            return RETRY_AFTER_REFUSAL;
        }
        self.board.set_state(AgentState::Connecting, Some(&failure), self.clock.now());
        memory.current = (memory.current + 1) % self.coordinators.len();
        let pause = memory.backoff.next(random_fraction());
        // Each time, not only the first: those who failed would else all come at once.
        pause + memory.return_window.pause(Instant::now(), random_fraction())
    }

    fn apply(&mut self, desired: &DesiredState) {
        self.supervisor.apply(&desired.known_roles());
    }

    fn show(&self, memory: &Memory, coordinator: &CoordinatorAddress) {
        let health = self.supervisor.health();
        let clock_skew = self.verifier.saw_wrong_date().then(|| {
            let message = "by this machine's clock the coordinator's certificate is not valid; it is trusted by its key";
            Problem::from(&Failure::new(Code::TrustCertificateDate, message))
        });
        let notices = memory.notices.iter().cloned().map(Problem::from);
        self.board.update(|status| {
            status.coordinator = Some(coordinator.clone());
            status.roles = health;
            status.desired_revision = memory.desired.revision;
            status.maintenance = memory.desired.maintenance;
            status.host_ip = Some(memory.facts.host_ip);
            status.warnings = clock_skew.into_iter().chain(notices).collect();
        });
    }

    async fn gather(&self) -> Result<Facts, Failure> {
        let fallback = HostIp(self.identity.host_ip);
        let host_ip = match self.towards().await {
            Some(towards) => {
                HostIp::choose(&self.identity.settings, &*self.machine, towards).unwrap_or(fallback)
            }
            None => fallback,
        };
        gather_facts(&self.identity.settings, &*self.machine, host_ip).map_err(|error| {
            Failure::new(Code::Internal, format!("this machine cannot be read: {error}"))
        })
    }

    /// Where packets to the coordinator go, if that matters and can be known.
    async fn towards(&self) -> Option<SocketAddr> {
        if let Some(address) = self.identity.settings.host_ip {
            return Some(SocketAddr::new(address, 0));
        }
        resolve(self.coordinators.first()?.address()).await.ok()
    }
}

/// Does `work`, and looks after the roles meanwhile.
async fn tending<T>(
    supervisor: &mut Supervisor,
    board: &StatusBoard,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = sleep_until(supervisor.next_look()) => {
                supervisor.look();
                board.set_roles(supervisor.health());
            }
        }
    }
}

#[cfg(test)]
mod tests;
