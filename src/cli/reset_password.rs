use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{StateDirArgument, access::read_password, output::Output, run_to_end};
use crate::{
    agent::{StatusClient, load_identity},
    coordinator::{ADMIN, generate_password},
    model::{Code, Exit, Failure, Secret},
    rt::files,
};

const MAX_FILE: u64 = 1 << 20;

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
    /// Where the secrets file is [default: where install has put it]
    #[arg(long, value_name = "DIR")]
    host_storage_path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn reset_password(arguments: ResetPasswordArguments, output: Output) -> Result<Exit, Failure> {
    let state = arguments.state.state_dir();
    let identity = load_identity(&state)?.ok_or_else(|| {
        let message = format!("no host is installed in {}", state.path().display());
        Failure::new(Code::InstallNotDone, message)
    })?;
    let user = &arguments.user;
    let password = match (arguments.pwd, &arguments.password_file) {
        (Some(text), _) => Secret::new(text),
        (None, Some(file)) => read_password(file)?,
        (None, None) => generate_password(),
    };
    let not_running =
        |error: crate::agent::StatusError| Failure::new(Code::DaemonNotRunning, error.to_string());
    let refused = run_to_end(async {
        let client = StatusClient::connect(&state).await?;
        client.set_password(user, password.clone()).await
    });
    if let Some(reason) = refused.map_err(not_running)? {
        return Err(Failure::new(Code::ApiRefused, reason));
    }
    let storage = arguments.host_storage_path.unwrap_or(identity.settings.storage_path);
    let file = storage.join("bootstrap-state/bootstrap-secrets.json");
    let kept = keep(&file, user, &password)?;
    if output.is_json() {
        let file = kept.then_some(&file);
        output.json(&json!({ "user": user, "secrets_file": file }));
    } else if output.is_terminal() {
        output.note(&format!("the password of {user} is now {}", password.expose()));
    } else if kept {
        output.note(&format!("the password of {user} is now the one in {}", file.display()));
    } else {
        output.note(&format!("the password of {user} was changed"));
    }
    Ok(Exit::Success)
}

/// Puts the password into the secrets file, if that has a place for it; whether it has.
fn keep(file: &Path, user: &str, password: &Secret) -> Result<bool, Failure> {
    let name = match user {
        ADMIN => "adminconsole_root_password",
        "readonly" => "adminconsole_readonly_password",
        _ => return Ok(false),
    };
    let not_kept = |reason: String| {
        let message = format!(
            "the password was changed, and {} still has the old one: {reason}",
            file.display()
        );
        Failure::new(Code::StateNotWritable, message)
    };
    let Ok(Some(content)) = files::read_private(file, MAX_FILE) else { return Ok(false) };
    let content = zeroize::Zeroizing::new(content);
    let mut secrets: Value =
        serde_json::from_slice(&content).map_err(|_| not_kept("it is damaged".into()))?;
    secrets[name] = password.expose().into();
    let owner = fs::metadata(file).map_err(|error| not_kept(error.to_string()))?;
    let line = zeroize::Zeroizing::new(format!("{secrets}\n"));
    files::write_private(file, line.as_bytes())
        .and_then(|()| chown(file, Some(owner.uid()), Some(owner.gid())))
        .map_err(|error| not_kept(error.to_string()))?;
    Ok(true)
}
