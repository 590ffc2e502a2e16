use std::{path::PathBuf, time::Duration};

use super::{
    CheckOptions, FirstHostOptions, GivenToken, HostSettings, InstallArguments, InstallOptions,
    JoinOptions, JoinRoute, Membership, Mistake, Purpose, StateDir, StayOptions, flags::FlagValue,
    mistake::Checker, read_token,
};
use crate::{
    model::{Code, CoordinatorAddress, Fingerprint, Role, RoleSet, RunnerId, Secret},
    rt::files,
    tls::fingerprint_of_pem,
    wire::hosts::SecretText,
};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
const MAX_CA_FILE: u64 = 1 << 20;

impl InstallArguments {
    /// What was given, checked; or everything that is wrong with it. What only a host needs that
    /// is to become a member is not missing where it is one.
    pub fn build(
        self,
        default_state_dir: PathBuf,
        membership: Membership,
    ) -> Result<InstallOptions, Vec<Mistake>> {
        let mut check = Checker::default();
        let settings = self.settings(&mut check);
        let runner_id = check.parse("--runner-id", self.runner_id.as_deref());
        if membership == Membership::None {
            check_spelling(&mut check, runner_id.as_ref());
        }
        let timeout = self.checked_timeout(&mut check);
        let wait_for_coordinator =
            seconds(&mut check, "--wait-for-coordinator", self.wait_for_coordinator.as_deref());
        let skip = self.skipped(&mut check);
        let purpose = self.purpose(membership, &mut check);
        match purpose {
            Some(purpose) if check.0.is_empty() => Ok(InstallOptions {
                purpose,
                given: self.given(&settings),
                settings,
                roles_given: self.roles.is_some(),
                runner_id,
                state_dir: StateDir::new(self.state_dir.unwrap_or(default_state_dir)),
                foreground: self.foreground,
                timeout,
                wait_for_coordinator,
                no_wait: self.no_wait,
                dry_run: self.dry_run,
                force: self.force,
                skip,
                replace: self.replace,
                new_identity: self.new_identity,
                show_secrets: self.show_secrets,
                without_effect: self.without_effect.flags_given(""),
                from_file: self.from_file,
            }),
            _ => Err(self.from_file.place(check.0)),
        }
    }

    /// What `check` is to look at; a token is not needed, and tells more if it is there.
    pub fn build_check(self, default_state_dir: PathBuf) -> Result<CheckOptions, Vec<Mistake>> {
        let mut check = Checker::default();
        let settings = self.settings(&mut check);
        let roles: Option<RoleSet> = check.parse("--roles", self.roles.as_deref());
        let (coordinators, pins) = (self.coordinators(&mut check), self.pins(&mut check));
        let token = self.token(&mut check).flatten();
        let claims = token.as_ref().and_then(|token| match token.says() {
            Ok(token) => Some(token.claims()),
            Err(error) => {
                check.note_as(Code::TokenMalformed, "--roles-token", error.to_string());
                None
            }
        });
        let route = JoinRoute::choose(coordinators, pins, claims);
        let is_first = route.coordinators.is_empty() && token.is_none();
        let skip = self.skipped(&mut check);
        match check.0.is_empty() {
            true => Ok(CheckOptions {
                settings,
                roles: roles.unwrap_or_else(|| match is_first {
                    true => RoleSet::all(),
                    false => RoleSet::default(),
                }),
                route,
                token: token.and_then(|token| token.says().ok().cloned()),
                state_dir: StateDir::new(self.state_dir.unwrap_or(default_state_dir)),
                relaxed: self.foreground || self.force,
                skip,
            }),
            false => Err(self.from_file.place(check.0)),
        }
    }

    fn coordinators(&self, check: &mut Checker) -> Vec<CoordinatorAddress> {
        let hosts = self.coordinator_host.iter();
        hosts.filter_map(|host| check.parse("--coordinator-host", Some(host))).collect()
    }

    fn skipped(&self, check: &mut Checker) -> Vec<Code> {
        let mut skip = Vec::new();
        for name in &self.skip {
            match Code::from_name(name.trim()) {
                Some(code) => skip.push(code),
                None => check.note("--skip", format!("{name:?} is not the code of a check")),
            }
        }
        skip
    }

    pub(super) fn settings(&self, check: &mut Checker) -> HostSettings {
        self.settings.read(check)
    }

    /// Where data, logs and secrets go.
    pub fn storage_path(&self) -> PathBuf {
        self.settings(&mut Checker::default()).storage_path
    }

    fn checked_timeout(&self, check: &mut Checker) -> Duration {
        let seconds = check.parse::<f64>("--timeout", self.timeout.as_deref());
        let factor = check.parse::<f64>("--timeout-factor", self.timeout_factor.as_deref());
        let seconds = seconds.unwrap_or(DEFAULT_TIMEOUT.as_secs_f64()) * factor.unwrap_or(1.0);
        match Duration::try_from_secs_f64(seconds) {
            Ok(timeout) if !timeout.is_zero() && timeout <= LONGEST_TIMEOUT => timeout,
            _ => {
                check.note("--timeout", "it is more than 0 and at most 86400 seconds");
                DEFAULT_TIMEOUT
            }
        }
    }

    fn purpose(&self, membership: Membership, check: &mut Checker) -> Option<Purpose> {
        let roles: Option<RoleSet> = check.parse("--roles", self.roles.as_deref());
        let coordinators = self.coordinators(check);
        let token = self.token(check)?;
        let pins = self.pins(check);
        match token {
            Some(token) => Some(Purpose::Join(JoinOptions {
                coordinators,
                token,
                roles: roles.unwrap_or_default(),
                pins,
            })),
            // It never becomes the first host of a cluster of its own.
            None if membership == Membership::Former => {
                check.note_as(
                    Code::TokenMissing,
                    "--roles-token",
                    "this host had joined a cluster, which has to let it in again; add --roles-token-file FILE (to begin anew run 'ece-agent uninstall' first)",
                );
                None
            }
            None if membership != Membership::None => Some(Purpose::Stay(StayOptions {
                first_host: membership == Membership::FirstHost,
                coordinators,
                roles: roles.unwrap_or_default(),
                pins,
            })),
            None if !self.coordinator_host.is_empty() => {
                check.note_as(
                    Code::TokenMissing,
                    "--roles-token",
                    "a coordinator is named, but no roles token is given; add --roles-token-file FILE",
                );
                None
            }
            None => {
                let roles = roles.unwrap_or_else(RoleSet::all);
                if !roles.contains(Role::Coordinator) {
                    check.note_as(
                        Code::InstallCoordinatorRequired,
                        "--roles",
                        "the first host needs the role coordinator; to join a cluster give --coordinator-host and a roles token",
                    );
                }
                Some(Purpose::FirstHost(FirstHostOptions { roles, plan_key: None }))
            }
        }
    }

    /// The outer `None` is a token that cannot be read.
    fn token(&self, check: &mut Checker) -> Option<Option<GivenToken>> {
        let given = |text: Secret| Some(Some(SecretText(text).into()));
        match (&self.roles_token, &self.roles_token_file) {
            (Some(text), _) => given(Secret::new(text.trim())),
            (None, None) => Some(None),
            (None, Some(file)) => match read_token(file) {
                Ok(text) => given(text),
                Err(error) => {
                    check.note_as(Code::TokenUnreadable, "--roles-token-file", error.to_string());
                    None
                }
            },
        }
    }

    fn pins(&self, check: &mut Checker) -> Vec<Fingerprint> {
        let mut pins: Vec<Fingerprint> = self
            .ca_fingerprint
            .iter()
            .filter_map(|text| check.parse("--ca-fingerprint", Some(text)))
            .collect();
        if let Some(file) = &self.ca_cert {
            let pin = match files::read_limited(file, MAX_CA_FILE) {
                Ok(Some(pem)) => {
                    fingerprint_of_pem(&pem).map_err(|_| "it holds no certificate".to_owned())
                }
                Ok(None) => Err("it is not there".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            match pin {
                Ok(pin) => pins.push(pin),
                Err(reason) => {
                    let message = format!("{}: {reason}", file.display());
                    check.note_as(Code::TrustCaUnreadable, "--ca-cert", message);
                }
            }
        }
        pins
    }
}

fn check_spelling(check: &mut Checker, runner_id: Option<&RunnerId>) {
    let Some(runner_id) = runner_id else { return };
    if let Some(address) = runner_id.other_spelling() {
        let message = format!("{runner_id} is not how the address {address} is spelt");
        check.note_as(Code::JoinRunnerIdAddress, "--runner-id", message);
    }
}

/// A number of seconds, none if it was not given.
fn seconds(check: &mut Checker, flag: &'static str, text: Option<&str>) -> Duration {
    let seconds = check.parse::<f64>(flag, text).unwrap_or_default();
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration <= LONGEST_TIMEOUT => duration,
        _ => {
            check.note(flag, "it is at least 0 and at most 86400 seconds");
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::SettingArguments;

    fn build(arguments: InstallArguments) -> Result<InstallOptions, Vec<Mistake>> {
        arguments.build("/state".into(), Membership::None)
    }

    fn joining() -> InstallArguments {
        InstallArguments {
            coordinator_host: vec!["10.0.0.1".into()],
            roles_token: Some("T".into()),
            ..Default::default()
        }
    }

    #[test]
    fn without_coordinator_and_token_it_is_the_first_host_with_all_roles() {
        let options = build(InstallArguments::default()).expect("valid");
        let Purpose::FirstHost(first) = options.purpose else { panic!("not the first host") };
        assert_eq!(first.roles, RoleSet::all());
        assert_eq!(options.settings.zone.as_str(), "ece-zone-1");
        assert_eq!(options.settings.storage_path, Path::new("/mnt/data/elastic"));
    }

    #[test]
    fn a_joining_host_asks_for_no_roles_unless_told_to() {
        let options = build(joining()).expect("valid");
        let Purpose::Join(join) = options.purpose else { panic!("does not join") };
        assert!(join.roles.is_empty());
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let mistakes = build(InstallArguments {
            roles: Some("alocator".into()),
            settings: SettingArguments {
                capacity: Some("8000".into()),
                host_ip: Some("here".into()),
                ..Default::default()
            },
            runner_id: Some("a/b".into()),
            timeout: Some("never".into()),
            ca_fingerprint: vec!["abc".into()],
            ..joining()
        })
        .expect_err("mistakes");
        let mut flags: Vec<&str> = mistakes.iter().map(|mistake| mistake.flag).collect();
        flags.sort_unstable();
        let expected =
            ["--ca-fingerprint", "--capacity", "--host-ip", "--roles", "--runner-id", "--timeout"];
        assert_eq!(flags, expected);
    }

    #[test]
    fn an_address_in_another_spelling_is_no_runner_id() {
        let named = || InstallArguments { runner_id: Some("127.000.0.3".into()), ..joining() };
        let mistakes = build(named()).expect_err("a mistake");
        assert_eq!(mistakes[0].code, Code::JoinRunnerIdAddress);
        assert!(mistakes[0].message.contains("127.0.0.3"), "{}", mistakes[0]);
        named().build("/state".into(), Membership::Joined).expect("a member keeps its name");
    }

    #[test]
    fn a_coordinator_without_a_token_is_a_mistake() {
        let mistakes =
            build(InstallArguments { roles_token: None, ..joining() }).expect_err("no token");
        assert_eq!(mistakes[0].flag, "--roles-token");
    }

    #[test]
    fn what_lacks_to_a_newcomer_is_not_missing_on_a_member() {
        let named = || InstallArguments { roles_token: None, ..joining() };
        let proxy = || InstallArguments { roles: Some("proxy".into()), ..Default::default() };
        for given in [named(), proxy()] {
            build(given.clone()).expect_err("a newcomer");
            let options = given.build("/state".into(), Membership::Joined).expect("a member");
            assert!(
                matches!(options.purpose, Purpose::Stay(_)) && !options.purpose.is_first_host()
            );
        }
        let named = named().build("/state".into(), Membership::FirstHost).expect("a member");
        assert_eq!(named.purpose.coordinators()[0].host(), "10.0.0.1");
        let pin = format!("sha256:{}", "a".repeat(64));
        let pinned = |hosts: &[&str]| InstallArguments {
            coordinator_host: hosts.iter().map(ToString::to_string).collect(),
            ca_fingerprint: vec![pin.clone()],
            ..Default::default()
        };
        let route = |given: InstallArguments, membership| {
            given.build("/state".into(), membership).expect("a member").purpose.route_of_member()
        };
        assert_eq!(route(pinned(&["10.0.0.1"]), Membership::Joined).expect("both").pins.len(), 1);
        assert_eq!(route(pinned(&[]), Membership::Joined), None);
        assert_eq!(route(pinned(&["10.0.0.1"]), Membership::FirstHost), None);
        let mistakes = InstallArguments { roles: Some("alocator".into()), ..Default::default() }
            .build("/state".into(), Membership::Joined)
            .expect_err("no role");
        assert_eq!(mistakes[0].flag, "--roles");
    }

    #[test]
    fn options_do_not_show_the_token() {
        let options = build(InstallArguments { roles_token: Some("canary".into()), ..joining() });
        assert!(!format!("{options:?}").contains("canary"));
    }
}
