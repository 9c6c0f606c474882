// SPDX-License-Identifier: GPL-2.0-only
//! A kernel build tree: what `/lib/modules/RELEASE/build` points to, or `make O=…` fills.

use std::path::{Path, PathBuf};

use linux_driver_host::path::fit_for_make;
use linux_driver_host::{Error, Result, fs};

use crate::config::Config;

/// A build tree that has all that an external module needs.
#[derive(Debug, Clone)]
pub struct BuildTree {
    /// The folder, absolute.
    pub dir: PathBuf,
    /// The kernel's release, as `uname -r` prints it.
    pub release: String,
    /// The kernel's name of the architecture: "x86".
    pub arch: String,
    /// Its `.config`.
    pub config: Config,
}

/// The files that only a prepared tree has, each with its purpose.
const NEEDED: [(&str, &str); 5] = [
    ("Makefile", "the kernel's Makefile"),
    (".config", "the kernel's configuration"),
    (
        "include/generated/autoconf.h",
        "the configuration as C macros",
    ),
    ("include/generated/utsrelease.h", "the kernel's release"),
    ("Module.symvers", "the symbols that the kernel exports"),
];

impl BuildTree {
    /// Opens the tree and checks that it is complete and of an architecture that drivers can be
    /// built for.
    pub fn open(dir: &Path) -> Result<Self> {
        // A path that ends in a slash must be a folder's.
        let dir = dir.join("").canonicalize().map_err(|e| {
            Error::new(dir.display(), "the folder of a kernel build tree", e, "give --kdir a folder such as /lib/modules/RELEASE/build, or use --kernel NAME (`cargo xtask kernels` lists them)")
        })?;
        fit_for_make(
            &dir,
            "a kernel's build tree",
            "move the tree to such a path",
        )?;
        for (file, what) in NEEDED {
            if !dir.join(file).is_file() {
                let remedy = if dir.join("Kconfig").is_file() {
                    "this is a source tree: configure and build it first (`make olddefconfig modules_prepare`, then `make` for Module.symvers)"
                } else {
                    "give the build tree of an installed headers package (/lib/modules/RELEASE/build), or use --kernel NAME to have one fetched"
                };
                return Err(Error::new(
                    dir.join(file).display(),
                    format_args!("{what}, in a complete kernel build tree"),
                    "no such file",
                    remedy,
                ));
            }
        }
        let config = Config::read(&dir.join(".config"))?;
        let release = release_of(&dir)?;
        let arch = arch_of(&dir, &config)?;
        Ok(Self {
            release,
            arch,
            config,
            dir,
        })
    }

    /// Returns the path of the list of exported symbols.
    pub fn symvers(&self) -> PathBuf {
        self.dir.join("Module.symvers")
    }
}

/// Returns UTS_RELEASE, with which a module's vermagic starts. (`kernel.release` can lack the
/// distribution's part.)
fn release_of(dir: &Path) -> Result<String> {
    let path = dir.join("include/generated/utsrelease.h");
    let text = fs::read_to_string(&path)?;
    let define = text
        .lines()
        .find_map(|line| line.strip_prefix("#define UTS_RELEASE "));
    define
        .map(|value| value.trim().trim_matches('"').to_owned())
        .ok_or_else(|| {
            Error::new(
                path.display(),
                "a line `#define UTS_RELEASE \"…\"`",
                "none",
                "prepare the tree again (`make modules_prepare`)",
            )
        })
}

fn arch_of(dir: &Path, config: &Config) -> Result<String> {
    let host = std::env::consts::ARCH;
    if config.is_set("CONFIG_X86_64") {
        return Ok("x86".to_owned());
    }
    let known = [
        "CONFIG_X86_32",
        "CONFIG_ARM64",
        "CONFIG_ARM",
        "CONFIG_RISCV",
        "CONFIG_PPC",
        "CONFIG_S390",
        "CONFIG_MIPS",
        "CONFIG_LOONGARCH",
    ];
    let found = known
        .iter()
        .find(|name| config.is_set(name))
        .map_or("an architecture that its .config does not name", |name| {
            &name["CONFIG_".len()..]
        });
    Err(Error::new(
        dir.join(".config").display(),
        format_args!(
            "a kernel for x86_64 (CONFIG_X86_64=y), which drivers are built for on this {host} machine"
        ),
        format_args!("a kernel for {found}"),
        "give the build tree of an x86_64 kernel",
    ))
}
