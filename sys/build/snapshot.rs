// SPDX-License-Identifier: GPL-2.0-only
//! Snapshots of headers in `headers/snapshots/`. With them, bindings can be made without a kernel's
//! headers on the machine. `headers/README.md` documents the files.

use std::ffi::OsString;
use std::path::Path;

use serde::Deserialize;

use crate::kernel::{Kernel, read, rerun_if_changed};

/// The environment variable that names the snapshot.
pub(crate) const VARIABLE: &str = "LINUX_DRIVER_KERNEL";

/// The part of `snapshot.toml` that is needed to make bindings.
#[derive(Deserialize)]
struct Snapshot {
    release: String,
    arch: String,
    build: Option<Build>,
}

#[derive(Deserialize)]
struct Build {
    device_table_symbol: String,
    cc_flags: Vec<String>,
}

/// The part of `kernels.toml` that names the default kernel.
#[derive(Deserialize)]
struct Catalogue {
    default: String,
}

/// Each architecture, as `uname -m` prints it, with libclang's name of the target.
const TARGETS: &[(&str, &str)] = &[
    ("x86_64", "x86_64-unknown-linux-gnu"),
    ("aarch64", "aarch64-unknown-linux-gnu"),
];

/// Returns the kernel of the snapshot with this name, or of the default snapshot of the catalogue.
pub(crate) fn kernel(headers: &Path, c: &Path, named: Option<OsString>) -> Result<Kernel, String> {
    let headers = headers
        .canonicalize()
        .unwrap_or_else(|_| headers.to_owned());
    let name = match named {
        Some(name) => name
            .into_string()
            .map_err(|name| unknown(&headers, &name.to_string_lossy()))?,
        None => default(&headers.join("kernels.toml"))?,
    };
    let dir = headers.join("snapshots").join(&name);
    // Accepts the name of an existing snapshot, but not a path.
    if name.contains(['/', '\\']) || name.starts_with('.') || !dir.join("snapshot.toml").is_file() {
        return Err(unknown(&headers, &name));
    }
    let remedy = format!("make it again: `cargo xtask snapshot --kernel {name}`");
    let path = dir.join("snapshot.toml");
    let header = dir.join("kernel.h");
    for path in [&path, &header] {
        rerun_if_changed(path);
    }
    let bad = |e: String| format!("{e}\n  remedy:   {remedy}");
    let snapshot: Snapshot = read(&path, "where a snapshot comes from", |text| {
        toml::from_str(text)
    })
    .map_err(bad)?;
    let Some(build) = snapshot.build else {
        return Err(bad(format!(
            "{}\n  \
             expected: [build], and constants in kernel.h\n  \
             found:    neither: this snapshot was made of type information alone, without the \
             kernel's headers",
            path.display()
        )));
    };
    let target = TARGETS
        .iter()
        .find(|(arch, _)| *arch == snapshot.arch)
        .ok_or_else(|| {
            let known: Vec<&str> = TARGETS.iter().map(|(arch, _)| *arch).collect();
            bad(format!(
                "{}\n  expected: the architecture, one of {}\n  found:    {:?}",
                path.display(),
                known.join(", "),
                snapshot.arch
            ))
        })?;
    let ours = [
        "-nostdinc".to_owned(),
        format!("--target={}", target.1),
        format!("-DLINUX_DRIVER_SNAPSHOT=\"{}\"", header.display()),
    ];
    let stored = dir.join("bindings.rs");
    Ok(Kernel {
        release: snapshot.release,
        stored: stored.is_file().then_some(stored),
        place: dir,
        remedy,
        cc_flags: build.cc_flags.into_iter().chain(ours).collect(),
        device_table_symbol: build.device_table_symbol,
        shims: shims(&c.join("shims.h"))?,
    })
}

fn default(path: &Path) -> Result<String, String> {
    rerun_if_changed(path);
    let catalogue: Catalogue = read(path, "the catalogue of kernels, with a default", |text| {
        toml::from_str(text)
    })
    .map_err(|e| {
        format!("{e}\n  remedy:   correct that file, or name a snapshot with {VARIABLE}")
    })?;
    Ok(catalogue.default)
}

/// Returns the error that no snapshot has this name.
fn unknown(headers: &Path, name: &str) -> String {
    let dir = headers.join("snapshots");
    let mut there: Vec<String> = std::fs::read_dir(&dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("snapshot.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    let there = if there.is_empty() {
        "no snapshot at all".to_owned()
    } else {
        format!("those of {}", there.join(", "))
    };
    format!(
        "{}\n  \
         expected: a snapshot named {name:?} (by {VARIABLE}, or the default of kernels.toml)\n  \
         found:    {there}\n  \
         remedy:   set {VARIABLE} to one of these, or make it: \
         `cargo xtask snapshot --kernel {name}`",
        dir.display()
    )
}

/// Returns the names of the shims that the header declares. Each declaration begins with
/// `SHIM(NAME)`.
fn shims(header: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(header).map_err(|e| {
        format!(
            "{}\n  \
             expected: the shims\n  \
             found:    {e}\n  \
             remedy:   get the source of linux-driver-sys again",
            header.display()
        )
    })?;
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("SHIM(")?.split_once(')'));
    Ok(names.map(|(name, _)| name.to_owned()).collect())
}
