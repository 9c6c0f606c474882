// SPDX-License-Identifier: GPL-2.0-only
//! A kernel for which modules can be built.

use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::btf_file::BtfFile;
use linux_driver_host::{Error, Result};
use serde::Serialize;

use crate::build_host::BuildHost;
use crate::build_tree::BuildTree;
use crate::record::Package;

/// A kernel that modules can be built for.
#[derive(Debug, Clone, Serialize)]
pub struct Kernel {
    /// Its name in the catalogue, "running", or the path of its build tree.
    pub name: String,
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// The version of its packages, if it was fetched.
    pub version: Option<String>,
    /// The kernel's name of the architecture: "x86".
    pub arch: String,
    /// The compiler that it was built with, as its `.config` has it.
    pub compiler: String,
    /// Its build tree.
    pub build_tree: PathBuf,
    /// The kernel itself, to boot.
    pub image: Option<PathBuf>,
    /// The kernel unpacked, which boots faster in a virtual machine. Only a fetched kernel has it.
    pub unpacked: Option<PathBuf>,
    /// The host that its tools run on.
    pub host: BuildHost,
    /// The packages that it consists of, if it was fetched.
    pub packages: Vec<Package>,
    /// A remark for the user, such as why it is not the pinned version.
    pub note: Option<String>,
}

impl Kernel {
    /// Returns a command that runs with the kernel's tools. It sees the kernel's tree and `dirs` at
    /// their own paths.
    pub fn command(&self, program: &str, dirs: &[&Path]) -> Command {
        self.host.command(program, dirs)
    }

    /// Returns the kernel's type information, and the name of its source: the build tree (Debian's
    /// from 6.12 on), the image, or, if it is the running kernel, the system.
    pub fn btf(&self) -> Result<(BtfFile, &'static str)> {
        let running = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let sys =
            (running.trim() == self.release).then(|| PathBuf::from("/sys/kernel/btf/vmlinux"));
        let places = [
            (
                Some(self.build_tree.join("vmlinux")),
                "vmlinux of the build tree",
            ),
            (self.image.clone(), "the kernel's image"),
            (sys, "the kernel that runs"),
        ];
        let mut found = Vec::new();
        for (place, what) in places {
            let Some(place) = place.filter(|place| place.is_file()) else {
                continue;
            };
            match BtfFile::open(&place) {
                Ok(source) => return Ok((source, what)),
                Err(error) => found.push(error.to_string()),
            }
        }
        if found.is_empty() {
            found.push("neither a vmlinux in the tree nor an image".to_owned());
        }
        Err(Error::new(
            self.build_tree.display(),
            format_args!("the type information (BTF) of {}", self.release),
            found.join("\n"),
            "put the kernel's vmlinux into the build tree, install its image, or give the file that holds its BTF with --btf",
        ))
    }

    /// Returns the kernel's image, to boot in a virtual machine; an error if there is none.
    pub fn bootable(&self) -> Result<&Path> {
        self.image.as_deref().ok_or_else(|| {
            Error::new(
                &self.name,
                "a kernel that can be booted",
                self.note.as_deref().unwrap_or("no image of it is known"),
                "put its bzImage into the tree (vmlinuz, or arch/x86/boot/bzImage), install the package of the image, or use \
                 --kernel NAME",
            )
        })
    }

    /// Returns its build tree, opened.
    pub fn tree(&self) -> Result<BuildTree> {
        BuildTree::open(&self.build_tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_an_image_cannot_be_booted() {
        let mut kernel = Kernel {
            name: "k".to_owned(),
            release: "6.12".to_owned(),
            version: None,
            arch: "x86".to_owned(),
            compiler: String::new(),
            build_tree: PathBuf::from("/tree"),
            image: Some(PathBuf::from("/vmlinuz")),
            unpacked: Some(PathBuf::from("/vmlinux")),
            host: BuildHost::Native,
            packages: Vec::new(),
            note: None,
        };
        assert_eq!(kernel.bootable().unwrap(), Path::new("/vmlinuz"));
        kernel.image = None;
        let error = kernel.bootable().unwrap_err().to_string();
        assert!(error.contains("vmlinuz"), "{error}");
    }
}
