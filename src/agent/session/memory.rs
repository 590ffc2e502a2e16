use std::time::Duration;

use tokio::time::Instant;

use crate::{
    agent::{return_window::ReturnWindow, unknown::UnknownTo},
    client::CoordinatorClient,
    model::Failure,
    rt::{Backoff, Patient},
    wire::{
        desired::DesiredState,
        hosts::{Facts, HOLD_BEFORE_TOLD_MS, Notice},
    },
};

/// The hold that is assumed before a coordinator has said.
pub(super) const ASSUMED_HOLD: Duration = Duration::from_millis(HOLD_BEFORE_TOLD_MS);

pub(super) const FIRST_RETRY: Duration = Duration::from_millis(100);
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// What a session remembers from one poll to the next.
pub(super) struct Memory {
    pub coordinators: Vec<Box<dyn CoordinatorClient>>,
    pub desired: DesiredState,
    pub facts: Facts,
    pub facts_read: Instant,
    /// Why the facts are not all of today.
    pub unread: Option<Failure>,
    pub send_facts: bool,
    pub hold: Duration,
    pub return_window: ReturnWindow,
    pub backoff: Backoff,
    pub current: usize,
    pub unknown_to: UnknownTo,
    pub notices: Vec<Notice>,
    /// This machine's clock minus the coordinator's, as the last reply had it.
    pub clock_ahead_ms: Option<i64>,
    /// When the list of coordinators was written last, and whether it has changed since.
    pub saved: Option<Instant>,
    pub unsaved: bool,
    /// Where all this is kept.
    pub disk: Patient,
    /// The desired state is on it.
    pub kept: bool,
}

impl Memory {
    /// Of a session that begins with these facts, or with why they are not all of today.
    pub fn new(
        coordinators: Vec<Box<dyn CoordinatorClient>>,
        desired: DesiredState,
        (facts, unread): (Facts, Option<Failure>),
    ) -> Self {
        Self {
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
        }
    }
}
