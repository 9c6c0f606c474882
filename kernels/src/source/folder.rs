// SPDX-License-Identifier: GPL-2.0-only
//! A kernel whose build tree is a folder of this system: `--kdir`, or the kernel that runs.

use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result, fs};

use crate::build_host::BuildHost;
use crate::build_tree::BuildTree;
use crate::catalogue::RUNNING;
use crate::compiler::Compiler;
use crate::kernel::Kernel;
use crate::obstacles::{Obstacle, obstacles};

impl Kernel {
    /// Returns the kernel that runs.
    pub fn running() -> Result<Self> {
        let path = Path::new("/proc/sys/kernel/osrelease");
        let release = fs::read_to_string(path)?;
        let release = release.trim();
        let dir = Path::new("/lib/modules").join(release).join("build");
        if !dir.is_dir() {
            return Err(Error::new(
                dir.display(),
                "the build tree of the kernel that runs",
                "no such folder",
                format_args!(
                    "install its headers (Debian and Ubuntu: apt-get install linux-headers-{release}; Fedora: dnf install \
                     kernel-devel-{release}), or name another kernel (`cargo xtask kernels` lists them)"
                ),
            ));
        }
        let mut kernel = Self::of_tree(&dir)?;
        kernel.name = RUNNING.to_owned();
        Ok(kernel)
    }

    /// Returns the kernel of a build tree, whose tools run on this host.
    pub fn of_tree(dir: &Path) -> Result<Self> {
        let tree = BuildTree::open(dir)?;
        Compiler::of(&tree.config).require(&tree, &BuildHost::Native)?;
        let mut notes = Vec::new();
        for obstacle in obstacles(&tree, &BuildHost::Native)? {
            match obstacle {
                // Kbuild takes the compiler of this host, which is fine for most modules.
                Obstacle::Compiler(text) => notes.push(text),
                Obstacle::Program(text) => {
                    return Err(Error::new(
                        tree.dir.display(),
                        "a build tree whose host programs run here",
                        text,
                        "prepare the tree on this host (`make modules_prepare`), install what they miss \
                         (libelf1), or use --kernel NAME, which has a build root of its own",
                    ));
                }
            }
        }
        let image = image_of(&tree);
        if image.is_none() {
            notes.push(format!(
                "no image to boot was found, neither in the tree nor as /boot/vmlinuz-{}",
                tree.release
            ));
        }
        Ok(Self {
            name: tree.dir.display().to_string(),
            compiler: tree
                .config
                .value("CONFIG_CC_VERSION_TEXT")
                .unwrap_or_default()
                .to_owned(),
            release: tree.release,
            version: None,
            arch: tree.arch,
            build_tree: tree.dir,
            image,
            unpacked: None,
            host: BuildHost::Native,
            packages: Vec::new(),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        })
    }
}

/// Returns the image that belongs to a build tree. A tree's `vmlinux` is none: it may hold nothing
/// but type information.
fn image_of(tree: &BuildTree) -> Option<PathBuf> {
    let release = &tree.release;
    let places = [
        tree.dir.join("vmlinuz"),
        tree.dir.join("arch/x86/boot/bzImage"),
        PathBuf::from(format!("/boot/vmlinuz-{release}")),
        PathBuf::from(format!("/lib/modules/{release}/vmlinuz")),
    ];
    places.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_a_tree_is_an_error_with_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let error = Kernel::of_tree(dir.path()).unwrap_err();
        assert!(error.remedy().contains("--kernel NAME"), "{error}");
    }
}
