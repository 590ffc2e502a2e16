//! The documentation says what the code says.

use std::{env, fs, path::Path};

use ece_agent::{api::openapi, model::Code};

fn path(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Compares, or with `UPDATE_DOCS=1` writes.
#[track_caller]
fn same(file: &str, expected: &str) {
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(file), expected).unwrap();
    }
    let found = fs::read_to_string(path(file)).unwrap_or_default();
    assert!(found == expected, "{file} is not current; UPDATE_DOCS=1 cargo test docs writes it");
}

#[test]
fn the_page_of_errors_lists_every_code_with_its_cause_and_fix() {
    let mut page = String::from(
        "# Errors\n\nEvery failure has a stable code. `ece-agent explain CODE` prints the same as this page.\n\n\
         Exit codes: 0 success; 1 general; 3 bad argument; 10 token refused before anything was sent; \
         11 this machine does not fit; 12 coordinator unreachable; 13 coordinator not trusted; \
         14 refused by the coordinator; 15 joined, but not connected in time.\n",
    );
    for code in Code::ALL {
        page.push_str(&format!(
            "\n## {}\n\nExit code {}.\n\n**Cause.** {}\n\n**Fix.** {}\n",
            code.name(),
            code.exit() as u8,
            code.cause(),
            code.fix()
        ));
    }
    same("docs/errors.md", &page);
}

#[test]
fn the_description_of_the_api_is_the_one_of_its_routes() {
    let mut json = openapi().to_pretty_json().unwrap();
    json.push('\n');
    same("docs/openapi.json", &json);
}

#[test]
fn a_parameter_is_said_to_be_in_a_path_only_where_the_path_names_it() {
    let api: serde_json::Value = serde_json::from_str(&openapi().to_json().unwrap()).unwrap();
    for (path, operations) in api["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let is_named = path.contains(&format!("{{{name}}}"));
                assert_eq!(parameter["in"] == "path", is_named, "{method} {path}: {name}");
            }
        }
    }
}

#[test]
fn the_readme_says_once_that_the_project_is_not_elastics() {
    let readme = fs::read_to_string(path("README.md")).unwrap();
    assert_eq!(readme.matches("not affiliated with").count(), 1);
}
