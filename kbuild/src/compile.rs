// SPDX-License-Identifier: GPL-2.0-only
//! A driver's crate, compiled for the kernel: cargo's call.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Message, PackageId};
use linux_driver_host::process::Running;
use linux_driver_host::{Error, Result, fs, output};

use crate::arch::Target;
use crate::driver_crate::DriverCrate;
use crate::host_crates::hash_in;
use crate::prepare::Prepared;
use crate::toolchain::Toolchain;
use crate::unseen::OwnCrate;

/// The profile that drivers are built with.
const PROFILE: [(&str, &str); 9] = [
    ("OVERFLOW_CHECKS", "true"),
    ("PANIC", "abort"),
    ("OPT_LEVEL", "2"),
    ("CODEGEN_UNITS", "1"),
    ("LTO", "off"),
    ("DEBUG", "full"),
    ("STRIP", "none"),
    ("DEBUG_ASSERTIONS", "false"),
    // bindgen and proc macros run on this machine.
    ("BUILD_OVERRIDE_DEBUG", "none"),
];

/// The variable that names a file. If the build script of `linux-driver-sys` makes no bindings, it
/// writes the reason to this file. cargo's messages distinguish a failed script from a crate that
/// does not compile only by their text.
const REFUSAL: &str = "LINUX_DRIVER_REFUSAL";

/// The settings of cargo's call.
pub(crate) struct Compile<'a> {
    pub(crate) toolchain: &'a Toolchain,
    pub(crate) target: &'a Target,
    pub(crate) sysroot: &'a Path,
    pub(crate) prepared: &'a Prepared,
    /// The folder in which cargo builds for kernels.
    pub(crate) target_dir: PathBuf,
    /// The unstable features of the language and of `core` that the crates may use.
    pub(crate) features: Vec<String>,
}

/// The result of cargo's call.
pub(crate) struct Compiled {
    /// The library that was asked for.
    pub(crate) library: PathBuf,
    /// The hashes in the names of the files that cargo made for this machine from crates of a
    /// registry.
    pub(crate) host_crates: BTreeSet<String>,
    /// The libraries with a path that were compiled for the kernel: the driver, its dependencies,
    /// and the project's own crates.
    pub(crate) with_path: Vec<OwnCrate>,
}

impl Compiled {
    /// Returns the crates with a path that are not the project's own, which is where its
    /// `linux-driver-sys` is (`sys` is the folder of that crate's C sources). The driver, with this
    /// manifest, is one of them.
    pub(crate) fn of_driver(&self, manifest: &Path, sys: &Path) -> Result<Vec<&OwnCrate>> {
        let root = sys.parent().and_then(Path::parent);
        let of_project = |own: &&OwnCrate| {
            root.is_some_and(|root| {
                ["", "safe", "sys"]
                    .iter()
                    .any(|dir| own.manifest == root.join(dir).join("Cargo.toml"))
            })
        };
        let own: Vec<&OwnCrate> = self
            .with_path
            .iter()
            .filter(|own| !of_project(own))
            .collect();
        if own.iter().any(|own| own.manifest == manifest) {
            return Ok(own);
        }
        Err(Error::new(
            manifest.display(),
            "the driver's crate among those that cargo says it compiled for the kernel, for its sources to be looked through",
            format_args!("{} others", own.len()),
            "report this with the version of cargo",
        ))
    }
}

fn is_of_registry(package: &PackageId) -> bool {
    package.repr.starts_with("registry+")
}

fn is_with_path(package: &PackageId) -> bool {
    package.repr.starts_with("path+")
}

/// Returns the file in which rustc listed the sources of this library. In the folder `deps`, cargo
/// names both files by a hash. It copies or links the requested library to a name without the hash.
fn dep_info(library: &Path) -> Result<PathBuf> {
    let dir = library.parent().unwrap_or(library);
    let list_of = |library: &Path| {
        let stem = library.file_stem()?.to_str()?;
        Some(library.with_file_name(format!("{}.d", stem.strip_prefix("lib").unwrap_or(stem))))
    };
    if dir.ends_with("deps") {
        return list_of(library).ok_or_else(|| no_dep_info(library));
    }
    let deps = dir.join("deps");
    let stem = library.file_stem().unwrap_or_default().to_string_lossy();
    let mut named = fs::read_dir(&deps)?.into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.extension() == library.extension()
            && name
                .strip_prefix(&*stem)
                .is_some_and(|rest| rest.starts_with('-'))
    });
    let same = named.find(|path| is_same(path, library).unwrap_or(false));
    same.and_then(|same| list_of(&same))
        .ok_or_else(|| no_dep_info(library))
}

/// Returns whether these paths are one file, or one is a copy of the other.
fn is_same(one: &Path, other: &Path) -> Result<bool> {
    let (meta, of_other) = (fs::metadata(one)?, fs::metadata(other)?);
    if (meta.dev(), meta.ino()) == (of_other.dev(), of_other.ino()) {
        return Ok(true);
    }
    Ok(meta.len() == of_other.len() && fs::read(one)? == fs::read(other)?)
}

fn no_dep_info(library: &Path) -> Error {
    Error::new(
        library.display(),
        "the list of its sources that rustc leaves beside it, in the folder `deps`",
        "none",
        "remove the folder that it is in and build again; report it with the version of cargo if it stays",
    )
}

impl Compile<'_> {
    /// Compiles the crate and returns the archive of it and all that it depends on.
    pub(crate) fn archive(&self, source: &DriverCrate, manifest: &Path) -> Result<Compiled> {
        self.library(&source.name, &source.features, manifest, "staticlib", "a")
    }

    /// Compiles a library of a workspace as one that other crates use.
    pub(crate) fn rlib(&self, name: &str, manifest: &Path) -> Result<PathBuf> {
        Ok(self.library(name, &[], manifest, "rlib", "rlib")?.library)
    }

    fn library(
        &self,
        name: &str,
        features: &[String],
        manifest: &Path,
        kind: &str,
        extension: &str,
    ) -> Result<Compiled> {
        let mut cargo = self.cargo_for("rustc", name, manifest);
        cargo.args(["--crate-type", kind]);
        if !features.is_empty() {
            cargo.args(["--features", &features.join(",")]);
        }
        let format = if std::io::stderr().is_terminal() {
            "json-diagnostic-rendered-ansi"
        } else {
            "json"
        };
        cargo
            .arg(format!("--message-format={format}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let refusal = self.target_dir.join("refused");
        let _ = fs::remove_file(&refusal);
        cargo.env(REFUSAL, &refusal);
        let mut running = Running::start(&mut cargo)?;
        let output = running.child().stdout.take();
        let mut made = None;
        let mut host_crates = BTreeSet::new();
        let mut lacks_std = None;
        let mut with_path = Vec::new();
        for line in output
            .into_iter()
            .flat_map(|output| BufReader::new(output).lines())
        {
            let line = line.map_err(|e| {
                Error::new(running.line(), "to read what cargo says", e, "run it again")
            })?;
            match serde_json::from_str::<Message>(&line) {
                Ok(Message::CompilerMessage(message)) => {
                    output::error_text(message.message.rendered.as_deref().unwrap_or_default());
                    if message
                        .message
                        .message
                        .contains("can't find crate for `std`")
                    {
                        lacks_std.get_or_insert(message.target.name);
                    }
                }
                Ok(Message::CompilerArtifact(artifact)) if is_of_registry(&artifact.package_id) => {
                    host_crates.extend(
                        artifact
                            .filenames
                            .iter()
                            .filter_map(|file| self.host_hash(file.as_std_path())),
                    );
                }
                Ok(Message::CompilerArtifact(artifact)) if is_with_path(&artifact.package_id) => {
                    let files = || artifact.filenames.iter().map(|file| file.as_std_path());
                    let for_kernel = self.target_dir.join(self.target.triple);
                    if let Some(file) = files().find(|file| file.starts_with(&for_kernel)) {
                        with_path.push(OwnCrate {
                            manifest: artifact.manifest_path.clone().into(),
                            root: artifact.target.src_path.clone().into(),
                            edition: artifact.target.edition.as_str(),
                            dep_info: dep_info(file)?,
                        });
                    }
                    // Not the last one: a crate that only re-exports may be finished before its
                    // dependencies.
                    if artifact.manifest_path == manifest {
                        let file = files()
                            .find(|file| file.extension().is_some_and(|end| end == extension));
                        made = file.map(Path::to_owned).or(made);
                    }
                }
                Ok(Message::BuildScriptExecuted(script)) if is_of_registry(&script.package_id) => {
                    host_crates.extend(self.host_hash(script.out_dir.as_std_path()));
                }
                _ => {}
            }
        }
        if running.wait()?.success() {
            let library = made.ok_or_else(|| {
                Error::new(
                    manifest.display(),
                    format_args!("a {kind} from cargo"),
                    "none among its messages",
                    "report this with the version of cargo",
                )
            })?;
            return Ok(Compiled {
                library,
                host_crates,
                with_path,
            });
        }
        if let Some(error) = self.refused(&refusal) {
            return Err(error);
        }
        Err(match lacks_std {
            Some(lacking) => Error::new(
                manifest.display(),
                "crates that do not need std, which the kernel does not have",
                format_args!("the crate `{lacking}` needs it"),
                "start the crate with #![no_std] and use core; for a dependency, turn its default features off, or do without it",
            ),
            None => Error::new(
                manifest.display(),
                format_args!("{name} to compile for {}", self.prepared.kernel.release),
                "the errors above",
                "correct them",
            ),
        }
        .of_driver())
    }

    /// Returns the error of a kernel, or of this system, that the build script of
    /// `linux-driver-sys` refused. Its message is printed above.
    fn refused(&self, refusal: &Path) -> Option<Error> {
        let text = fs::read_to_string(refusal).ok()?;
        Some(Error::new(
            self.prepared.kernel.build_tree.display(),
            "a kernel and a libclang with which bindings can be made",
            text,
            "see the remedy in the message; the driver's own code was not looked at",
        ))
    }

    /// Returns the hash in the path of a file that cargo made for this machine.
    fn host_hash(&self, file: &Path) -> Option<String> {
        let inside = file.strip_prefix(self.target_dir.join("release")).ok()?;
        hash_in(Path::new(inside.iter().nth(1)?)).map(str::to_owned)
    }

    /// Compiles the crates that run on this machine (bindgen with its dependencies, proc macros),
    /// before `core` exists. Crates for the kernel fail, and cargo goes on. The next call does not
    /// compile the others again. Its output does not matter.
    pub(crate) fn warm_up(&self, name: &str, manifest: &Path) -> Result<()> {
        let mut cargo = self.cargo_for("build", name, manifest);
        cargo.args(["--keep-going", "--quiet"]);
        linux_driver_host::process::output(&mut cargo).map(drop)
    }

    /// Returns rustc as cargo calls it for a crate that uses the library `rlib` and nothing else.
    pub(crate) fn rustc(&self, rlib: &Path) -> Command {
        let mut rustc = self.toolchain.command();
        rustc
            .args(["--edition=2024", "--target", self.target.triple])
            .args(self.flags());
        // Its dependencies are beside it, or in the folder `deps` there.
        for dir in rlib
            .parent()
            .into_iter()
            .flat_map(|dir| [dir.to_owned(), dir.join("deps")])
        {
            rustc.arg(format!("-Ldependency={}", dir.display()));
        }
        // The proc macros are the host's.
        rustc.arg(format!(
            "-Ldependency={}",
            self.target_dir.join("release/deps").display()
        ));
        rustc.arg(format!("--extern=linux_driver={}", rlib.display()));
        rustc
    }

    fn flags(&self) -> Vec<String> {
        let mut flags = self.target.flags.clone();
        flags.push(format!("--sysroot={}", self.sysroot.display()));
        // Separates the builds for several kernels in one target folder: cargo hashes the flags
        // into the names of its files (unless --remap-path-prefix is among them).
        flags.push(format!(
            "--cfg=linux_driver_kernel=\"{}\"",
            self.prepared.key
        ));
        // `-Z` options need RUSTC_BOOTSTRAP, which allows each crate every unstable feature too.
        // Some make undefined behaviour of code without `unsafe`.
        flags.push(format!("-Zallow-features={}", self.features.join(",")));
        // Crates that know this cfg (zerocopy) do not use the parts that this `core` lacks.
        flags.push("--cfg=no_fp_fmt_parse".into());
        flags
    }

    /// Returns cargo with this command for the library of a package.
    fn cargo_for(&self, command: &str, package: &str, manifest: &Path) -> Command {
        let mut cargo = self.cargo();
        cargo
            .args([command, "--lib", "--release"])
            .args(["--target", self.target.triple])
            .arg("--manifest-path")
            .arg(manifest)
            .args(["--package", package]);
        cargo
    }

    fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Settings that a user made for other builds must not leak into this one, nor those that
        // cargo made for us.
        for name in [
            "RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_BUILD_TARGET_DIR",
        ] {
            cargo.env_remove(name);
        }
        // A driver's own workspace has its own profiles; for all drivers, overflow is checked and
        // the same code is generated.
        for (name, value) in PROFILE {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        let mut flags = self.flags();
        // Each crate is compiled by itself. Without this option, each function of the safe layer
        // stays a function in each module, even if it is called once. It then has a prologue,
        // padding and rows for the unwinder.
        flags.push("-Zcross-crate-inline-threshold=always".into());
        // As the kernel's C on x86-64 (`-falign-loops=1`): no padding before loops.
        flags.push("-Cllvm-args=-align-loops=1".into());
        // The end of a function is not copied to each place that jumps to it, because each copy
        // would have its own rows for the unwinder.
        flags.push("-Cllvm-args=-tail-dup-placement=false".into());
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        cargo.env("CARGO_TARGET_DIR", &self.target_dir);
        // A user's `build.build-dir` would put rustc's lists of sources elsewhere.
        cargo.env("CARGO_BUILD_BUILD_DIR", &self.target_dir);
        cargo
            .env("RUSTC", &self.toolchain.rustc)
            .env("RUSTC_BOOTSTRAP", "1");
        cargo.env("LINUX_DRIVER_KERNEL_DIR", &self.prepared.dir);
        cargo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_crates_are_told_from_the_projects() {
        let manifests = [
            "/root/sys/Cargo.toml",
            "/root/safe/Cargo.toml",
            "/root/Cargo.toml",
            "/root/samples/edu/Cargo.toml",
            "/other/safe/Cargo.toml",
        ];
        let compiled = Compiled {
            library: PathBuf::new(),
            host_crates: BTreeSet::new(),
            with_path: manifests
                .map(|manifest| OwnCrate {
                    manifest: manifest.into(),
                    root: PathBuf::new(),
                    edition: "2024",
                    dep_info: PathBuf::new(),
                })
                .into(),
        };
        let of = |manifest: &str| {
            let own = compiled.of_driver(Path::new(manifest), Path::new("/root/sys/c"));
            own.map(|own| {
                own.iter()
                    .map(|own| own.manifest.clone())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            of(manifests[3]).unwrap(),
            [manifests[3], manifests[4]].map(PathBuf::from)
        );
        // Never nothing to look through.
        assert!(
            of("/edu/Cargo.toml")
                .unwrap_err()
                .to_string()
                .contains("2 others")
        );
    }

    #[test]
    fn the_list_of_sources_is_that_of_the_same_library() {
        let dir = tempfile::tempdir().unwrap();
        let deps = dir.path().join("deps");
        fs::create_dir(&deps).unwrap();
        for (hash, text) in [
            ("1", "of one kernel"),
            ("2", "of another"),
            ("3", "a longer one"),
        ] {
            fs::write(deps.join(format!("libedu-{hash}.a")), text).unwrap();
        }
        fs::write(deps.join("libedu_two-4.a"), "of another").unwrap();
        let library = dir.path().join("libedu.a");
        fs::write(&library, "of another").unwrap();
        assert_eq!(dep_info(&library).unwrap(), deps.join("edu-2.d"));
        fs::remove_file(&library).unwrap();
        std::fs::hard_link(deps.join("libedu-3.a"), &library).unwrap();
        assert_eq!(dep_info(&library).unwrap(), deps.join("edu-3.d"));
        assert_eq!(
            dep_info(&deps.join("libhelper-5.rlib")).unwrap(),
            deps.join("helper-5.d")
        );
        fs::write(dir.path().join("libnone.a"), "none").unwrap();
        assert!(
            dep_info(&dir.path().join("libnone.a"))
                .unwrap_err()
                .to_string()
                .contains("deps")
        );
    }
}
