// SPDX-License-Identifier: GPL-2.0-only
//! Programs of the workspace that only some commands need.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::Message;
use linux_driver_host::{Error, Result, process};

/// Builds the program of a package, with these further arguments of `cargo build`, and returns its
/// path. `manifest` is the `Cargo.toml` of the workspace.
///
/// # Errors
///
/// If cargo cannot build it.
pub(crate) fn build(manifest: &Path, package: &str, arguments: &[&str]) -> Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--quiet",
        "--message-format=json-render-diagnostics",
    ]);
    cargo.arg("--manifest-path").arg(manifest);
    // With this package too, the dependencies have the features that they have for it. So cargo
    // does not compile them again.
    cargo.args(["--package", package, "--package", env!("CARGO_PKG_NAME")]);
    let said = process::run(cargo.args(arguments))?;
    let messages = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    messages
        .filter_map(|message| match message {
            Message::CompilerArtifact(artifact) => Some(artifact),
            _ => None,
        })
        .filter(|artifact| artifact.target.is_bin() && artifact.target.name == package)
        .find_map(|artifact| artifact.executable)
        .map(Into::into)
        .ok_or_else(|| {
            Error::new(
                process::command_line(&cargo),
                format_args!("it to build the program {package}"),
                "no such program",
                "report this as a bug of linux-driver",
            )
        })
}
