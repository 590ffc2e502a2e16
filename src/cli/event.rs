//! What is told with `--json` of work that is under way, a line each. A child of root tells root
//! in the same way.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    agent::Step,
    model::{Failure, RoleSet, RunnerId, printable::cut},
};

/// Characters of a line that are quoted.
const LONGEST_QUOTED: usize = 120;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Step(StepEvent),
    Warning(ToldFailure),
    Waiting {
        #[serde(flatten)]
        reason: ToldFailure,
        /// Absent where nobody has said for how long.
        #[serde(default)]
        seconds_left: Option<u64>,
    },
    Failed(ToldFailure),
    /// A child of root has made the host a member.
    Member {
        secrets_file: Option<PathBuf>,
        already: bool,
    },
    /// A child of root has ended the membership.
    Left,
    /// What a host that is to become another would be again.
    Former {
        roles: RoleSet,
        runner_id: Option<RunnerId>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StepEvent {
    Started {
        step: Step,
    },
    Finished {
        step: Step,
        result: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ms: Option<u64>,
    },
}

/// A failure as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldFailure {
    code: String,
    message: String,
    #[serde(default)]
    fix: String,
    #[serde(default)]
    exit: u8,
}

impl From<&Failure> for ToldFailure {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code().to_owned(),
            message: failure.message.clone(),
            fix: failure.fix.to_string(),
            exit: failure.exit() as u8,
        }
    }
}

impl ToldFailure {
    /// For whoever trusts the one who tells it less than itself.
    pub fn untrusted(&self) -> Failure {
        Failure::from_untrusted(&self.code, &self.message)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it says what is no event: {0:?}")]
pub struct NoEvent(String);

impl Event {
    pub fn read(line: &str) -> Result<Self, NoEvent> {
        serde_json::from_str(line).map_err(|_| NoEvent(cut(line, LONGEST_QUOTED)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Code, Role};

    #[test]
    fn an_event_is_read_as_it_was_told() {
        let failure = ToldFailure::from(&Failure::new(Code::StateInUse, "it is"));
        let told = json!({
            "code": "state.in_use", "message": "it is", "fix": failure.fix, "exit": failure.exit,
        });
        let with = |mut fields: Value, more: Value| {
            let more = more.as_object().expect("fields").clone();
            fields.as_object_mut().expect("fields").extend(more);
            fields
        };
        let started = StepEvent::Started { step: Step::Directories };
        let finished = StepEvent::Finished { step: Step::Key, result: "made".into(), ms: None };
        for (event, line) in [
            (Event::Step(started), json!({ "event": "step", "state": "started", "step": "files" })),
            (
                Event::Step(finished),
                json!({ "event": "step", "state": "finished", "step": "key", "result": "made" }),
            ),
            (Event::Warning(failure.clone()), with(json!({ "event": "warning" }), told.clone())),
            (
                Event::Waiting { reason: failure.clone(), seconds_left: None },
                with(json!({ "event": "waiting", "seconds_left": null }), told.clone()),
            ),
            (Event::Failed(failure), with(json!({ "event": "failed" }), told)),
            (
                Event::Member { secrets_file: None, already: true },
                json!({ "event": "member", "secrets_file": null, "already": true }),
            ),
            (Event::Left, json!({ "event": "left" })),
            (
                Event::Former {
                    roles: [Role::Allocator].into_iter().collect(),
                    runner_id: "rack-7".parse().ok(),
                },
                json!({ "event": "former", "roles": ["allocator"], "runner_id": "rack-7" }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&event).expect("plain data"), line);
            assert_eq!(
                Event::read(&with(line, json!({ "newer": 1 })).to_string()).ok(),
                Some(event)
            );
        }
    }

    #[test]
    fn a_line_that_is_no_event_is_an_error() {
        for line in [
            "",
            "thread 'main' panicked",
            "{}",
            r#"{"event":"dance"}"#,
            r#"{"event":"step","state":"started","step":"dance"}"#,
            r#"{"event":"failed","message":"without a code"}"#,
            r#"{"event":"member","secrets_file":1,"already":"yes"}"#,
            r#"{"event":"former","roles":[],"runner_id":"a/b"}"#,
        ] {
            let error = Event::read(line).expect_err(line).to_string();
            assert!(error.starts_with("it says what is no event: "), "{error}");
        }
        let long = Event::read(&"x".repeat(1 << 20)).expect_err("no event").to_string();
        assert!(long.len() < 200, "{}", long.len());
    }
}
