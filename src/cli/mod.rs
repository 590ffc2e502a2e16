//! The command line: one file a verb.

mod access;
mod answering;
mod apikey;
mod audit;
mod background;
mod backup;
mod beginnings;
mod bootstrap_log;
mod ca;
mod check;
mod completions;
mod daemon_socket;
mod duration;
mod event;
mod explain;
mod handed_out;
mod host;
mod install;
mod known_host;
mod layout;
mod leave;
mod logging;
mod login;
mod logs;
mod output;
mod progress;
mod reset_password;
mod run;
mod secrets_file;
mod service_child;
mod service_layout;
mod shell;
mod signals;
mod start;
mod state_argument;
mod status;
mod stop;
mod storage;
mod token;
mod uninstall;
mod upgrade;
mod usage;
mod user;
mod version;
mod wait;

use std::{env, ffi::OsString, fs::File, io, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    config::InstallArguments,
    host::{
        process::{become_user, forbid_dumps},
        tree::Owner,
        view::StorageView,
    },
    model::{Code, Exit, Failure, StorageLayout},
    rt::reexec::{Place, hide, keep_from_children},
};
pub use completions::completion_script;
use output::Output;
use shell::shell_word;
use state_argument::{StateDirArgument, own_state_dir, state_dir_flag};

/// Where a host that is a service has its settings.
const CONFIG_FILE: &str = "/etc/ece-agent/config.toml";

/// Turns a machine into a member of a cluster: installer, daemon and coordinator
#[derive(Parser)]
#[command(name = "ece-agent", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Set up the first host of a cluster, or join one
    #[command(after_help = "Examples:
  ece-agent install                                    set up the first host
  ece-agent install --coordinator-host 192.168.40.73 \\
      --roles-token-file token.txt --roles allocator   join its cluster")]
    Install(Box<InstallArguments>),
    /// Look whether this machine can be what it is asked to be, and change nothing
    #[command(after_help = "Examples:
  ece-agent check --roles allocator
  ece-agent check --coordinator-host 192.168.40.73 --roles-token-file token.txt --json
  ece-agent check --skip preflight.swap,preflight.disk")]
    Check(Box<InstallArguments>),
    /// Leave the cluster and remove what install has made
    #[command(after_help = "Example:
  ece-agent uninstall")]
    Uninstall(uninstall::UninstallArguments),
    /// Put another version of ece-agent in the place of the installed one
    #[command(after_help = "Example:
  ./ece-agent-0.2.0 upgrade")]
    Upgrade(upgrade::UpgradeArguments),
    /// Give a user of the API a new password, on the first host
    #[command(after_help = "Example:
  ece-agent reset-password --user readonly")]
    ResetPassword(reset_password::ResetPasswordArguments),
    /// Copy what the cluster cannot be without, on its first host, whose daemon stops meanwhile
    #[command(after_help = "Example:
  ece-agent backup /root/backup-1")]
    Backup(backup::BackupArguments),
    /// Put a backup back, on the first host or on one that takes its place
    #[command(after_help = "Example:
  ece-agent restore /root/backup-1")]
    Restore(backup::RestoreArguments),
    #[command(name = install::MEMBER_VERB, hide = true)]
    BecomeMember {
        #[command(flatten)]
        user: UserArguments,
        #[arg(long)]
        json: bool,
    },
    #[command(name = check::PROBE_VERB, hide = true)]
    ProbeStorage(check::ProbeArguments),
    #[command(name = leave::LEAVE_VERB, hide = true)]
    LeaveCluster(service_child::HostChildArguments),
    #[command(name = install::FORMER_VERB, hide = true)]
    TellFormer(service_child::HostChildArguments),
    /// Run the daemon of an installed host in this process
    #[command(after_help = "Example:
  ece-agent run --state-dir /var/lib/ece-agent")]
    Run(run::RunArguments),
    /// Say what the daemon on this host knows
    #[command(after_help = "Example:
  ece-agent status --wait --timeout 30")]
    Status(status::StatusArguments),
    /// Start the daemon on this host, which was stopped
    #[command(after_help = "Example:
  ece-agent start")]
    Start(start::StartArguments),
    /// Stop the daemon on this host
    #[command(after_help = "Example:
  ece-agent stop")]
    Stop(stop::StopArguments),
    /// Show the log of the daemon on this host
    #[command(after_help = "Example:
  ece-agent logs --follow")]
    Logs(logs::LogsArguments),
    /// Write a profile, with an API key in the place of the password, for the verbs below
    #[command(after_help = "Examples:
  ece-agent login 192.168.40.73
  ece-agent login 192.168.40.73 --ca-fingerprint sha256:… --password-file password.txt")]
    Login(login::LoginArguments),
    /// Delete the API key of the profile, there and here
    #[command(after_help = "Example:
  ece-agent logout")]
    Logout(login::LogoutArguments),
    /// Say who asks which cluster, and what says so
    #[command(after_help = "Example:
  ece-agent whoami")]
    Whoami(login::WhoamiArguments),
    /// Make, list and delete one's own API keys
    #[command(name = "apikey", subcommand)]
    ApiKey(Box<apikey::ApiKeyVerb>),
    /// See, make and change the users of the API
    #[command(subcommand)]
    User(Box<user::UserVerb>),
    /// Make, list, revoke and explain roles tokens
    #[command(subcommand)]
    Token(Box<token::TokenVerb>),
    /// See and change the hosts of the cluster, by way of the API
    #[command(subcommand)]
    Host(Box<host::HostVerb>),
    /// See what was changed, by whom
    #[command(subcommand)]
    Audit(Box<audit::AuditVerb>),
    /// Show what a host needs to trust the coordinators of this cluster
    #[command(subcommand)]
    Ca(ca::CaVerb),
    /// Say what an error code means and what to do about it
    #[command(after_help = "Example:
  ece-agent explain token.expired")]
    Explain(explain::ExplainArguments),
    /// Print what makes a shell complete the verbs and flags of ece-agent
    #[command(after_help = "Example:
  ece-agent completions bash > /usr/share/bash-completion/completions/ece-agent")]
    Completions(completions::CompletionsArguments),
    /// Print the version
    #[command(after_help = "Example:
  ece-agent version")]
    Version(version::VersionArguments),
}

/// The definition of the command line, for man pages and completions: verbs that do something for
/// those who call them.
pub fn command() -> clap::Command {
    let whole = Cli::command();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    let about = whole.get_about().cloned().unwrap_or_default();
    let shown = clap::Command::new("ece-agent").version(env!("CARGO_PKG_VERSION")).about(about);
    without_help_verb(shown.subcommand_required(true).subcommands(verbs))
}

fn without_help_verb(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help_verb)
}

/// Whom root's child goes on as.
#[derive(clap::Args)]
struct UserArguments {
    #[arg(long)]
    uid: u32,
    #[arg(long)]
    gid: u32,
    /// The host storage path that they see as the service does
    #[arg(long)]
    storage_path: Option<PathBuf>,
}

impl UserArguments {
    fn become_them(&self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(Code::ServiceFailed, format!("becoming the service user: {error}"))
        };
        if let Some(storage) = &self.storage_path {
            StorageView::of(storage)
                .enter(&[StorageLayout::INSTANCES, StorageLayout::SECRETS])
                .map_err(failed)?;
        }
        become_user(Owner { uid: self.uid, gid: self.gid }).map_err(failed)
    }
}

/// How every JSON Web Token begins, encoded: `{"`.
const TOKEN_BEGINNING: &str = "eyJ";

/// Arguments in which a secret may stand, and what takes its place.
const SECRET_PLACES: [(Place, &str); 4] = [
    (Place::Flag("--pwd"), "--password-file"),
    (Place::Flag("--roles-token"), "--roles-token-file"),
    (Place::After { verbs: ["token", "inspect"], beginning: TOKEN_BEGINNING }, "--file"),
    (Place::After { verbs: ["token", "revoke"], beginning: TOKEN_BEGINNING }, "--file"),
];

pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    let output = Output::from_arguments(&arguments);
    for (place, file_flag) in SECRET_PLACES {
        if let Err(error) = hide(&arguments, &place, file_flag) {
            output.note(&format!("the token stays visible in the process list: {error}"));
        }
    }
    let arguments = match keep_from_children(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            output.failure(&Failure::new(Code::Internal, format!("a memory file: {error}")));
            return ExitCode::from(Exit::General as u8);
        }
    };
    // Only now: the memory file of a secret is handed to the new process by its path.
    forbid_dumps();
    let cli = match Cli::command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(mut error) => {
            if error.use_stderr() {
                install::end_earlier_log(&arguments);
            }
            return usage::told(&mut error, output);
        }
    };
    match run(cli, output) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit() as u8)
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<Exit, Failure> {
    match cli.verb {
        Verb::Install(arguments) => install::install(*arguments, output),
        Verb::Check(arguments) => check::check(*arguments, output),
        Verb::Uninstall(arguments) => uninstall::uninstall(arguments, output),
        Verb::Upgrade(arguments) => upgrade::upgrade(arguments, output),
        Verb::ResetPassword(arguments) => reset_password::reset_password(arguments, output),
        Verb::Backup(arguments) => backup::backup(arguments, output),
        Verb::Restore(arguments) => backup::restore(arguments, output),
        Verb::BecomeMember { user, .. } => {
            user.become_them()?;
            install::become_member(output)
        }
        Verb::ProbeStorage(arguments) => {
            check::probe_as_child(&arguments.user, &arguments.instances)
        }
        Verb::LeaveCluster(arguments) => leave::leave_as_child(arguments, output),
        Verb::TellFormer(arguments) => install::tell_former(arguments, output),
        Verb::Run(arguments) => run::run(arguments),
        Verb::Status(arguments) => status::status(arguments, output),
        Verb::Start(arguments) => start::start(arguments, output),
        Verb::Stop(arguments) => stop::stop(arguments, output),
        Verb::Token(verb) => token::token(*verb, output),
        Verb::Host(verb) => host::host(*verb, output),
        Verb::Audit(verb) => audit::audit(*verb, output),
        Verb::Ca(verb) => ca::ca(verb, output),
        Verb::Explain(arguments) => explain::explain(arguments, output),
        Verb::Logs(arguments) => logs::logs(arguments, output),
        Verb::Login(arguments) => login::login(arguments, output),
        Verb::Logout(arguments) => login::logout(arguments, output),
        Verb::Whoami(arguments) => login::whoami(arguments, output),
        Verb::ApiKey(verb) => apikey::apikey(*verb, output),
        Verb::User(verb) => user::user(*verb, output),
        Verb::Completions(arguments) => completions::completions(arguments, output),
        Verb::Version(arguments) => version::version(arguments, output),
    }
}

/// Runs what only asks somebody something. A name that is still being resolved when the answer is
/// known holds nobody up.
fn run_to_end<T>(work: impl Future<Output = T>) -> T {
    let runtime = or_end(|| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// What the system has to give before anything can be done.
fn or_end<T>(make: impl FnOnce() -> io::Result<T>) -> T {
    has_room().and_then(|()| crate::rt::may_start(1)).and_then(|()| make()).unwrap_or_else(|error| {
        let message = format!("the system does not give this process what each needs: {error}");
        let fix = "Let it open more files and start more threads ('ulimit -n' and 'ulimit -u' say how many it may).";
        let arguments: Vec<OsString> = env::args_os().collect();
        Output::from_arguments(&arguments)
            .failure(&Failure::new(Code::Internal, message).with_fix(fix));
        std::process::exit(Exit::General as i32)
    })
}

/// Whether a few files can be opened: a runtime that cannot open its own panics.
fn has_room() -> io::Result<()> {
    const NEEDED: usize = 16;
    (0..NEEDED).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<File>>>().map(drop)
}
