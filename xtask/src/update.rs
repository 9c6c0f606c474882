// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask update`.

use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::compare::Says;
use linux_driver_abi::report::{self, DriftReport};
use linux_driver_abi::{Usage, compare};
use linux_driver_host::packages;
use linux_driver_host::progress::{Progress, say};
use linux_driver_host::{Cache, Error, Result, fs, process};
use linux_driver_kernels::{KernelSpec, acquire};

use crate::args::{InstallArgs, catalogue};
use crate::check_abi::{self, Format};
use crate::folders::workspace;
use crate::snapshot::snapshot;
use crate::{Outcome, history, needs};

/// Bring headers/ up to date with the newest kernels of the catalogue's series
///
/// For each kernel, this fetches the newest version in the archive, takes its snapshot, adds it to
/// the history and pins it in headers/kernels.toml. A kernel that is built here has neither
/// snapshot nor history; only its newest source is pinned. Prints what changed since the previous
/// snapshot, and whether the bindings agree with the kernel.
///
/// Exit codes: 0 nothing drifted, 1 drift, 2 it could not be checked.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask update
  cargo xtask update debian-6.12 --patch drift.patch --format github")]
pub(crate) struct Args {
    /// Kernels by name [default: all of the catalogue]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Write the changes in headers/ to this file, for `git apply`; it is empty if nothing changed
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
    /// The format of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    install: InstallArgs,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let cache = Cache::of_user()?;
    let catalogue = catalogue()?;
    let specs: Vec<&KernelSpec> = if args.names.is_empty() {
        catalogue.specs().collect()
    } else {
        args.names
            .iter()
            .map(|name| catalogue.get(name))
            .collect::<Result<_>>()?
    };
    let usage = check_abi::usage()?;
    let mut report = DriftReport {
        schema: report::SCHEMA,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        shard: None,
        checks: Vec::new(),
    };
    for spec in specs {
        update(args, &cache, spec, &usage, &mut report)?;
    }
    if let Some(file) = &args.patch {
        let patch = patch()?;
        fs::write(file, &patch)?;
        if !patch.is_empty() {
            let names = if args.names.is_empty() {
                String::new()
            } else {
                format!(" {}", args.names.join(" "))
            };
            let how = format!(
                "`git apply {}`, or `cargo xtask update{names}`",
                file.display()
            );
            say(&format!(
                "headers/ has changed; to update another checkout: {how}"
            ));
            if args.format == Format::Github {
                check_abi::summarize(&format!("headers/ is out of date. To update it: {how}\n\n"))?;
            }
        }
    }
    // The patch does not depend on the list of accepted drift.
    check_abi::accept(&mut report)?;
    check_abi::print(&report, args.format)?;
    Ok(check_abi::outcome(&report, report::FailOn::Any))
}

/// Updates one kernel of the catalogue.
fn update(
    args: &Args,
    cache: &Cache,
    spec: &KernelSpec,
    usage: &Usage,
    report: &mut DriftReport,
) -> Result<()> {
    let install = args.install.allowed();
    packages::require(&needs::to_build(Some(spec)), install)?;
    let newest = acquire::newest(cache, spec)?;
    if !spec.is_stock() {
        return pin(&workspace().join("headers/kernels.toml"), &newest);
    }
    let kernel = acquire::fetch(cache, &newest)?;
    let before = snapshot(&spec.name)?;
    let _step = Progress::start(format!(
        "{}: {} after {}",
        spec.name, newest.release, before.release
    ));
    crate::snapshot::take(
        cache,
        &kernel,
        install,
        &workspace().join("headers/snapshots").join(&spec.name),
    )?;
    pin(&workspace().join("headers/kernels.toml"), &newest)?;
    history::add_kernel(&kernel)?;
    let after = snapshot(&spec.name)?;
    let label = |release: &str| format!("{} ({release})", spec.name);
    let names = (&*label(&before.release), &*label(&after.release));
    report.checks.push(compare::in_scope(
        (&before, Says::ALL),
        (&after, Says::ALL),
        usage,
        names,
        None,
    ));
    report
        .checks
        .push(check_abi::bindings(&spec.name, cache, install)?);
    Ok(())
}

/// Pins this version of the kernel in the catalogue. Comments and order are kept.
fn pin(path: &Path, spec: &KernelSpec) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let pinned = pinned(&text, spec).map_err(|found| {
        Error::new(
            path.display(),
            format_args!("a table [kernels.\"{}\"]", spec.name),
            found,
            "correct that file",
        )
    })?;
    if pinned != text {
        fs::write(path, pinned)?;
    }
    Ok(())
}

fn pinned(text: &str, spec: &KernelSpec) -> Result<String, String> {
    let mut document: toml_edit::DocumentMut = text
        .parse()
        .map_err(|e: toml_edit::TomlError| e.to_string())?;
    let table = document
        .get_mut("kernels")
        .and_then(|kernels| kernels.get_mut(&spec.name))
        .and_then(toml_edit::Item::as_table_mut)
        .ok_or("none")?;
    for (key, value) in [("release", &spec.release), ("version", &spec.version)] {
        table.insert(key, toml_edit::value(value));
    }
    Ok(document.to_string())
}

/// Returns the changes in headers/, including new files. Does not change the repository's index.
fn patch() -> Result<String> {
    let dir = workspace();
    let temp = fs::tempdir()?;
    let index = temp.path().join("index");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        // In a container, the checkout can belong to another user.
        git.arg("-c")
            .arg(format!("safe.directory={}", dir.display()))
            .arg("-C")
            .arg(&dir)
            .args(arguments);
        git.env("GIT_INDEX_FILE", &index);
        git
    };
    process::run(&mut git(&["read-tree", "HEAD"]))?;
    process::run(&mut git(&["add", "--all", "headers"]))?;
    process::run(&mut git(&[
        "diff", "--cached", "--binary", "HEAD", "--", "headers",
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_changes_two_lines_and_no_comment() {
        let catalogue = catalogue().unwrap();
        let text = std::fs::read_to_string(workspace().join("headers/kernels.toml")).unwrap();
        let spec = catalogue.get("debian-6.12").unwrap();
        assert_eq!(pinned(&text, spec).unwrap(), text);
        let newer = KernelSpec {
            release: "6.12.999+deb12-amd64".into(),
            version: "6.12.999-1".into(),
            ..spec.clone()
        };
        let new = pinned(&text, &newer).unwrap();
        let changed: Vec<&str> = new
            .lines()
            .filter(|line| !text.lines().any(|old| old == *line))
            .collect();
        assert_eq!(
            changed,
            [
                "release = \"6.12.999+deb12-amd64\"",
                "version = \"6.12.999-1\""
            ]
        );
        assert_eq!(new.lines().count(), text.lines().count());
        let unknown = KernelSpec {
            name: "debian-0".into(),
            ..newer
        };
        assert_eq!(pinned(&text, &unknown).unwrap_err(), "none");
    }
}
