// SPDX-License-Identifier: GPL-2.0-only
//! A rustc that comes with its library source: `core` has to be built with the kernel's own
//! hardening.

use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_host::packages::{self, Install};
use linux_driver_host::{Error, Result, process, progress};

/// A compiler and its library source.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The output of `rustc -vV`: it names the exact compiler.
    pub version: String,
    /// The folder `library` of the source that the compiler was built from.
    pub library: PathBuf,
}

/// Debian's compiler for its browsers, which is kept current in stable releases, and its source.
pub const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

impl Toolchain {
    /// Finds one: the active toolchain; else, with `--install`, `rustup component add rust-src` if
    /// that works; else Debian's `rustc-web` and `rust-web-src`.
    pub fn find(install: Install) -> Result<Self> {
        if let Some(found) = Self::present()? {
            return Ok(found);
        }
        if install == Install::Refused {
            return Err(missing(&active_rustc()));
        }
        if let Some(found) = Self::by_rustup() {
            return Ok(found);
        }
        let need = packages::Need {
            what: "rustc with its library source",
            reason: "core is built with the kernel's own hardening",
            packages: &DEBIAN_PACKAGES,
            present: || matches!(Toolchain::at(Path::new(DEBIAN_RUSTC)), Ok(Some(_))),
        };
        packages::require(&[need], install)?;
        Self::at(Path::new(DEBIAN_RUSTC))?.ok_or_else(|| missing(Path::new(DEBIAN_RUSTC)))
    }

    /// One that is there already.
    pub fn present() -> Result<Option<Self>> {
        match Self::at(&active_rustc())? {
            Some(found) => Ok(Some(found)),
            None => Self::at(Path::new(DEBIAN_RUSTC)),
        }
    }

    /// Returns the compiler at this path, if it is there with its library source.
    fn at(rustc: &Path) -> Result<Option<Self>> {
        let Ok(output) = process::output(Command::new(rustc).arg("-vV")) else {
            return Ok(None);
        };
        if !output.status.success() {
            return Ok(None);
        }
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        let sysroot = process::run(Command::new(rustc).args(["--print", "sysroot"]))?;
        let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
        if !library.join("core/src/lib.rs").is_file() {
            return Ok(None);
        }
        Ok(Some(Self {
            rustc: rustc.to_owned(),
            version,
            library,
        }))
    }

    fn by_rustup() -> Option<Self> {
        process::find_program("rustup")?;
        progress::say("rustup component add rust-src");
        let added = process::run(Command::new("rustup").args(["component", "add", "rust-src"]));
        added
            .ok()
            .and_then(|_| Self::at(&active_rustc()).ok().flatten())
    }

    /// Returns the release, as in "1.96.0".
    pub fn release(&self) -> &str {
        self.version
            .lines()
            .find_map(|line| line.strip_prefix("release: "))
            .unwrap_or("unknown")
    }

    /// Returns a command that runs this compiler with the unstable flags that the kernel's
    /// hardening needs.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.rustc);
        command.env("RUSTC_BOOTSTRAP", "1");
        command
    }

    /// Checks that the compiler knows these flags.
    pub fn accepts(&self, triple: &str, flags: &[String]) -> Result<()> {
        let output = process::output(
            self.command()
                .args(["--print", "cfg", "--target", triple])
                .args(flags),
        )?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::new(
            self.rustc.display(),
            "a compiler that knows the flags of this kernel's hardening (Rust 1.93 or later)",
            format_args!(
                "rustc {}, which says:\n{}",
                self.release(),
                process::said(&output)
            ),
            "update the Rust toolchain (`rustup update`), or install Debian's rustc-web and rust-web-src",
        ))
    }
}

/// Returns the compiler that cargo uses here.
fn active_rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from)
}

fn missing(looked_at: &Path) -> Error {
    Error::new(
        looked_at.display(),
        "a Rust compiler with its library source",
        format_args!(
            "neither the active toolchain nor {DEBIAN_RUSTC} has lib/rustlib/src/rust/library"
        ),
        format_args!(
            "add --install, or run `rustup component add rust-src`, or {}",
            packages::how_to_install(&DEBIAN_PACKAGES)
        ),
    )
}
