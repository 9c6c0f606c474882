// SPDX-License-Identifier: GPL-2.0-only
//! What has to be installed on the system, and how it gets there: with `--install` and not otherwise.

use std::process::Command;

use crate::process;
use crate::{Error, Result};

/// Whether a command may install what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// `--install` was given.
    Allowed,
    /// Name what is missing and how to install it, and stop.
    Refused,
}

/// One thing that a command needs on the system.
#[derive(Debug, Clone)]
pub struct Need {
    /// What it is, for a person: "QEMU for x86".
    pub what: &'static str,
    /// What it is needed for.
    pub reason: &'static str,
    /// Debian's packages that bring it.
    pub packages: &'static [&'static str],
    /// Whether it is there.
    pub present: fn() -> bool,
}

/// Makes sure that all of `needs` are there: installs what is missing if that is allowed, else names it and the
/// line that installs it.
pub fn require(needs: &[Need], install: Install) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    let names: Vec<String> = missing
        .iter()
        .map(|need| format!("{} ({})", need.what, need.reason))
        .collect();
    if install == Install::Refused {
        return Err(Error::new(
            "this system",
            names.join("\n"),
            "not installed",
            format_args!(
                "add --install to have them installed, or run:\n{}",
                install_line(&packages)
            ),
        ));
    }
    apt_install(&packages)?;
    match missing.iter().find(|need| !(need.present)()) {
        None => Ok(()),
        Some(need) => Err(Error::new(
            need.packages.join(" "),
            format_args!("{} once the package is installed", need.what),
            "it is still not there",
            "report this with the output of `cargo xtask doctor`",
        )),
    }
}

/// The line that installs these packages.
pub fn install_line(packages: &[&str]) -> String {
    format!(
        "{}apt-get install --no-install-recommends {}",
        if is_root() { "" } else { "sudo " },
        packages.join(" ")
    )
}

fn apt_install(packages: &[&str]) -> Result<()> {
    if process::find_program("apt-get").is_none() {
        return Err(Error::new(
            "--install",
            "apt-get, the package manager that it knows",
            "none on the PATH",
            format_args!(
                "install what Debian calls {} with this system's package manager",
                packages.join(", ")
            ),
        ));
    }
    let first = apt_get(&["install", "--yes", "--no-install-recommends"], packages);
    if first.is_ok() {
        return Ok(());
    }
    // The lists may be missing or older than the archive.
    apt_get(&["update"], &[])?;
    apt_get(&["install", "--yes", "--no-install-recommends"], packages)
}

fn apt_get(words: &[&str], packages: &[&str]) -> Result<()> {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("apt-get");
        sudo
    };
    command
        .args(words)
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    crate::progress::say(&process::command_line(&command));
    process::run(&mut command).map(drop)
}

/// Whether we are root.
pub fn is_root() -> bool {
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_line_that_installs_it() {
        let need = Need {
            what: "a unicorn",
            reason: "to ride",
            packages: &["unicorn"],
            present: || false,
        };
        let text = require(&[need], Install::Refused).unwrap_err().to_string();
        assert!(text.contains("a unicorn (to ride)"), "{text}");
        assert!(
            text.contains("apt-get install --no-install-recommends unicorn"),
            "{text}"
        );
    }

    #[test]
    fn what_is_there_needs_nothing() {
        let need = Need {
            what: "air",
            reason: "to breathe",
            packages: &["air"],
            present: || true,
        };
        require(&[need], Install::Refused).unwrap();
    }
}
