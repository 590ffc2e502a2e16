use std::{sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::AbortHandle,
    time::Instant,
};

use super::{
    event::{Event, StepEvent},
    output::Output,
};
use crate::{
    agent::{Progress, Step},
    model::Failure,
};

/// As shells say it of what SIGINT has ended.
const INTERRUPTED: i32 = 130;

/// Tells how an installation goes: a spinner on a terminal, plain lines elsewhere, events with
/// `--json`.
pub struct Reporter {
    output: Output,
    bar: Option<ProgressBar>,
    started: Mutex<Instant>,
    /// Clears the terminal when the work is interrupted.
    interrupt: Option<AbortHandle>,
    /// When it stops to wait.
    deadline: Instant,
    /// The code of what is being waited for, as it was told last.
    told: Mutex<Option<String>>,
    /// What was warned of, and how often.
    warned: Mutex<Vec<(Failure, usize)>>,
}

impl Reporter {
    /// For work that ends before `deadline`.
    pub fn new(output: Output, deadline: Instant) -> Self {
        let bar = output.is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let left = move |_: &ProgressState, to: &mut dyn std::fmt::Write| {
                // A line that cannot be shown is not worth a panic.
                let _ = write!(to, "{}", seconds_until(deadline));
            };
            let style = ProgressStyle::with_template("{spinner} {msg} (for {left} s at most)");
            let style = style.expect("the template is one").with_key("left", left);
            bar.set_style(style);
            bar.set_message("Looking at what is installed");
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let interrupt = bar.clone().map(|bar| tokio::spawn(clear_when_interrupted(bar, output)));
        let interrupt = interrupt.map(|task| task.abort_handle());
        let (started, told) = (Mutex::new(Instant::now()), Mutex::default());
        Self { output, bar, started, interrupt, deadline, told, warned: Mutex::default() }
    }

    /// Nothing more to tell.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(interrupt) = &self.interrupt {
            interrupt.abort();
        }
        for (failure, times) in self.warned.lock().expect("no panic while held").drain(..) {
            if times > 1 {
                let code = failure.code();
                self.output.note(&format!("the warning [{code}] came {times} times"));
            }
        }
    }

    /// Says what is waited for, and for how long at most.
    pub fn waiting_for(&self, reason: &Failure, left: Duration) {
        self.aside(|| self.output.waiting(reason, Some(left.as_secs())));
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
            self.output.tell(&Event::Step(StepEvent::Started { step }));
        } else if let Some(bar) = &self.bar {
            bar.set_message(step.doing());
        }
    }

    fn finished(&self, step: Step, result: &str) {
        let took = self.started.lock().expect("no panic while held").elapsed();
        let ms = took.as_millis() as u64;
        if self.output.is_json() {
            let result = result.to_owned();
            self.output.tell(&Event::Step(StepEvent::Finished { step, result, ms: Some(ms) }));
        } else {
            let name = step.name();
            self.aside(|| self.output.note(&format!("{name:<10} {ms:>6} ms  {result}")));
        }
    }

    fn warning(&self, failure: &Failure) {
        let mut warned = self.warned.lock().expect("no panic while held");
        if let Some((_, times)) = warned.iter_mut().find(|(known, _)| known == failure) {
            *times += 1;
            return;
        }
        warned.push((failure.clone(), 1));
        self.aside(|| self.output.warning(failure));
    }

    fn waiting(&self, reason: &Failure) {
        let mut told = self.told.lock().expect("no panic while held");
        if told.as_deref() != Some(reason.code()) {
            *told = Some(reason.code().to_owned());
            self.aside(|| self.output.waiting(reason, Some(seconds_until(self.deadline))));
        }
    }
}

async fn clear_when_interrupted(bar: ProgressBar, output: Output) {
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return };
    if interrupt.recv().await.is_some() {
        bar.finish_and_clear();
        output.note("interrupted; the same command goes on from here");
        std::process::exit(INTERRUPTED);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.end();
    }
}

fn seconds_until(deadline: Instant) -> u64 {
    deadline.saturating_duration_since(Instant::now()).as_secs()
}

/// Tells of an installation in events, also where somebody watches.
pub struct EventReporter(pub Output);

impl Progress for EventReporter {
    fn started(&self, step: Step) {
        self.0.tell(&Event::Step(StepEvent::Started { step }));
    }

    fn finished(&self, step: Step, result: &str) {
        let result = result.to_owned();
        self.0.tell(&Event::Step(StepEvent::Finished { step, result, ms: None }));
    }

    fn warning(&self, failure: &Failure) {
        self.0.warning(failure);
    }

    fn waiting(&self, reason: &Failure) {
        self.0.waiting(reason, None);
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

#[cfg(test)]
mod tests {
    use super::{super::output::Style, *};
    use crate::model::Code;

    #[test]
    fn a_warning_that_comes_again_is_counted_and_told_once() {
        let reporter = Reporter::new(Output { style: Style::Text }, Instant::now());
        let warning = |text: &str| reporter.warning(&Failure::new(Code::PreflightSwap, text));
        ["one", "other", "one", "one"].into_iter().for_each(warning);
        let told: Vec<usize> =
            reporter.warned.lock().expect("no panic").iter().map(|(_, times)| *times).collect();
        assert_eq!(told, [3, 1]);
    }
}
