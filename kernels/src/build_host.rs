// SPDX-License-Identifier: GPL-2.0-only
//! The place where a kernel's tools run: this host, or a build root.
//!
//! A kernel needs the compiler that it was built with. Its own host programs (fixdep, modpost,
//! objtool) need the libraries of the distribution that built them. On a host without them, the
//! tools run in a *build root*: the packages that they need, unpacked in the cache, under
//! bubblewrap. A build root has only the user's privileges. It sees the folders that it works on at
//! their own paths, so that the commands which Kbuild records are valid outside too.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use linux_driver_host::process;
use serde::Serialize;

/// The place where a kernel's tools run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildHost {
    /// On this host.
    Native,
    /// In a build root.
    Root(BuildRoot),
}

/// A build root, for one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildRoot {
    /// The folder that becomes the root file system.
    pub dir: PathBuf,
    /// The kernel's folder in the cache, which is seen too, read-only.
    pub kernel: PathBuf,
}

impl BuildHost {
    /// Returns a command that sees `dirs` at their own paths and can write there, except in the
    /// kernel's own. The folder that it is started in (that of this process, or `current_dir`)
    /// stays the same if it is in one of them.
    ///
    /// In a root it has a clean environment, to which `env` adds, and ends when the thread ends
    /// that started it.
    pub fn command(&self, program: &str, dirs: &[&Path]) -> Command {
        match self {
            Self::Native => Command::new(program),
            Self::Root(root) => root.command(program, dirs),
        }
    }

    /// Returns whether a program of this name can be started there.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        match self {
            Self::Native => process::find_program(name).is_some(),
            Self::Root(root) => root.dir.join("usr/bin").join(name).exists(),
        }
    }
}

impl BuildRoot {
    fn command(&self, program: &str, dirs: &[&Path]) -> Command {
        let dirs = dirs
            .iter()
            .map(|dir| absolute(dir).unwrap_or_else(|_| dir.to_path_buf()));
        // The kernel's folder is mounted read-only below: nothing in the cache may change.
        let dirs: Vec<PathBuf> = dirs.filter(|dir| !dir.starts_with(&self.kernel)).collect();
        let mut seen = dirs.clone();
        seen.push(self.kernel.clone());
        let mut words: Vec<OsString> = Vec::new();
        mounts(&self.dir, Path::new("/"), &seen, &mut words);
        for (option, path) in [("--proc", "/proc"), ("--dev", "/dev"), ("--tmpfs", "/tmp")] {
            words.extend([option.into(), path.into()]);
        }
        words.extend([
            "--ro-bind".into(),
            self.kernel.clone().into(),
            self.kernel.clone().into(),
        ]);
        for dir in dirs {
            words.extend(["--bind".into(), dir.clone().into(), dir.into()]);
        }
        let mut command =
            Command::new(process::find_program("bwrap").unwrap_or_else(|| "bwrap".into()));
        command
            .args(words)
            .args(["--unshare-pid", "--die-with-parent", "--", program]);
        command.env_clear().envs([
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/tmp"),
            ("LC_ALL", "C"),
        ]);
        command
    }
}

/// Adds the options that mount the contents of `dir` at `at`, read-only. A folder in which one of
/// `seen` will be mounted is replaced by a new one, because a mount point cannot be made in a
/// read-only folder.
fn mounts(dir: &Path, at: &Path, seen: &[PathBuf], words: &mut Vec<OsString>) {
    // If the root cannot be read, its programs are not found, and that error is reported.
    let mut entries: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (from, to) = (entry.path(), at.join(entry.file_name()));
        if seen.contains(&to) {
            continue;
        }
        if let Ok(target) = fs::read_link(&from) {
            words.extend(["--symlink".into(), target.into(), to.into()]);
        } else if from.is_dir() && seen.iter().any(|path| path.starts_with(&to)) {
            words.extend(["--dir".into(), to.clone().into()]);
            mounts(&from, &to, seen, words);
        } else {
            words.extend(["--ro-bind".into(), from.into(), to.into()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_inside_the_root_file_system_has_its_mount_point() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["usr/bin", "usr/src/other", "etc"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", dir.path().join("bin")).unwrap();
        let mut words = Vec::new();
        mounts(
            dir.path(),
            Path::new("/"),
            &["/usr/src/linux".into(), "/srv".into()],
            &mut words,
        );
        let text = words
            .iter()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let from = dir.path().display();
        let expected = format!(
            "--symlink usr/bin /bin --ro-bind {from}/etc /etc --dir /usr --ro-bind {from}/usr/bin /usr/bin \
             --dir /usr/src --ro-bind {from}/usr/src/other /usr/src/other"
        );
        assert_eq!(text, expected);
    }
}
