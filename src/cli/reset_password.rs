use std::path::PathBuf;

use serde_json::json;

use super::{
    StateDirArgument,
    access::read_password,
    answering::{LONGEST, Watched, storage_answers},
    daemon_socket::connect,
    known_host::{Known, known_host, not_installed, other_owner},
    output::Output,
    run_to_end,
    secrets_file::SecretsFile,
    wait::not_answered,
};
use crate::{
    agent::DaemonError,
    cluster::{
        passwords,
        records::{ADMIN, READONLY},
    },
    model::{BootstrapSecret, Code, Exit, Failure, Secret},
};

#[derive(clap::Args)]
pub struct ResetPasswordArguments {
    #[command(flatten)]
    state: StateDirArgument,
    /// Whose password
    #[arg(long, default_value = ADMIN, value_name = "NAME")]
    user: String,
    /// A file that holds the new password [default: one is made]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The new password. It shows in the process list for an instant: a file is better
    #[arg(long, value_name = "PASSWORD", conflicts_with = "password_file")]
    pwd: Option<String>,
    /// Also print the new password
    #[arg(long)]
    show_secrets: bool,
    /// Where the secrets file is [default: where install has put it]
    #[arg(long, value_name = "DIR")]
    host_storage_path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn not_here() -> Failure {
    let message = "this host is not the one that keeps the cluster's passwords";
    Failure::new(Code::PasswordNotFirstHost, message)
}

pub fn reset_password(arguments: ResetPasswordArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.answering()?;
    let known = known_host(&state)?;
    if matches!(known, Known::NotInstalled) {
        return Err(not_installed(&state));
    }
    if let Known::Host(host) = &known
        && !host.first_host
    {
        return Err(not_here());
    }
    let not_noted = matches!(known, Known::NotNoted);
    let user = &arguments.user;
    let made_here = arguments.pwd.is_none() && arguments.password_file.is_none();
    let password = match (arguments.pwd, &arguments.password_file) {
        (Some(text), _) => Secret::new(text),
        (None, Some(file)) => read_password(file)?,
        (None, None) => passwords::generate(),
    };
    let storage = match arguments.host_storage_path {
        Some(storage) => Some(storage),
        None => known.storage_path()?,
    };
    let watched = match &storage {
        Some(storage) => {
            storage_answers(storage, LONGEST)?;
            Watched::state_and_storage(&state, storage)
        }
        None => Watched::state(&state),
    };
    let kept_as = match user.as_str() {
        ADMIN => Some(BootstrapSecret::AdminPassword),
        READONLY => Some(BootstrapSecret::ReadonlyPassword),
        _ => None,
    };
    // Before anything is changed: a file that is not what it should be stops the command.
    let file = match storage.filter(|_| kept_as.is_some()) {
        None => None,
        Some(storage) => SecretsFile::open(&storage, other_owner(&state)).map_err(|error| {
            let message = format!("the secrets file in {}: {error}", storage.display());
            Failure::new(Code::StateNotWritable, message)
        })?,
    };
    // A member's daemon must not hear a password of the cluster.
    if not_noted && file.is_none() {
        return Err(not_here());
    }
    let refused: Result<_, DaemonError> = run_to_end(async {
        let client = connect(&state).await?;
        // A password that was made here would be lost with this process.
        watched.end();
        client.set_password(user, password.clone()).await
    });
    if let Some(reason) = refused.map_err(|error| not_answered(error, &state))? {
        return Err(Failure::new(Code::ApiRefused, reason).with_fix(
            "Correct the command as the message says; 'ece-agent user list' shows who there is.",
        ));
    }
    let kept_in = match (file, kept_as) {
        (Some(file), Some(which)) => {
            let path = file.path.clone();
            file.set(which, &password).map_err(|error| {
                let path = path.display();
                let message =
                    format!("the password was changed, and {path} still has the old one: {error}");
                Failure::new(Code::StateNotWritable, message)
            })?;
            Some(path)
        }
        _ => None,
    };
    if output.is_json() {
        output.json(&json!({ "user": user, "secrets_file": kept_in }));
    } else if let Some(path) = &kept_in {
        output.note(&format!("the password of {user} is now the one in {}", path.display()));
    } else {
        output.note(&format!("the password of {user} was changed"));
    }
    // One that was made here and is nowhere else would be lost.
    if !output.is_json() && (arguments.show_secrets || (made_here && kept_in.is_none())) {
        output.verbatim(password.expose());
    }
    Ok(Exit::Success)
}
