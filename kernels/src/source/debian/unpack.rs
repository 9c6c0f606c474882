// SPDX-License-Identifier: GPL-2.0-only
//! Packages, unpacked: without their scripts, and of an image only the kernel itself.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use linux_driver_host::fs::TempFile;
use linux_driver_host::process::{self, Running};
use linux_driver_host::{Error, Result, fs};

/// Unpacks a whole package into the folder.
pub(super) fn unpack(deb: &Path, dir: &Path) -> Result<()> {
    process::run(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(dir)).map(drop)
}

/// Unpacks a package into a folder that becomes a root file system. Its merged folders (`bin` →
/// `usr/bin`) stay links. So tar must follow links, also those in packages, and it runs in a
/// sandbox in which it can write only to this folder.
pub(super) fn unpack_into_root(deb: &Path, dir: &Path) -> Result<()> {
    let mut tar = Command::new("bwrap");
    tar.args(["--ro-bind", "/", "/", "--dev", "/dev", "--bind"])
        .args([dir, dir])
        .args(["--die-with-parent", "--", "tar"]);
    tar.args([
        "--extract",
        "--keep-directory-symlink",
        "--no-same-owner",
        "--directory",
    ])
    .arg(dir);
    // Documentation and translations are half of what small packages hold.
    tar.args(
        ["doc", "man", "info", "locale", "lintian"]
            .map(|name| format!("--exclude=./usr/share/{name}")),
    );
    let ended = data_through(deb, tar, Stdio::null())?;
    ended.check(|ended| ended.source.success() && ended.sink.success())
}

/// Writes the kernel that an image package holds to `image`; false if it holds none.
pub(super) fn unpack_image(deb: &Path, image: &Path) -> Result<bool> {
    unpack_file(deb, "*/vmlinuz*", image)
}

/// Writes the first file of a package that matches `pattern` to `file`; false if none does. The
/// rest of the package, such as the modules of an image, is not unpacked, and no name in the
/// package becomes a path.
pub(super) fn unpack_file(deb: &Path, pattern: &str, file: &Path) -> Result<bool> {
    let out = fs::create(file)?;
    let mut tar = Command::new("tar");
    // The first that matches; tar stops there, maybe long before the end of the package.
    tar.args([
        "--extract",
        "--to-stdout",
        "--occurrence=1",
        "--wildcards",
        pattern,
    ]);
    let ended = data_through(deb, tar, out.into())?;
    if fs::metadata(file)?.len() == 0 {
        fs::remove_file(file)?;
        return Ok(false);
    }
    ended.check(|ended| ended.sink.success())?;
    Ok(true)
}

/// The exit statuses and the output of the two processes.
struct Ended {
    line: String,
    source: ExitStatus,
    sink: ExitStatus,
    said: String,
}

impl Ended {
    fn check(self, good: impl Fn(&Self) -> bool) -> Result<()> {
        if good(&self) {
            return Ok(());
        }
        let remedy = if self.said.contains("No space left on device") {
            "free some space, or set LINUX_DRIVER_CACHE to a folder on a larger disk"
        } else {
            "see what they printed; run it again, and report this if it stays"
        };
        let found = format!(
            "{}; {}; they printed:\n{}",
            self.source, self.sink, self.said
        );
        Err(Error::new(
            self.line,
            "both to end with exit code 0",
            found,
            remedy,
        ))
    }
}

/// Sends what the package holds, as a tar archive, through `tar`.
fn data_through(deb: &Path, mut tar: Command, out: Stdio) -> Result<Ended> {
    let said = TempFile::new()?;
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.arg("--fsys-tarfile")
        .arg(deb)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(said.try_clone()?);
    tar.stderr(said.try_clone()?);
    let line = format!(
        "{} | {}",
        process::command_line(&dpkg),
        process::command_line(&tar)
    );
    let mut source = Running::start(&mut dpkg)?;
    if let Some(pipe) = source.child().stdout.take() {
        tar.stdin(pipe);
    }
    let sink = Running::start(tar.stdout(out))?;
    // The command holds the pipe's end too: while it lives, dpkg-deb would wait for a reader that
    // has gone.
    drop(tar);
    let sink = sink.wait()?;
    let source = source.wait()?;
    Ok(Ended {
        line,
        source,
        sink,
        said: said.text()?,
    })
}
