// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask new`: a repository for a driver.

mod devices;
mod files;
mod name;

use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::{Error, Result, fs, output, process};

use crate::Outcome;
use crate::folders::workspace;

use self::devices::Id;
use self::files::{Kind, Source};
use self::name::Name;

/// Make a repository for a driver
///
/// The repository contains the driver, its trial, this tool as `cargo xtask`, and a workflow for
/// CI. The driver probes, maps a BAR of its device, and says so.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask new --list
  cargo xtask new ../my-driver --pci 1234:11e8 --path .
  cargo xtask new ../my-driver --misc --git https://example.org/linux-driver")]
pub(crate) struct Args {
    /// The folder to make; its last part is the driver's name
    #[arg(value_name = "DIR", required_unless_present = "list")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    bus: Bus,
    /// The address of the git repository of linux-driver [default: that of this one's Cargo.toml]
    #[arg(long, value_name = "URL", conflicts_with = "path")]
    git: Option<String>,
    /// The commit in that repository [default: the commit of this checkout]
    #[arg(long, value_name = "COMMIT", conflicts_with = "path")]
    rev: Option<String>,
    /// A checkout of linux-driver, in place of a git repository
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// The devices that the driver is for.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Bus {
    /// A driver for the PCI devices with these IDs, such as 1234:11e8
    #[arg(long, value_name = "VENDOR:DEVICE")]
    pci: Option<Id>,
    /// A driver for the platform devices with this name
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,
    /// A device file, without hardware
    #[arg(long)]
    misc: bool,
    /// Only list the PCI devices of this computer, with their IDs, names and drivers
    #[arg(long, conflicts_with = "dir")]
    list: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let Some(dir) = args.dir.as_ref().filter(|_| !args.bus.list) else {
        output::text(devices::list(Path::new("/"))?);
        return Ok(Outcome::Good);
    };
    let dir = fs::absolute(dir)?;
    let name = Name::of(&dir)?;
    let kind = match (&args.bus.pci, &args.bus.platform) {
        (Some(id), _) => Kind::Pci(*id),
        (None, Some(device)) => Kind::Platform(name::of_platform_device(device)?),
        (None, None) => {
            name::must_be_free_in_dev(&name)?;
            Kind::Misc
        }
    };
    must_be_empty(&dir)?;
    let parent = dir.parent().unwrap_or(&dir);
    let mut parents = Parents::make(parent)?;
    let parent = fs::canonicalize(parent)?;
    let source = source(args, &parent.join(&name.package))?;
    // The folder appears when it is complete. It is made beside its place, so a relative path to
    // linux-driver is right in it too.
    let staging = fs::tempdir_in(&parent, ".linux-driver-new-")?;
    files::write(staging.path(), &name, &kind, &source)?;
    resolve(staging.path(), &source)?;
    init_git(staging.path())?;
    // This replaces an empty folder.
    fs::rename(staging.path(), &dir)?;
    parents.keep();
    let shown = shell_word(args.dir.as_deref().unwrap_or(&dir));
    output::text(format_args!(
        "{shown} is a repository with a {what}. To try the driver:\n\n  cd {shown}\n  cargo xtask run --install\n",
        what = kind.what(&name),
    ));
    if let Source::Path(path) = &source {
        output::text(format_args!(
            "\nIt uses the checkout {path}. Before other people or CI build it, write `git` and `rev` in place of `path`, at both places \
             in Cargo.toml.\n",
        ));
    }
    Ok(Outcome::Good)
}

/// Returns a path as a word for a shell.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+~".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The folders that were made above the new one. Those that are still empty are removed with this
/// value, unless it is kept.
struct Parents(Vec<PathBuf>);

impl Parents {
    /// Makes the folder `dir` and those above it, as far as they are missing.
    fn make(dir: &Path) -> Result<Self> {
        let missing = dir.ancestors().take_while(|dir| !dir.exists());
        let this = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(dir)?;
        Ok(this)
    }

    fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        for dir in &self.0 {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

/// Returns an error unless the folder can be made there.
fn must_be_empty(dir: &Path) -> Result<()> {
    let found = if dir.is_symlink() {
        "a symbolic link".to_owned()
    } else if dir.is_dir() {
        match fs::read_dir(dir)?.len() {
            0 => return Ok(()),
            1 => "one file or folder in it".to_owned(),
            count => format!("{count} files and folders in it"),
        }
    } else if dir.symlink_metadata().is_ok() {
        "a file".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(
        dir.display(),
        "a new folder, or an empty one",
        found,
        "name another folder: nothing was changed",
    ))
}

/// Returns the origin of linux-driver for the driver in `dir`.
fn source(args: &Args, dir: &Path) -> Result<Source> {
    if let Some(path) = &args.path {
        return Source::at_path(path, dir);
    }
    let Some(url) = args
        .git
        .clone()
        .map_or_else(repository, |url| Ok(Some(url)))?
    else {
        return Err(Error::new(
            workspace().join("Cargo.toml").display(),
            "the address of the git repository of linux-driver, as `repository` of [workspace.package]",
            "no such key",
            format_args!(
                "give the address with --git, or this checkout with --path {}",
                workspace().display()
            ),
        ));
    };
    let rev = args.rev.clone().map_or_else(commit, Ok)?;
    Source::at_url(url, rev)
}

/// Returns the address that the manifest of linux-driver has.
fn repository() -> Result<Option<String>> {
    let path = workspace().join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(&path)?
        .parse()
        .map_err(|e| Error::new(path.display(), "a manifest", e, "correct it"))?;
    let package = manifest
        .get("workspace")
        .and_then(|table| table.get("package"));
    let url = package.and_then(|table| table.get("repository"));
    Ok(url.and_then(|url| url.as_str()).map(str::to_owned))
}

/// Returns the commit of this checkout.
fn commit() -> Result<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(workspace()).args(["rev-parse", "HEAD"]);
    let output = process::output(&mut git)?;
    if !output.status.success() {
        return Err(Error::new(
            workspace().display(),
            "a checkout of linux-driver, whose commit the driver will use",
            process::said(&output),
            "name the commit with --rev",
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Writes `Cargo.lock`, with the versions that linux-driver was tested with.
fn resolve(dir: &Path, source: &Source) -> Result<()> {
    fs::copy(workspace().join("Cargo.lock"), dir.join("Cargo.lock"))?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["metadata", "--format-version=1", "--manifest-path"])
        .arg(dir.join("Cargo.toml"));
    let output = process::output(&mut cargo)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new(
        source,
        "linux-driver there, and network for cargo to download it",
        process::said(&output),
        "correct --git, --rev or --path, or check the network; no folder was made",
    ))
}

/// Makes the folder a git repository, as `cargo new` does: not inside of another one, and not
/// without git.
fn init_git(dir: &Path) -> Result<()> {
    if process::find_program("git").is_none() {
        return Ok(());
    }
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(dir).args(args);
        git
    };
    let around = process::output(&mut git(&["rev-parse", "--is-inside-work-tree"]))?;
    if !around.status.success() {
        process::run(&mut git(&["init", "--quiet", "--initial-branch=main"]))?;
    }
    Ok(())
}
