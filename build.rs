//! Compresses what the pages are made of beside their HTML.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};

const ASSETS: &str = "src/ui/assets";

fn main() -> io::Result<()> {
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    for entry in fs::read_dir(ASSETS)? {
        let entry = entry?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&fs::read(entry.path())?)?;
        let name = format!("{}.gz", entry.file_name().to_string_lossy());
        fs::write(Path::new(&out).join(name), encoder.finish()?)?;
    }
    println!("cargo::rerun-if-changed={ASSETS}");
    Ok(())
}
