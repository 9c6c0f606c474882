// SPDX-License-Identifier: GPL-2.0-only
//! The programs, libraries and files that the system must have. Packages are only installed if
//! `--install` is given.

use std::collections::BTreeSet;
use std::process::Command;

use crate::process;
use crate::{Error, Result};

/// The permission to install what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// `--install` was given: missing packages are installed.
    Allowed,
    /// The command names what is missing and how to install it, and stops.
    Refused,
}

/// One program, library or file that a command needs on the system.
#[derive(Debug, Clone)]
pub struct Need {
    /// Its name for a person: "QEMU for x86".
    pub what: &'static str,
    /// The purpose: "to boot a kernel".
    pub reason: &'static str,
    /// Debian's packages that contain it. If releases of Debian differ, alternatives are separated
    /// by ` | `, as in a package's own dependencies. The first one that apt offers is taken.
    pub packages: &'static [&'static str],
    /// Returns whether the system has it.
    pub present: fn() -> bool,
}

/// Checks that the system has all of `needs`. Installs what is missing if that is allowed.
///
/// # Errors
///
/// Something is missing: the error names it and the command line that installs it.
pub fn require(needs: &[Need], install: Install) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.packages)
        .copied()
        .collect();
    let names: Vec<String> = missing
        .iter()
        .map(|need| format!("{} ({})", need.what, need.reason))
        .collect();
    let lacking =
        |found: String, remedy: String| Error::new("this system", names.join("\n"), found, remedy);
    if install == Install::Refused {
        let remedy = format!(
            "add --install to have them installed, or {}",
            how_to_install(&packages)
        );
        return Err(lacking("not installed".to_owned(), remedy));
    }
    let user = User::this();
    if user == User::Plain {
        let found = "not installed; only root can install it, and sudo is missing".to_owned();
        return Err(lacking(found, how_to_install(&packages)));
    }
    if let Err(error) = apt_install(&packages, user) {
        process::check_interrupted()?;
        let found = format!(
            "not installed, and installing it failed:\n{}\n{}",
            error.location(),
            error.found()
        );
        return Err(lacking(
            found,
            format!("see the message above, or {}", how_to_install(&packages)),
        ));
    }
    match missing.iter().find(|need| !(need.present)()) {
        None => Ok(()),
        Some(need) => Err(Error::new(
            resolved(need.packages).join(" "),
            format_args!("{} once the package is installed", need.what),
            "it is still missing",
            "report this with the output of `cargo xtask doctor`",
        )),
    }
}

/// The user's permission to install packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum User {
    Root,
    /// A user who can become root through sudo.
    Sudo,
    /// A user who has to ask the administrator.
    Plain,
}

impl User {
    fn this() -> Self {
        if is_root() {
            Self::Root
        } else if process::find_program("sudo").is_some() {
            Self::Sudo
        } else {
            Self::Plain
        }
    }
}

/// Tells how to install these packages, as the end of a sentence: "run:" and the command line.
pub fn how_to_install(packages: &[&str]) -> String {
    how(&resolved(packages), User::this())
}

fn how(packages: &[String], user: User) -> String {
    let line = format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    );
    match user {
        User::Root => format!("run:\n{line}"),
        User::Sudo => format!("run:\nsudo {line}"),
        User::Plain => format!("run as root:\n{line}"),
    }
}

/// Chooses one of each package's alternatives: the first that apt offers, or the first of all if
/// apt offers none.
fn resolved(packages: &[&str]) -> Vec<String> {
    let mut names: Vec<&str> = packages
        .iter()
        .flat_map(|package| package.split(" | "))
        .collect();
    names.sort_unstable();
    names.dedup();
    let is_open = packages.iter().any(|package| package.contains(" | "));
    let offered = if is_open {
        offered(&names)
    } else {
        BTreeSet::new()
    };
    chosen(packages, &offered)
}

fn chosen(packages: &[&str], offered: &BTreeSet<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for package in packages {
        let first = package.split(" | ").next().unwrap_or(package);
        let found = package.split(" | ").find(|name| offered.contains(*name));
        let name = found.unwrap_or(first).to_owned();
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// Returns those of the packages that apt can install.
fn offered(names: &[&str]) -> BTreeSet<String> {
    let said = process::run(
        Command::new("apt-cache")
            .arg("policy")
            .args(names)
            .env("LC_ALL", "C"),
    );
    candidates(&said.unwrap_or_default())
}

/// Returns the packages that have a candidate in the output of `apt-cache policy`.
fn candidates(policy: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut package = "";
    for line in policy.lines() {
        match line.trim_start().strip_prefix("Candidate: ") {
            Some("(none)") => {}
            Some(_) => drop(all.insert(package.to_owned())),
            None if !line.starts_with(' ') => package = line.trim_end_matches(':'),
            None => {}
        }
    }
    all
}

fn apt_install(packages: &[&str], user: User) -> Result<()> {
    if process::find_program("apt-get").is_none() {
        return Err(Error::new(
            "--install",
            "apt-get, the only package manager that this tool knows",
            "no apt-get on the PATH",
            format_args!(
                "install Debian's {}, or what this system calls them, with its package manager",
                packages.join(", ")
            ),
        ));
    }
    let install = || {
        apt_get(
            &["install", "--yes", "--no-install-recommends"],
            &resolved(packages),
            user,
        )
    };
    if install().is_ok() {
        return Ok(());
    }
    process::check_interrupted()?;
    // The package lists may be missing or older than the archive.
    apt_get(&["update"], &[], user)?;
    install()
}

fn apt_get(words: &[&str], packages: &[String], user: User) -> Result<()> {
    let mut command = command(words, packages, user);
    crate::progress::say(&process::command_line(&command));
    process::run(&mut command).map(drop)
}

fn command(words: &[&str], packages: &[String], user: User) -> Command {
    const QUIET: &str = "DEBIAN_FRONTEND=noninteractive";
    // sudo passes no environment on.
    let mut command = Command::new(if user == User::Root { "env" } else { "sudo" });
    if user != User::Root {
        command.arg("env");
    }
    command.args([QUIET, "apt-get"]).args(words).args(packages);
    command
}

/// Returns whether this process runs as root.
pub fn is_root() -> bool {
    // SAFETY: geteuid(2) takes no argument and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_package_is_named_with_the_line_that_installs_it() {
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
    fn the_first_alternative_that_apt_offers_is_taken() {
        let policy = "libclang1:\n  Installed: (none)\n  Candidate: (none)\n  Version \
                      table:\nlibclang1-21:\n  Installed: (none)\n  \
                      Candidate: 1:21.1.5-1\n  Version table:\n     1:21.1.5-1 \
                      500\nlibclang1-19:\n  Installed: 1\n  Candidate: 1:19.1.7-3\n";
        let offered = candidates(policy);
        assert_eq!(
            offered.iter().map(String::as_str).collect::<Vec<_>>(),
            ["libclang1-19", "libclang1-21"]
        );
        let of = |packages: &[&str]| chosen(packages, &offered).join(" ");
        assert_eq!(
            of(&[
                "make",
                "libclang1 | libclang1-20 | libclang1-21 | libclang1-19"
            ]),
            "make libclang1-21"
        );
        // apt itself gives the best message about a package that it does not know.
        assert_eq!(of(&["gcc-12 | gcc", "make", "make"]), "gcc-12 make");
        assert_eq!(
            resolved(&["no-such-package-a | no-such-package-b"]),
            ["no-such-package-a"]
        );
    }

    #[test]
    fn the_install_line_suits_the_user() {
        let packages = ["make".to_owned()];
        let line = "apt-get install --no-install-recommends make";
        assert_eq!(how(&packages, User::Root), format!("run:\n{line}"));
        assert_eq!(how(&packages, User::Sudo), format!("run:\nsudo {line}"));
        assert_eq!(how(&packages, User::Plain), format!("run as root:\n{line}"));
        let typed = |user| process::command_line(&command(&["update"], &[], user));
        assert_eq!(
            typed(User::Root),
            "env DEBIAN_FRONTEND=noninteractive apt-get update"
        );
        assert_eq!(
            typed(User::Sudo),
            "sudo env DEBIAN_FRONTEND=noninteractive apt-get update"
        );
    }

    #[test]
    fn nothing_is_installed_if_nothing_is_missing() {
        let need = Need {
            what: "air",
            reason: "to breathe",
            packages: &["air"],
            present: || true,
        };
        require(&[need], Install::Refused).unwrap();
    }
}
