// SPDX-License-Identifier: GPL-2.0-only
//! Freshly installed Debian systems, for tests of a user's first steps.
//!
//! mmdebstrap makes each system once, in the target folder, where it is kept. A test gets its own
//! layer above it. A command sees the files that earlier commands wrote in the layer. Dropping the
//! value removes the layer. Commands run under bubblewrap, as root or as an ordinary user, with or
//! without the network.
//!
//! Needs root (as in a container of CI), mmdebstrap and bubblewrap.

#![allow(
    dead_code,
    reason = "each of the test crates that share this file uses a part of it"
)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// The environment of a command, without the variables that the test adds.
const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("DEBIAN_FRONTEND", "noninteractive"),
];

/// The variable with the archive's URI, if mmdebstrap's default is not used.
const MIRROR: &str = "LINUX_DRIVER_DEBIAN_MIRROR";

/// A test's own Debian system.
pub(crate) struct FreshRoot {
    /// The system as it was made. Nothing changes it.
    base: PathBuf,
    /// The files written since then: the layer above, or a whole copy.
    own: tempfile::TempDir,
    layered: bool,
}

impl FreshRoot {
    /// Returns a system of this suite ("bookworm", "trixie") with its essential packages, apt and
    /// `packages`. Recommended packages are left out.
    pub(crate) fn debian(suite: &str, packages: &[&str]) -> Self {
        // SAFETY: geteuid(2) takes no argument and cannot fail.
        let user = unsafe { libc::geteuid() };
        assert_eq!(
            user, 0,
            "a fresh system is made and entered by root: run this test as root"
        );
        let base = made(suite, packages);
        let kept = base.parent().unwrap();
        let own = tempfile::Builder::new()
            .prefix("own-")
            .tempdir_in(kept)
            .unwrap();
        for name in ["upper", "work", "root"] {
            fs::create_dir(own.path().join(name)).unwrap();
        }
        let mut this = Self {
            base,
            own,
            layered: true,
        };
        // Some file systems, such as that of a container, do not support a layer.
        if !this.sh("true").command().output().unwrap().status.success() {
            this.layered = false;
            let (from, to) = (this.base.join("."), this.own.path().join("root"));
            done(
                Command::new("cp")
                    .args(["-a", "--reflink=auto"])
                    .arg(from)
                    .arg(to),
            );
        }
        done(&mut this.sh("true").command());
        this
    }

    /// Returns a shell that runs this script in the system and ends at the first command that
    /// fails.
    pub(crate) fn sh(&self, script: &str) -> InRoot<'_> {
        self.program("sh", ["-euc", script])
    }

    /// Returns this program, to be run in the system.
    pub(crate) fn program<const N: usize>(&self, program: &str, words: [&str; N]) -> InRoot<'_> {
        InRoot {
            root: self,
            options: Vec::new(),
            environment: ENVIRONMENT
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            user: None,
            words: [program].iter().chain(&words).map(Into::into).collect(),
        }
    }
}

/// Returns the folder of such a system, and makes the system if needed.
fn made(suite: &str, packages: &[&str]) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fresh-roots");
    fs::create_dir_all(&kept).unwrap();
    let name = [&[suite], packages].concat().join("+");
    let dir = kept.join(&name);
    let lock = fs::File::create(kept.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !dir.exists() {
        let half = kept.join(format!("{name}.half"));
        let _ = fs::remove_dir_all(&half);
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=minbase", "--quiet"]);
        if !packages.is_empty() {
            command.arg(format!("--include={}", packages.join(",")));
        }
        command.arg(suite).arg(&half).args(std::env::var_os(MIRROR));
        done(&mut command);
        fs::rename(&half, &dir).unwrap();
    }
    dir
}

/// Runs the command and checks that it succeeds.
#[track_caller]
fn done(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}",
        output.status
    );
}

/// A command in a fresh system.
pub(crate) struct InRoot<'r> {
    root: &'r FreshRoot,
    options: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    user: Option<u32>,
    words: Vec<OsString>,
}

impl InRoot<'_> {
    /// Makes this folder of the host visible and writable at `at`.
    pub(crate) fn bind(self, from: &Path, at: impl AsRef<Path>) -> Self {
        self.mount("--bind", from, at.as_ref())
    }

    /// Makes this file or folder of the host visible at `at`, read-only.
    pub(crate) fn ro_bind(self, from: &Path, at: impl AsRef<Path>) -> Self {
        self.mount("--ro-bind", from, at.as_ref())
    }

    fn mount(mut self, option: &str, from: &Path, at: &Path) -> Self {
        self.options.extend([option.into(), from.into(), at.into()]);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Sets the folder that it starts in.
    pub(crate) fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.options.extend(["--chdir".into(), dir.as_ref().into()]);
        self
    }

    /// Gives it no network but its own loopback device.
    pub(crate) fn offline(mut self) -> Self {
        self.options.push("--unshare-net".into());
        self
    }

    /// Runs it as the user and the group with this number, without other groups and without
    /// capabilities.
    pub(crate) fn user(mut self, id: u32) -> Self {
        self.user = Some(id);
        self
    }

    /// Returns the command. It and all its children end with the thread that starts it.
    pub(crate) fn command(&self) -> Command {
        let own = self.root.own.path();
        let root = own.join("root");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc"]);
        if self.root.layered {
            command
                .arg("mount -t overlay overlay -o \"lowerdir=$1,upperdir=$2,workdir=$3\" \"$4\"; shift 4; exec \"$@\"");
            command
                .arg("sh")
                .arg(&self.root.base)
                .arg(own.join("upper"))
                .arg(own.join("work"))
                .arg(&root);
        } else {
            command.args(["exec \"$@\"", "sh"]);
        }
        command.args(["bwrap", "--bind"]).arg(root).arg("/");
        command.args([
            "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp",
        ]);
        command.args(["--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"]);
        // apt and dpkg give files to other users.
        command.args([
            "--cap-add",
            "ALL",
            "--unshare-pid",
            "--unshare-ipc",
            "--die-with-parent",
        ]);
        command.args(&self.options).arg("--clearenv");
        for (name, value) in &self.environment {
            command.arg("--setenv").args([name, value]);
        }
        command.arg("--");
        if let Some(id) = self.user {
            command
                .arg("setpriv")
                .arg(format!("--reuid={id}"))
                .arg(format!("--regid={id}"));
            command.args(["--clear-groups", "--inh-caps=-all"]);
        }
        command.args(&self.words).stdin(Stdio::null());
        command
    }
}
