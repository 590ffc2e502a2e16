//! `ece-agent login`, `logout` and `whoami`: a profile with an API key in the place of a password.

mod session;

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::Path,
    sync::Arc,
};

use serde_json::json;

use super::{
    access::{
        AccessArguments, AskerArguments, PinArguments, ProfileArgument, api_address_of,
        api_failure, profile_failed, read_password,
    },
    duration::seconds,
    output::Output,
    run_to_end,
};
use crate::{
    client::{ApiClient, ApiCredentials, HttpVerb, shown_ca},
    cluster::records::ADMIN,
    model::{Code, CoordinatorAddress, Exit, Failure, Fingerprint, Secret},
    rt::terminal::ask_unseen,
    tls::PinVerifier,
    wire::users::{ApiKeyResponse, CreateApiKeyRequest, User},
};
use session::{Session, key_file_of};

const LONGEST_PASSWORD: usize = 4096;

#[derive(clap::Args)]
#[command(
    mut_arg("password_file", |flag| flag.help(ABOUT_PASSWORD)),
    mut_arg("ca_fingerprint", |flag| flag.help(ABOUT_PIN))
)]
pub struct LoginArguments {
    /// The coordinator, with a port if it is not 12443
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    #[command(flatten)]
    user: AskerArguments,
    #[command(flatten)]
    pin: PinArguments,
    /// How long the key is good for, in seconds or as 12h, 30d [default: until logout]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    expiration: Option<i64>,
    #[command(flatten)]
    profile: ProfileArgument,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const ABOUT_PASSWORD: &str =
    "A file that holds the password; '-' is standard input [default: it is asked for]";
const ABOUT_PIN: &str = "The fingerprint of the cluster's CA, as 'ece-agent ca show' prints it [default: what the coordinator shows, once it is confirmed]";

#[derive(clap::Args)]
pub struct LogoutArguments {
    #[command(flatten)]
    profile: ProfileArgument,
    /// Forget the key here even if the coordinator cannot be told
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct WhoamiArguments {
    #[command(flatten)]
    access: AccessArguments,
}

pub fn login(arguments: LoginArguments, output: Output) -> Result<Exit, Failure> {
    let file = arguments.profile.file()?;
    let before = Session::at(&file)?;
    let address = api_address_of(&arguments.host)?;
    let pin = match arguments.pin.is_given() {
        true => arguments.pin.pins(None)?[0],
        false => confirmed_pin(&address, output)?,
    };
    let AskerArguments { user, password_file } = arguments.user;
    let user = user.unwrap_or_else(|| ADMIN.to_owned());
    let password = match password_file {
        Some(file) => read_password(&file)?,
        None => ask_for_password(&user, &address)?,
    };
    let verifier = Arc::new(PinVerifier::new([pin], []));
    let credentials = ApiCredentials::Password { user: user.clone(), password };
    let client = ApiClient::new(address.clone(), verifier, credentials)
        .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
    let wanted = CreateApiKeyRequest {
        description: format!("ece-agent login on {}", host_name()),
        expiration: arguments.expiration.map(|seconds| format!("{seconds}s")),
    };
    let asked = client.send(HttpVerb::Post, session::KEYS, &wanted);
    let made: ApiKeyResponse = run_to_end(asked)
        .and_then(|reply| reply.read())
        .map_err(api_failure)
        .map_err(|failure| failure.adding(&format!("asked {address} as {user}")))?;
    let key = made
        .key
        .map(Secret::new)
        .ok_or_else(|| Failure::new(Code::CoordinatorProtocol, format!("{address} made no key")))?;
    let session = Session::new(address.clone(), pin, key, key_file_of(&file))?;
    session.keep(&file).inspect_err(|_| {
        // What cannot be kept lets nobody in later.
        let _ = session.end();
    })?;
    if let Some(Err(failure)) = before.map(|before| before.end()) {
        output.note(&format!("the key of the earlier login was not deleted: {failure}"));
    }
    if output.is_json() {
        output.json(&json!({
            "user": user, "coordinator": address, "ca_fingerprint": pin, "profile": file,
            "key_id": session.id(), "expires_at": made.expiration_date,
        }));
    } else {
        output.note(&format!("logged in at {address} as {user}"));
        output.note(&format!("profile: {}", file.display()));
        output.note("next: ece-agent host list");
    }
    Ok(Exit::Success)
}

/// What the server shows of itself, once a person has compared it. Nothing has been sent by then.
fn confirmed_pin(address: &CoordinatorAddress, output: Output) -> Result<Fingerprint, Failure> {
    let shown = run_to_end(shown_ca(address)).map_err(Failure::from)?;
    let compare = "On a coordinator run 'ece-agent ca show', compare, and";
    let not_trusted = |message: String| {
        Err(Failure::new(Code::TrustNoPin, message)
            .with_fix(format!("{compare} repeat the command with --ca-fingerprint.")))
    };
    if !io::stdin().is_terminal() || output.is_json() {
        return not_trusted(format!(
            "nothing says whether {address} is the right one: it shows the CA {shown}"
        ));
    }
    output.note(&format!("{address} says that it is of the cluster with this CA:"));
    output.note_verbatim(&format!("  {shown}"));
    output.note("'ece-agent ca show' on a coordinator prints the right one.");
    let mut answer = String::new();
    let mut err = io::stderr();
    let asked = write!(err, "Are they the same? [yes/no] ").and_then(|()| err.flush());
    asked.and_then(|()| io::stdin().read_line(&mut answer).map(|_| ())).map_err(|error| {
        Failure::new(Code::TrustNoPin, format!("the terminal cannot be read: {error}"))
    })?;
    match answer.trim().eq_ignore_ascii_case("yes") {
        true => Ok(shown),
        false => not_trusted("it was not confirmed that this is the right coordinator".into()),
    }
}

fn ask_for_password(user: &str, address: &CoordinatorAddress) -> Result<Secret, Failure> {
    let failed = |reason: String| {
        Failure::new(Code::ConfigInvalid, format!("no password was given: {reason}"))
            .with_fix("Give a file that holds it with --password-file; '-' is standard input.")
    };
    if !io::stdin().is_terminal() {
        return Err(failed("standard input is no terminal".into()));
    }
    let prompt = format!("password of {user} at {address}: ");
    let typed = ask_unseen(&prompt, LONGEST_PASSWORD).map_err(|it| failed(it.to_string()))?;
    std::str::from_utf8(&typed).map(Secret::new).map_err(|_| failed("it is not text".into()))
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

pub fn logout(arguments: LogoutArguments, output: Output) -> Result<Exit, Failure> {
    let file = arguments.profile.file()?;
    let session = Session::at(&file)?.ok_or_else(|| nobody_at(&file))?;
    match session.end() {
        Ok(()) => {}
        Err(failure) if arguments.force => {
            output.note(&format!("the key was not deleted at the coordinator: {failure}"));
        }
        Err(failure) => {
            let fix = format!("{} To forget the key here alone add --force.", failure.fix);
            return Err(failure.with_fix(fix));
        }
    }
    session.forget(&file)?;
    match output.is_json() {
        true => output.json(&json!({ "profile": file, "logged_out": true })),
        false => output.note(&format!("logged out; {} is gone", file.display())),
    }
    Ok(Exit::Success)
}

fn nobody_at(file: &Path) -> Failure {
    profile_failed(file, "it is not there, so nobody is logged in by it")
}

pub fn whoami(arguments: WhoamiArguments, output: Output) -> Result<Exit, Failure> {
    let access = arguments.access.open()?;
    let user: User = access.call(HttpVerb::Get, "/api/v1/user")?.read()?;
    let (name, roles) = (&user.user_name, &user.security.roles);
    if output.is_json() {
        output.json(&json!({
            "user": name, "roles": roles, "coordinator": access.address,
            "ca_fingerprints": access.pins, "asked": access.asked,
        }));
        return Ok(Exit::Success);
    }
    output.line(&format!("user         {name}"));
    let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(",") };
    output.line(&format!("roles        {roles}"));
    output.line(&format!("coordinator  {}", access.address));
    for pin in &access.pins {
        output.line(&format!("CA           {pin}"));
    }
    output.line(&format!("by           {}", access.asked));
    Ok(Exit::Success)
}
