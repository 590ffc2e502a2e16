use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::output::Output;
use crate::{
    agent::{Progress, Step},
    model::Failure,
};

/// Tells how an installation goes: a spinner on a terminal, plain lines elsewhere, events with
/// `--json`.
pub struct Reporter {
    output: Output,
    bar: Option<ProgressBar>,
    started: Mutex<Instant>,
    /// The code of what is being waited for, as it was told last.
    told: Mutex<Option<String>>,
}

impl Reporter {
    pub fn new(output: Output) -> Self {
        let bar = output.is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::default_spinner());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { output, bar, started: Mutex::new(Instant::now()), told: Mutex::default() }
    }

    /// Nothing more to tell.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Progress for Reporter {
    fn started(&self, step: Step) {
        *self.started.lock().expect("no panic while held") = Instant::now();
        if self.output.is_json() {
            self.output.event("step", json!({ "step": step.name(), "state": "started" }));
        } else if let Some(bar) = &self.bar {
            bar.set_message(step.doing());
        }
    }

    fn finished(&self, step: Step, result: &str) {
        let took = self.started.lock().expect("no panic while held").elapsed();
        let ms = took.as_millis() as u64;
        if self.output.is_json() {
            let event =
                json!({ "step": step.name(), "state": "finished", "ms": ms, "result": result });
            self.output.event("step", event);
        } else {
            let name = step.name();
            self.aside(|| self.output.note(&format!("{name:<10} {ms:>6} ms  {result}")));
        }
    }

    fn warning(&self, failure: &Failure) {
        self.aside(|| self.output.warning(failure));
    }

    fn waiting(&self, reason: &Failure) {
        let mut told = self.told.lock().expect("no panic while held");
        if told.as_deref() != Some(reason.code()) {
            *told = Some(reason.code().to_owned());
            self.aside(|| self.output.waiting(reason));
        }
    }
}

/// Tells of an installation in events, also where somebody watches.
pub struct EventReporter(pub Output);

impl Progress for EventReporter {
    fn started(&self, step: Step) {
        self.0.event("step", json!({ "step": step.name(), "state": "started" }));
    }

    fn finished(&self, step: Step, result: &str) {
        let event = json!({ "step": step.name(), "state": "finished", "result": result });
        self.0.event("step", event);
    }

    fn warning(&self, failure: &Failure) {
        self.0.warning(failure);
    }

    fn waiting(&self, reason: &Failure) {
        self.0.waiting(reason);
    }
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _step: Step) {}
    fn finished(&self, _step: Step, _result: &str) {}
    fn warning(&self, _failure: &Failure) {}
    fn waiting(&self, _reason: &Failure) {}
}
