//! `ece-agent host …`: hosts by way of the API, from anywhere.

mod label;
mod listed;

use HttpVerb::{Delete, Get, Post, Put};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{access::AccessArguments, output::Output};
use crate::{
    client::HttpVerb,
    model::{Exit, Failure, Role, RoleSet, RunnerId, printable::cut},
    wire::runners::{RunnerInfo, RunnerRoleInfo, RunnerRolesInfo},
};

const RUNNERS: &str = "/api/v1/platform/infrastructure/runners";
const ALLOCATORS: &str = "/api/v1/platform/infrastructure/allocators";

/// Characters of a value in words; '--json' has all of it.
pub const LONGEST_VALUE: usize = 256;

#[derive(clap::Subcommand)]
pub enum HostVerb {
    /// List the hosts of the cluster
    #[command(after_help = "Example:
  ece-agent host list --query 'connected:false'")]
    List(ListArguments),
    /// Show a host
    #[command(after_help = "Example:
  ece-agent host show 192.168.40.79")]
    Show(OneArguments),
    /// Give a host exactly these roles
    #[command(override_usage = "ece-agent host roles [OPTIONS] <RUNNER_ID> <ROLES|--none>")]
    #[command(after_help = "Examples:
  ece-agent host roles 192.168.40.79 allocator,proxy
  ece-agent host roles 192.168.40.79 --none")]
    Roles(RolesArguments),
    /// Remove a host that is not connected, or with --evict any
    #[command(after_help = "Examples:
  ece-agent host delete 192.168.40.79
  ece-agent host delete 192.168.40.79 --evict")]
    Delete(DeleteArguments),
    /// Put an allocator into maintenance mode, or take it out
    #[command(after_help = "Example:
  ece-agent host maintenance 192.168.40.79 on")]
    Maintenance(MaintenanceArguments),
    /// Give an allocator labels, change them or take them away
    #[command(after_help = "Examples:
  ece-agent host label 192.168.40.79 rack=7 disk=ssd
  ece-agent host label 192.168.40.79 rack-")]
    Label(label::LabelArguments),
}

#[derive(clap::Args)]
pub struct ListArguments {
    /// Only those that this query finds, in Lucene's syntax. Fields are runner_id, zone, host_ip,
    /// public_hostname, region, connected, healthy, maintenance_mode, roles.role_name,
    /// build_info.version and tags.NAME
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
    #[command(flatten)]
    access: AccessArguments,
}

#[derive(clap::Args)]
pub struct OneArguments {
    /// The host's runner id
    #[arg(value_name = "RUNNER_ID")]
    runner: RunnerId,
    #[command(flatten)]
    access: AccessArguments,
}

#[derive(clap::Args)]
pub struct DeleteArguments {
    #[command(flatten)]
    one: OneArguments,
    /// Also if it is connected; its session ends at once
    #[arg(long)]
    evict: bool,
}

#[derive(clap::Args)]
pub struct RolesArguments {
    #[command(flatten)]
    one: OneArguments,
    /// The roles, separated by commas
    #[arg(value_name = "ROLES", value_parser = RoleSet::some, required_unless_present = "none")]
    roles: Option<RoleSet>,
    /// Take all roles from the host
    #[arg(long, conflicts_with = "roles")]
    none: bool,
}

#[derive(clap::Args)]
pub struct MaintenanceArguments {
    #[command(flatten)]
    one: OneArguments,
    /// What it is to be
    #[arg(value_name = "on|off", value_parser = ["on", "off"])]
    mode: String,
}

pub fn host(verb: HostVerb, output: Output) -> Result<Exit, Failure> {
    match verb {
        HostVerb::List(arguments) => list(arguments, output),
        HostVerb::Show(arguments) => show(arguments, output),
        HostVerb::Roles(arguments) => roles(arguments, output),
        HostVerb::Delete(arguments) => delete(arguments, output),
        HostVerb::Maintenance(arguments) => maintenance(arguments, output),
        HostVerb::Label(arguments) => label::label(arguments, output),
    }?;
    Ok(Exit::Success)
}

fn list(arguments: ListArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let path = match &arguments.query {
        Some(query) => format!("{RUNNERS}?q={}", percent_encoded(query)),
        None => RUNNERS.to_owned(),
    };
    let reply = access.call(Get, &path)?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    listed::show(output, reply.read()?);
    Ok(())
}

fn role_names(runner: &RunnerInfo) -> String {
    let names: Vec<&str> = runner.roles.iter().map(|role| &*role.role_name).collect();
    if names.is_empty() { "none".into() } else { names.join(",") }
}

fn show(arguments: OneArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.access.open()?;
    let reply = access.call(Get, &format!("{RUNNERS}/{}", arguments.runner))?;
    match output.is_json() {
        true => output.json(&reply),
        false => output.lines(in_words(&reply.read()?)),
    }
    Ok(())
}

fn in_words(runner: &RunnerInfo) -> Vec<String> {
    let text = |value: &str| cut(value, LONGEST_VALUE);
    let or_none = |value: &Option<String>| value.as_deref().map_or("-".into(), text);
    let joined = &runner.joined;
    let mut lines = vec![
        format!("runner id   {}", text(&runner.runner_id)),
        format!("host ip     {}", text(&runner.host_ip)),
        format!("zone        {}", text(&runner.zone)),
        format!("connected   {}", runner.connected),
        format!("healthy     {}", runner.healthy),
        format!("boot id     {}", or_none(&runner.boot_id)),
        format!("roles       {}", role_names(runner)),
        format!("version     {}", text(&runner.build_info.version)),
        format!(
            "joined      {} from {} with token {}",
            text(&joined.at),
            joined.source_address,
            or_none(&joined.token_id)
        ),
    ];
    lines.extend(joined.overridden_checks.iter().map(|it| format!("overridden  {}", text(it))));
    if runner.maintenance_mode {
        lines.push("maintenance on: nothing new is placed here".into());
    }
    for passage in &runner.passages {
        let what = if passage.connected { "came" } else { "lost" };
        lines.push(format!("{what:<11} {}", text(&passage.at)));
    }
    for problem in &runner.problems {
        lines.push(format!("problem     {} [{}]", text(&problem.message), text(&problem.code)));
        lines.extend(problem.fix.as_ref().map(|fix| format!("fix         {}", text(fix))));
    }
    for copy in &runner.clones {
        lines.push(format!(
            "copy at     {} (boot id {}), last seen {}",
            copy.address,
            or_none(&copy.boot_id),
            text(&copy.seen_at)
        ));
    }
    lines
}

fn roles(arguments: RolesArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.one.access.open()?;
    let roles = arguments.roles.unwrap_or_default();
    let named = |role: Role| RunnerRoleInfo { role_name: role.name().to_owned() };
    let wanted = RunnerRolesInfo { roles: roles.iter().map(named).collect() };
    let path = format!("{RUNNERS}/{}/roles", arguments.one.runner);
    let reply = access.send(Put, &path, &wanted)?;
    output.done(&reply, &format!("{} has {}", arguments.one.runner, roles.in_words()));
    Ok(())
}

fn delete(arguments: DeleteArguments, output: Output) -> Result<(), Failure> {
    let DeleteArguments { one: OneArguments { runner, access, .. }, evict } = arguments;
    let query = if evict { "?evict=true" } else { "" };
    let reply = access.open()?.call(Delete, &format!("{RUNNERS}/{runner}{query}"));
    let reply = reply.map_err(|failure| match failure.message.contains(" is connected; ") {
        true => failure.with_fix(format!(
            "Stop its daemon there ('ece-agent stop'), or remove it as it is: 'ece-agent host delete {runner} --evict'."
        )),
        false => failure,
    })?;
    output.done(&reply, &format!("removed {runner}"));
    Ok(())
}

fn maintenance(arguments: MaintenanceArguments, output: Output) -> Result<(), Failure> {
    let access = arguments.one.access.open()?;
    let runner = &arguments.one.runner;
    let verb = if arguments.mode == "on" { "_start" } else { "_stop" };
    let path = format!("{ALLOCATORS}/{runner}/maintenance-mode/{verb}");
    let reply = access.call(Post, &path)?;
    output.done(&reply, &format!("maintenance mode of {runner} is {}", arguments.mode));
    Ok(())
}

/// For a part of a URL: all but what never means anything else (RFC 3986, 2.3).
pub fn percent_encoded(text: &str) -> String {
    const SPECIAL: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, SPECIAL).to_string()
}

/// A name that is one part of a URL's path: what is empty, '.' or '..' would name something else.
pub fn part_of_a_path(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("it is empty"),
        "." | ".." => Err("'.' and '..' mean something else in a URL"),
        _ => Ok(text.to_owned()),
    }
}
