use super::{ALLOCATORS, OneArguments, part_of_a_path, percent_encoded};
use crate::{
    cli::output::Output,
    client::HttpVerb,
    model::{Code, Failure, is_like_a_field},
    wire::allocators::{MetadataItem, MetadataItemValue},
};

#[derive(clap::Args)]
pub struct LabelArguments {
    #[command(flatten)]
    one: OneArguments,
    /// KEY=VALUE gives a label, KEY- takes it away; without any the labels are shown
    #[arg(value_name = "LABEL", allow_hyphen_values = false)]
    labels: Vec<String>,
}

enum Change<'a> {
    Give(&'a str, &'a str),
    Take(&'a str),
}

pub fn label(arguments: LabelArguments, output: Output) -> Result<(), Failure> {
    let changes =
        arguments.labels.iter().map(|text| change(text)).collect::<Result<Vec<_>, _>>()?;
    let access = arguments.one.access.open()?;
    let all = format!("{ALLOCATORS}/{}/metadata", arguments.one.runner);
    for change in changes {
        match change {
            Change::Give(key, value) => {
                let path = format!("{all}/{}", percent_encoded(key));
                let value = MetadataItemValue { value: value.to_owned() };
                access.send(HttpVerb::Put, &path, &value)?
            }
            Change::Take(key) => {
                access.call(HttpVerb::Delete, &format!("{all}/{}", percent_encoded(key)))?
            }
        };
    }
    let reply = access.call(HttpVerb::Get, &all)?;
    if output.is_json() {
        output.json(&reply);
        return Ok(());
    }
    let labels: Vec<MetadataItem> = reply.read()?;
    let keys = labels.iter().map(|label| &*label.key);
    let like_fields: Vec<&str> = keys.filter(|key| is_like_a_field(key)).collect();
    if !like_fields.is_empty() {
        output.note(&format!(
            "warning: named like a field that exporters make a label of: {}; choose another name \
             [{}]",
            like_fields.join(", "),
            Code::PreflightTags.name()
        ));
    }
    let rows = labels.into_iter().map(|MetadataItem { key, value }| [key, value]);
    output.table(["LABEL", "VALUE"], rows);
    Ok(())
}

fn change(text: &str) -> Result<Change<'_>, Failure> {
    match (text.split_once('='), text.strip_suffix('-')) {
        (Some((key, value)), _) if part_of_a_path(key).is_ok() => Ok(Change::Give(key, value)),
        (None, Some(key)) if part_of_a_path(key).is_ok() => Ok(Change::Take(key)),
        _ => Err(Failure::new(Code::ConfigInvalid, format!("{text:?} is no label"))
            .with_fix("Write KEY=VALUE to give a label, and KEY- to take it away.")),
    }
}
