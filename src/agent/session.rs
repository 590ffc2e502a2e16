use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    desired::save_desired,
    facts::{FactsReader, HostIp},
    identity::{Identity, save_identity},
    return_window::ReturnWindow,
    status::{AgentState, Problem, StatusBoard},
    supervisor::Supervisor,
    unknown::UnknownTo,
};
use crate::{
    client::{ClientError, CoordinatorClient, resolve},
    config::StateDir,
    host::SharedMachine,
    model::{Code, CoordinatorAddress, Failure, Role, RunnerId, SessionId},
    preflight::clock_skew,
    rt::{Backoff, Clock, Patient, Shutdown, random_fraction},
    tls::PinVerifier,
    wire::{
        desired::DesiredState,
        hosts::{
            Facts, HOLD_BEFORE_TOLD_MS, KnownCoordinator, Notice, PROTOCOL, RoleHealth,
            SessionReply, SessionRequest,
        },
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
const FINAL: [Code; 2] = [Code::HostRemoved, Code::HostCloned];

/// How often the machine is looked at for changes.
const FACTS_INTERVAL: Duration = Duration::from_secs(30);

/// More coordinators than any cluster has.
const MOST_COORDINATORS: usize = 64;

/// The least time between two writings of the list of coordinators.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

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

/// What a session remembers from one poll to the next.
struct Memory {
    coordinators: Vec<Box<dyn CoordinatorClient>>,
    desired: DesiredState,
    facts: Facts,
    facts_read: Instant,
    /// Why the facts are not all of today.
    unread: Option<Failure>,
    send_facts: bool,
    hold: Duration,
    return_window: ReturnWindow,
    backoff: Backoff,
    current: usize,
    unknown_to: UnknownTo,
    notices: Vec<Notice>,
    /// This machine's clock minus the coordinator's, as the last reply had it.
    clock_ahead_ms: Option<i64>,
    /// When the list of coordinators was written last, and whether it has changed since.
    saved: Option<Instant>,
    unsaved: bool,
    /// Where all this is kept.
    disk: Patient,
    /// The desired state is on it.
    kept: bool,
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
                let (facts, unread) = self.read_facts(&mut reader).await;
                let memory = Memory {
                    coordinators,
                    desired,
                    facts,
                    facts_read: Instant::now(),
                    unread,
                    send_facts: false,
                    hold: ASSUMED_HOLD,
                    return_window: ReturnWindow::default(),
                    backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY),
                    current: 0,
                    unknown_to: UnknownTo::default(),
                    notices: Vec::new(),
                    clock_ahead_ms: None,
                    saved: None,
                    unsaved: false,
                    disk: Patient::default(),
                    kept: true,
                };
                (memory, reader)
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

    /// Turns to the coordinators that there are now from the next poll on.
    fn learn(&mut self, memory: &mut Memory, known: Vec<KnownCoordinator>) {
        self.identity.known = known;
        self.verifier.set_known_keys(self.identity.known.iter().map(|known| known.key));
        let current = memory.coordinators.swap_remove(memory.current);
        let mut others = self.identity.coordinators();
        others.retain(|address| address != current.address());
        memory.coordinators = vec![current];
        memory.coordinators.extend(others.into_iter().map(&self.dial));
        memory.current = 0;
        memory.unsaved = true;
    }

    async fn save_learned(&self, memory: &mut Memory) {
        memory.saved = Some(Instant::now());
        let (state, identity) = (self.state.clone(), self.identity.clone());
        let saved = memory.disk.aside(move || save_identity(&state, &identity)).await;
        // One that takes its time is asked again.
        memory.unsaved = saved.is_none();
        if let Some(Err(error)) = saved {
            tracing::warn!(%error, "the list of coordinators was not kept: {error}");
        }
    }

    /// What is not on the disk is tried again with each reply; that it is not, is said once.
    async fn keep_desired(&self, memory: &mut Memory) {
        let kept = save_desired(&mut memory.disk, &self.state, &memory.desired).await;
        if let Err(error) = &kept
            && memory.kept
        {
            tracing::warn!(%error, "the desired state was not kept: {error}");
        }
        memory.kept = kept.is_ok();
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

    async fn refused(
        &mut self,
        memory: &mut Memory,
        coordinator: &CoordinatorAddress,
        failure: &Failure,
    ) -> Duration {
        // Whoever refuses may be the coordinator that runs here, and nobody else could take it back.
        memory.desired = DesiredState::of(&memory.desired.known_roles().that_keep_the_cluster());
        self.apply(&memory.desired).await;
        self.keep_desired(memory).await;
        memory.notices.clear();
        self.show(memory, coordinator);
        self.board.set_state(AgentState::Refused, Some(failure), self.clock.now());
        RETRY_AFTER_REFUSAL
    }

    /// The key is another host's, whose place this one does not take.
    async fn stand_back(&mut self, memory: &mut Memory, other: &RunnerId) -> Duration {
        let goodbye = self.request(memory, true);
        let coordinator = &memory.coordinators[memory.current];
        let address = coordinator.address().clone();
        // If nobody hears it, the coordinator notices the silence.
        let _ = coordinator.poll(&goodbye, GOODBYE_TIMEOUT).await;
        let message = format!(
            "the key in {} is that of the host {other}, and this is {}",
            self.state.key().display(),
            self.identity.runner_id
        );
        let failure = Failure::new(Code::IdentityOfAnother, message);
        tracing::warn!(coordinator = %address, code = failure.code(), "{}", failure.message);
        self.refused(memory, &address, &failure).await
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
