// SPDX-License-Identifier: GPL-2.0-only
//! The names that a driver's files contain.

use std::path::Path;

use linux_driver_host::{Error, Result};

/// The length of a module's name: `MODULE_NAME_LEN` of `<linux/module.h>`, with the NUL byte.
const MODULE_NAME_LEN: usize = 56;
/// The length of a platform device's name: `PLATFORM_NAME_SIZE` of `<linux/mod_devicetable.h>`,
/// with the NUL byte.
const PLATFORM_NAME_SIZE: usize = 20;
/// Names that Rust, cargo or this project have for something else.
const TAKEN: [&str; 61] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "linux_driver",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "where",
    "while",
    "xtask",
    "yield",
];

/// A driver's name in its forms.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The name of the package and its folder: "my-driver".
    pub(super) package: String,
    /// The name of the module and of the driver: "my_driver".
    pub(super) module: String,
    /// The name of the type: "MyDriver". It ends in "Driver", so nothing else that the driver's
    /// file uses has it, such as `Result`.
    pub(super) of_type: String,
}

impl Name {
    /// Returns the names of the driver in this folder.
    pub(super) fn of(dir: &Path) -> Result<Self> {
        let package = dir.file_name().unwrap_or_default().to_string_lossy();
        let wrong = |found: &str| {
            Err(Error::new(
                dir.display(),
                format_args!(
                    "a folder with the name of a crate and a module: a small letter, then small letters, digits, `-` or `_`, at \
                     most {} in all",
                    MODULE_NAME_LEN - 1
                ),
                found,
                "name another folder, such as ../my-driver",
            ))
        };
        let module = package.replace('-', "_");
        let starts = package.starts_with(|c: char| c.is_ascii_lowercase());
        let has_others =
            |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        if !starts || package.contains(has_others) {
            return wrong(&format!("{package:?}"));
        }
        if package.len() >= MODULE_NAME_LEN {
            return wrong(&format!("{} characters", package.len()));
        }
        if TAKEN.contains(&&*module) {
            return wrong(&format!(
                "{package:?}, which has a meaning for Rust or cargo"
            ));
        }
        let parts = || module.split('_');
        if parts().any(str::is_empty) {
            return wrong(&format!("{package:?}, with `-` or `_` twice or at its end"));
        }
        if package.starts_with("linux-driver-") {
            return wrong(&format!(
                "{package:?}, as linux-driver names its own packages"
            ));
        }
        let mut words: Vec<String> = parts()
            .map(|word| {
                let (first, rest) = word.split_at(word.len().min(1));
                first.to_ascii_uppercase() + rest
            })
            .collect();
        if words.len() < 2 || words.last().is_none_or(|last| last != "Driver") {
            words.push("Driver".to_owned());
        }
        Ok(Self {
            of_type: words.concat(),
            package: package.into_owned(),
            module,
        })
    }
}

/// Returns the name of a platform device, if it can be one.
pub(super) fn of_platform_device(name: &str) -> Result<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:+".contains(c);
    if !name.is_empty() && name.len() < PLATFORM_NAME_SIZE && name.chars().all(is_plain) {
        return Ok(name.to_owned());
    }
    Err(Error::new(
        "--platform",
        format_args!(
            "the name of a platform device: 1 to {} letters, digits or `-_.,:+`",
            PLATFORM_NAME_SIZE - 1
        ),
        format_args!("{name:?}"),
        "/sys/bus/platform/devices lists those of this computer, each with its number after a dot",
    ))
}

/// Names of device files that the kernel has, or that are well known.
const DEVICE_FILES: [&str; 21] = [
    "console", "fd", "full", "fuse", "hpet", "input", "kmsg", "kvm", "log", "mem", "null", "port",
    "ptmx", "pts", "random", "rtc", "shm", "snapshot", "tty", "urandom", "zero",
];

/// Returns an error if the driver's name is that of another device file.
pub(super) fn must_be_free_in_dev(name: &Name) -> Result<()> {
    if !DEVICE_FILES.contains(&&*name.package) {
        return Ok(());
    }
    Err(Error::new(
        "--misc",
        "a driver whose name no other device file has",
        format_args!("{:?}: /dev/{0} is another file", name.package),
        "name another folder",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dir: &str) -> Result<Name> {
        Name::of(Path::new(dir))
    }

    #[test]
    fn a_name_has_three_forms() {
        let name = of("/home/me/my-2nd_driver").unwrap();
        let forms = (&*name.package, &*name.module, &*name.of_type);
        assert_eq!(forms, ("my-2nd_driver", "my_2nd_driver", "My2ndDriver"));
        assert_eq!(of("/file").unwrap().of_type, "FileDriver");
        assert_eq!(of("/driver").unwrap().of_type, "DriverDriver");
        assert!(of(&format!("/{}", "a".repeat(55))).is_ok());
    }

    #[test]
    fn other_names_are_refused() {
        let long = "a".repeat(56);
        for wrong in [
            "2nd",
            "-a",
            "a--b",
            "a_",
            "linux-driver-xtask",
            "My",
            "a b",
            "ä",
            "a.b",
            "xtask",
            "linux-driver",
            "core",
            &long,
        ] {
            let error = of(&format!("/{wrong}")).unwrap_err().to_string();
            assert!(error.contains("the name of a crate"), "{error}");
        }
        assert!(of("/").is_err());
    }

    #[test]
    fn a_platform_device_has_19_characters_at_most() {
        assert_eq!(of_platform_device("a,b-1").unwrap(), "a,b-1");
        assert!(of_platform_device(&"a".repeat(19)).is_ok());
        for wrong in ["", "a b", "a\"", "ü", &"a".repeat(20)] {
            assert!(of_platform_device(wrong).is_err(), "{wrong}");
        }
    }
}
