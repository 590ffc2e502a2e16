//! Modules of one room do not import each other in circles.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Rooms whose modules are looked at. What a room's own `mod.rs` holds is for all that is in it.
const ROOMS: &[&str] = &["cli"];

/// In these what the `mod.rs` of a folder holds is for all that is in the folder.
const ROOMS_OF_FOLDERS: &[&str] = &[
    "agent",
    "api",
    "client",
    "cluster",
    "config",
    "coordinator",
    "daemon",
    "host",
    "hosts",
    "http",
    "limits",
    "model",
    "preflight",
    "rt",
    "search",
    "server",
    "store",
    "tls",
    "token",
    "wire",
];

/// The modules of a room by their paths, each with its text.
fn modules(room: &str) -> BTreeMap<Vec<String>, (bool, String)> {
    fn collect(dir: &Path, at: &[String], found: &mut BTreeMap<Vec<String>, (bool, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let below = [at, std::slice::from_ref(&name)].concat();
            if path.is_dir() {
                collect(&path, &below, found);
            } else if name == "mod" {
                found.insert(at.to_vec(), (true, fs::read_to_string(&path).unwrap()));
            } else {
                found.insert(below, (false, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room);
    collect(&dir, &[], &mut found);
    found
}

/// The paths that a `use` names, written out.
fn paths_of(tree: &str) -> Vec<Vec<String>> {
    let Some((head, group)) = tree.split_once('{') else {
        return vec![tree.split("::").map(|part| part.trim().to_owned()).collect()];
    };
    let head: Vec<String> = head
        .split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    let group = &group[..group.rfind('}').unwrap()];
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                parts.last_mut().unwrap().push(c);
            }
        }
    }
    let inner = parts.iter().filter(|part| !part.trim().is_empty()).flat_map(|it| paths_of(it));
    inner.map(|path| [head.clone(), path].concat()).collect()
}

/// What stands between `use` and its end.
fn imports_in(code: &str) -> impl Iterator<Item = &str> {
    code.match_indices("use ").filter_map(|(at, found)| {
        let line = code[..at].rsplit('\n').next().unwrap_or_default();
        let begins = matches!(line.trim(), "" | "pub" | "pub(super)" | "pub(crate)");
        code[at + found.len()..].split_once(';').map(|(tree, _)| tree).filter(|_| begins)
    })
}

/// The modules of the same room that a module imports; the room itself is not one of them.
fn imports(
    room: &str,
    of: &[String],
    has_children: bool,
    text: &str,
    all: &BTreeSet<Vec<String>>,
) -> BTreeSet<Vec<String>> {
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for tree in imports_in(code) {
        for path in paths_of(tree) {
            let words: Vec<&str> = path.iter().map(String::as_str).collect();
            let supers = words.iter().take_while(|word| **word == "super").count();
            let (mut base, rest) = match words[..] {
                ["crate", named, ..] if named == room => (Vec::new(), &path[2..]),
                ["crate", ..] => continue,
                ["super", ..] => {
                    let up = supers.min(of.len());
                    (of[..of.len() - up].to_vec(), &path[supers..])
                }
                _ if has_children => (of.to_vec(), &path[..]),
                _ => continue,
            };
            for word in rest {
                let below = [&base[..], std::slice::from_ref(word)].concat();
                if !all.contains(&below) {
                    break;
                }
                base = below;
            }
            // A name that is no module of ours is a library.
            let is_own = words[0] == "crate" || words[0] == "super" || base.len() > of.len();
            if is_own && !base.is_empty() && base != of {
                found.insert(base);
            }
        }
    }
    found
}

/// A way along imports that comes back to where it began.
fn circle(edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Option<Vec<String>> {
    let mut left: BTreeMap<_, _> = edges.clone();
    // Who imports nobody that is left is in no circle.
    loop {
        let ends: Vec<_> = left
            .iter()
            .filter(|(_, to)| !to.iter().any(|it| left.contains_key(it)))
            .map(|(from, _)| from.clone())
            .collect();
        if ends.is_empty() {
            break;
        }
        ends.iter().for_each(|end| drop(left.remove(end)));
    }
    let mut way = vec![left.keys().next()?.clone()];
    loop {
        let next = left[way.last().unwrap()].iter().find(|it| left.contains_key(*it)).unwrap();
        let came_back = way.iter().position(|it| it == next);
        way.push(next.clone());
        if let Some(at) = came_back {
            return Some(way[at..].iter().map(|module| module.join("/")).collect());
        }
    }
}

#[test]
fn modules_of_a_room_import_each_other_in_no_circle() {
    let mut circles = Vec::new();
    for room in ROOMS.iter().chain(ROOMS_OF_FOLDERS) {
        let modules = modules(room);
        let all: BTreeSet<Vec<String>> = modules.keys().cloned().collect();
        let mut edges: BTreeMap<_, _> = modules
            .iter()
            .filter(|(of, _)| !of.is_empty())
            .map(|(of, (is_dir, text))| (of.clone(), imports(room, of, *is_dir, text, &all)))
            .collect();
        if ROOMS_OF_FOLDERS.contains(room) {
            edges.iter_mut().for_each(|(of, to)| to.retain(|to| !of.starts_with(to)));
        }
        circles.extend(circle(&edges).map(|circle| format!("src/{room}: {}", circle.join(" -> "))));
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn a_circle_is_found_however_its_imports_are_written() {
    let module = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let all: BTreeSet<_> = ["a", "a/b", "a/c", "d"].into_iter().map(module).collect();
    let of = |name: &str, is_dir, text: &str| {
        imports("cli", &module(name), is_dir, text, &all).into_iter().map(|it| it.join("/"))
    };
    let seen: Vec<_> = of("a/b", false, "use super::{X, c::{self, Y}};\nuse std::c;").collect();
    assert_eq!(seen, ["a", "a/c"]);
    let seen: Vec<_> = of("a", true, "mod b;\npub use b::X;\nuse super::d::Y;").collect();
    assert_eq!(seen, ["a/b", "d"]);
    let seen: Vec<_> = of("d", false, "use crate::{\n  cli::{a::b, Z},\n  c,\n};").collect();
    assert_eq!(seen, ["a/b"]);
    let edges = [("a", vec!["a/b"]), ("a/b", vec!["d"]), ("d", vec!["a/b"]), ("a/c", vec!["a"])];
    let edges = edges.map(|(from, to)| (module(from), to.into_iter().map(module).collect()));
    assert_eq!(
        circle(&edges.into_iter().collect()),
        Some(vec!["a/b".into(), "d".into(), "a/b".into()])
    );
}
