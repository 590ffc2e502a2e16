//! The rooms of `src/`: who may import whom, and where each library is at home.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the top down; rooms in one row do not import each other.
const ROWS: &[&[&str]] = &[
    &["cli"],
    &["daemon"],
    &["agent", "coordinator"],
    &["api", "ui", "hosts", "preflight"],
    &["http", "client"],
    &["server", "cluster", "config"],
    &["search", "limits", "host", "store", "token", "tls"],
    &["wire"],
    &["model", "rt"],
];

/// Libraries that only some rooms may name.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("askama", &["ui"]),
    ("axum", &["coordinator", "api", "ui", "hosts", "http", "server"]),
    ("tower", &["coordinator", "api", "ui", "http", "server"]),
    ("tower_http", &["http"]),
    ("form_urlencoded", &["ui"]),
    ("hyper", &["api", "ui", "server"]),
    ("hyper_util", &["server"]),
    ("utoipa_axum", &["api"]),
    ("icu_properties", &["model"]),
    ("rustls", &["client", "server", "tls"]),
    ("tokio_rustls", &["server"]),
    ("aws_lc_rs", &["api", "ui", "cluster", "tls", "token", "wire"]),
    ("serde_path_to_error", &["http"]),
    ("reqwest", &["client"]),
    ("jsonwebtoken", &["token"]),
    ("nix", &["host", "rt"]),
    ("sysinfo", &["host"]),
    ("rusqlite", &["store"]),
    ("rcgen", &["tls"]),
    ("x509_parser", &["tls"]),
    ("argon2", &["cluster"]),
    ("metrics", &["cluster"]),
    ("metrics_exporter_prometheus", &["cluster"]),
    ("sd_notify", &["daemon"]),
    ("tracing_journald", &["cli"]),
    ("clap", &["cli", "config"]),
    ("clap_complete", &["cli"]),
    ("terminal_size", &["rt"]),
    ("indicatif", &["cli"]),
    ("toml", &["config"]),
    ("percent_encoding", &["cli"]),
];

/// Names of files, and of what is in them, that only one file says; everybody else has them from there.
const NAMES_SAID_ONCE: &[(&str, &[&str])] = &[
    (
        "src/model/storage_layout.rs",
        &[
            "/mnt/data/elastic",
            "/var/lib/ece-agent",
            "instances",
            ".ece-agent-storage",
            ".ece-agent.json",
            "bootstrap-state",
            "bootstrap-secrets.json",
            "logs",
            "bootstrap-logs",
            "bootstrap.log",
        ],
    ),
    (
        "src/model/bootstrap_secret.rs",
        &[
            "adminconsole_root_password",
            "adminconsole_readonly_password",
            "bootstrap_runner_roles_token",
            "allocator_only_token",
            "emergency_all_roles_except_allocator_token",
        ],
    ),
    ("src/model/coordinator_layout.rs", &["store.db", "store.db-wal", "master.key", "tls.key"]),
];

/// Fields of ECE's JSON that are called like a file.
const NO_NAMES_OF_FILES: &[&str] = &["src/api/", "src/cluster/shown.rs", "src/ui/", "src/wire/"];

const LONGEST_FILE: usize = 400;

pub fn source_files() -> Vec<PathBuf> {
    fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    files
}

fn room_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let mut parts = inside.components();
    let room = parts.next()?.as_os_str().to_string_lossy().into_owned();
    parts.next().map(|_| room)
}

fn row_of(room: &str) -> usize {
    ROWS.iter().position(|row| row.contains(&room)).unwrap_or_else(|| panic!("{room} has no row"))
}

/// The rooms that a source text names after `crate::`, alone or in braces.
fn rooms_named(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, found) in text.match_indices("crate::") {
        let rest = &text[at + found.len()..];
        let mut depth = 0;
        let mut word = String::new();
        let mut first_of_path = true;
        for c in rest.chars() {
            match c {
                c if c.is_alphanumeric() || c == '_' => word.push(c),
                c => {
                    if !word.is_empty() && first_of_path && depth <= 1 {
                        rooms.push(std::mem::take(&mut word));
                        first_of_path = false;
                    }
                    word.clear();
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => first_of_path = true,
                        _ => {}
                    }
                    if depth == 0 && c != ':' {
                        break;
                    }
                    if depth == 0 && !first_of_path {
                        break;
                    }
                }
            }
        }
    }
    rooms
}

#[test]
fn rooms_import_downwards_only() {
    let mut wrong = Vec::new();
    for path in source_files() {
        let Some(room) = room_of(&path) else { continue };
        for named in rooms_named(&fs::read_to_string(&path).unwrap()) {
            let allowed = named == room || row_of(&named) > row_of(&room);
            if !allowed {
                wrong.push(format!("{} imports {named}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_imports_sees_both_ways_of_writing_them() {
    let text =
        "use crate::{\n  model::{Code, Exit},\n  rt,\n};\nuse crate::wire::hosts; crate::tls::x()";
    assert_eq!(rooms_named(text), ["model", "rt", "wire", "tls"]);
}

#[test]
fn each_library_has_its_rooms() {
    let mut wrong = Vec::new();
    for path in source_files() {
        let Some(room) = room_of(&path) else { continue };
        let text = fs::read_to_string(&path).unwrap();
        for (library, rooms) in LIBRARIES {
            let named = text.contains(&format!("use {library}::"))
                || text.contains(&format!("({library}::"))
                || text.contains(&format!("[{library}::"))
                || text.contains(&format!(" {library}::"));
            if named && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{} uses {library}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = source_files()
        .into_iter()
        .filter(|path| fs::read_to_string(path).unwrap().lines().count() > LONGEST_FILE)
        .map(|path| path.display().to_string())
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// Texts in which a name is a path, or a part of one; those of tests say what is expected.
fn says_the_name(text: &str, name: &str) -> bool {
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.into_iter().any(|line| {
        ["\"", "/"].iter().any(|before| {
            ["\"", "/"].iter().any(|after| line.contains(&format!("{before}{name}{after}")))
        })
    })
}

#[test]
fn names_of_files_are_said_once() {
    let mut wrong = Vec::new();
    for path in source_files() {
        let inside = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
        let is_free = NO_NAMES_OF_FILES.iter().any(|it| inside.starts_with(it));
        let is_test =
            ["/tests.rs", "/testing.rs", "/conformance.rs"].iter().any(|end| inside.ends_with(end));
        if is_free || is_test || inside.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (home, names) in NAMES_SAID_ONCE {
            let said = names.iter().filter(|name| says_the_name(&text, name));
            match inside == *home {
                true => assert_eq!(said.count(), names.len(), "{home} says all of them"),
                false => wrong.extend(said.map(|name| format!("{inside} says {name:?}"))),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_names_tells_a_path_from_another_word() {
    for text in ["join(\"logs\")", "\"logs/x\"", "\"a/logs\"", "x/logs/y"] {
        assert!(says_the_name(text, "logs"), "{text}");
    }
    for text in
        ["// \"logs\"", "see its logs", "\"bootstrap-logs\"", "#[cfg(test)]\nmod a { \"logs\" }"]
    {
        assert!(!says_the_name(text, "logs"), "{text}");
    }
}

/// What others have said is read as a type of `wire/`, or of the room's own.
#[test]
fn the_command_line_picks_nothing_out_of_json() {
    // They make JSON, or read a file of their own.
    let makers = [
        "apikey.rs",
        "check/show.rs",
        "event.rs",
        "install/closing.rs",
        "output.rs",
        "secrets_file.rs",
        "token/list.rs",
    ];
    let found: Vec<String> = source_files()
        .into_iter()
        .filter(|path| room_of(path).is_some_and(|room| room == "cli"))
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word == "Value") && !makers.iter().any(|maker| path.ends_with(maker))
        })
        .map(|path| path.display().to_string())
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
