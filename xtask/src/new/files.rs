// SPDX-License-Identifier: GPL-2.0-only
//! The files of a new repository.

use std::fmt::{self, Display};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use linux_driver_host::{Error, Result, fs, process};

use crate::folders::workspace;

use super::devices::{Id, OF_QEMU};
use super::name::Name;

/// A platform device that each PC has, and the machine too.
const SPEAKER: &str = "pcspkr";

/// The devices that a driver is for.
pub(super) enum Kind {
    /// PCI devices with these IDs.
    Pci(Id),
    /// Platform devices with this name.
    Platform(String),
    /// A device file, without hardware.
    Misc,
}

impl Kind {
    /// Describes the driver in some words.
    pub(super) fn what(&self, name: &Name) -> String {
        match self {
            Self::Pci(id) => format!("driver for the PCI device {id}"),
            Self::Platform(device) => format!("driver for platform devices with the name {device}"),
            Self::Misc => format!("driver that makes the device file /dev/{}", name.package),
        }
    }

    /// Returns the source of the driver and of its trial, with marks for the names.
    fn templates(&self) -> (&'static str, &'static str) {
        match self {
            Self::Pci(id) => (
                include_str!("template/pci.rs.in"),
                match of_qemu(*id) {
                    Some(_) => include_str!("template/pci.toml.in"),
                    None => include_str!("template/other-pci.toml.in"),
                },
            ),
            Self::Platform(device) => (
                include_str!("template/platform.rs.in"),
                if device == SPEAKER {
                    include_str!("template/pcspkr.toml.in")
                } else {
                    include_str!("template/platform.toml.in")
                },
            ),
            Self::Misc => (
                include_str!("template/misc.rs.in"),
                include_str!("template/misc.toml.in"),
            ),
        }
    }
}

/// Returns the device of QEMU with these IDs.
fn of_qemu(id: Id) -> Option<&'static str> {
    OF_QEMU
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, device)| *device)
}

/// The origin of the linux-driver that a driver depends on.
pub(super) enum Source {
    /// A commit of a git repository.
    Git { url: String, rev: String },
    /// A checkout, relative to the driver's folder.
    Path(String),
}

impl Source {
    /// Returns the commit of a git repository.
    pub(super) fn at_url(url: String, rev: String) -> Result<Self> {
        let is_plain = |text: &str| {
            !text.is_empty() && !text.contains(|c: char| c.is_control() || "\"\\ ".contains(c))
        };
        for (option, text) in [("--git", &url), ("--rev", &rev)] {
            if !is_plain(text) {
                return Err(Error::new(
                    option,
                    "an address or a commit, without spaces and quotes",
                    format_args!("{text:?}"),
                    "correct it",
                ));
            }
        }
        Ok(Self::Git { url, rev })
    }

    /// Returns the checkout in `path`, as the driver in `dir` names it.
    pub(super) fn at_path(path: &Path, dir: &Path) -> Result<Self> {
        let wrong = |found: String| {
            Error::new(
                path.display(),
                "a checkout of linux-driver, for --path",
                found,
                "give the folder that contains its Cargo.toml, safe and xtask",
            )
        };
        let absolute = path.canonicalize().map_err(|e| wrong(e.to_string()))?;
        for part in ["Cargo.toml", "safe/Cargo.toml", "xtask/Cargo.toml"] {
            if !absolute.join(part).is_file() {
                return Err(wrong(format!("no {part} in it")));
            }
        }
        let relative = relative(&absolute, dir);
        let text = relative
            .to_str()
            .filter(|text| !text.contains(|c: char| c.is_control() || "\"\\".contains(c)));
        let text = text.ok_or_else(|| wrong("a path that a manifest cannot contain".to_owned()))?;
        Ok(Self::Path(text.to_owned()))
    }

    /// Returns the dependency on the crate in this folder of linux-driver, as a manifest has it.
    fn dependency(&self, folder: &str) -> String {
        match self {
            Self::Git { url, rev } => format!("git = \"{url}\", rev = \"{rev}\""),
            Self::Path(path) => format!("path = \"{path}{folder}\""),
        }
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git { url, rev } => write!(f, "{url} at {rev}"),
            Self::Path(path) => f.write_str(path),
        }
    }
}

/// Returns the path of `to`, as seen from the folder `from`. Both are absolute.
fn relative(to: &Path, from: &Path) -> PathBuf {
    let shared = to
        .components()
        .zip(from.components())
        .take_while(|(a, b)| a == b)
        .count();
    // Two paths that share only the root move together seldom.
    if shared < 2 {
        return to.to_owned();
    }
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

/// Writes the files of a repository into the folder `dir`.
pub(super) fn write(dir: &Path, name: &Name, kind: &Kind, source: &Source) -> Result<()> {
    let (driver, trial) = kind.templates();
    let (id, device) = match kind {
        Kind::Pci(id) => (Some(*id), format!("{:04x}", id.device)),
        Kind::Platform(device) => (None, device.clone()),
        Kind::Misc => (None, String::new()),
    };
    let marks = [
        ("@NAME@", name.package.clone()),
        ("@FILE@", name.package.clone()),
        ("@MODULE@", name.module.clone()),
        ("@TYPE@", name.of_type.clone()),
        (
            "@VENDOR@",
            id.map(|id| format!("{:04x}", id.vendor))
                .unwrap_or_default(),
        ),
        ("@DEVICE@", device),
        (
            "@QEMU@",
            id.and_then(of_qemu).unwrap_or_default().to_owned(),
        ),
        ("@AUTHOR@", author()?),
        ("@WHAT@", format!("A {}", kind.what(name))),
        ("@LIBRARY@", source.dependency("")),
        ("@TOOL@", source.dependency("/xtask/launcher")),
    ];
    let fill = |text: &str| {
        marks.iter().fold(text.to_owned(), |text, (mark, value)| {
            text.replace(mark, value)
        })
    };
    let license = fs::read_to_string(workspace().join("LICENSES/GPL-2.0-only.txt"))?;
    for (file, text) in [
        ("Cargo.toml", fill(include_str!("template/Cargo.toml.in"))),
        ("src/lib.rs", fill(driver)),
        ("trial.toml", fill(trial)),
        ("README.md", fill(include_str!("template/README.md.in"))),
        ("LICENSE", license),
        (".gitignore", include_str!("template/gitignore").to_owned()),
        (
            ".cargo/config.toml",
            include_str!("template/config.toml").to_owned(),
        ),
        (
            ".github/workflows/CI.yml",
            include_str!("template/ci.yml").to_owned(),
        ),
        (
            "xtask/Cargo.toml",
            include_str!("template/xtask.toml.in").to_owned(),
        ),
        (
            "xtask/src/main.rs",
            include_str!("template/xtask.rs").to_owned(),
        ),
    ] {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fs::write(path, text)?;
    }
    // A temporary folder is closed to others.
    fs::set_mode(dir, 0o755)
}

/// Returns the user's name as git knows it, for `MODULE_AUTHOR`.
fn author() -> Result<String> {
    let git = |key: &str| {
        let found = process::find_program("git")
            .map(|_| process::output(Command::new("git").args(["config", "--get", key])));
        let output = found.transpose()?;
        let text = output
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let is_plain = |text: &String| {
            !text.is_empty() && !text.contains(|c: char| c.is_control() || "\"\\@".contains(c))
        };
        Result::Ok(text.filter(is_plain))
    };
    Ok(git("user.name")?.unwrap_or_else(|| "A. Author".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_relative_to_the_driver() {
        let path = |to: &str, from: &str| relative(Path::new(to), Path::new(from));
        assert_eq!(
            path("/home/me/linux-driver", "/home/me/my"),
            Path::new("../linux-driver")
        );
        assert_eq!(path("/home/me/a/b", "/home/me/c/d"), Path::new("../../a/b"));
        assert_eq!(
            path("/opt/linux-driver", "/home/me/my"),
            Path::new("/opt/linux-driver")
        );
    }

    #[test]
    fn an_address_that_a_manifest_cannot_contain_is_refused() {
        let at = |url: &str, rev: &str| Source::at_url(url.to_owned(), rev.to_owned());
        assert!(at("file:///a", "0123abc").is_ok());
        for (url, rev) in [
            ("a\"b", "1"),
            ("", "1"),
            ("a", ""),
            ("a", "1 2"),
            ("a\\", "1"),
        ] {
            assert!(at(url, rev).is_err(), "{url} {rev}");
        }
    }
}
