// SPDX-License-Identifier: GPL-2.0-only
//! Prepares a kernel for Rust: writes what the build script of `linux-driver-sys` needs to know
//! about it.
//!
//! Kbuild compiles all shims and the probe once for each kernel. The command that it recorded gives
//! the C flags.

use std::path::{Path, PathBuf};

use linux_driver_host::cache::Key;
use linux_driver_host::progress::Progress;
use linux_driver_host::{Cache, Error, Result, fs};
use object::{Object, ObjectSymbol};
use serde::{Deserialize, Serialize};

use crate::make::{Kbuild, copy_if_changed, write_if_changed};
use crate::recorded::Recorded;

/// The C sources of `linux-driver-sys`.
const SOURCES: [&str; 4] = ["wrapper.h", "shims.h", "shims.c", "probe.c"];

/// `kernel.json`: a kernel as `linux-driver-sys` sees it. The file's folder goes into the
/// environment of cargo as `LINUX_DRIVER_KERNEL_DIR`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreparedKernel {
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// Its build tree.
    pub build_tree: PathBuf,
    /// The C flags that Kbuild compiled the shims with.
    pub cc_flags: Vec<String>,
    /// The name under which modpost finds an ID table, with `{module}`, `{type}` and `{table}` to
    /// fill in.
    pub device_table_symbol: String,
    /// objtool's arguments, if Kbuild runs it on each object that it compiles and not on the
    /// module. Then an object that Kbuild did not compile needs it too.
    pub objtool: Option<Vec<String>>,
    /// The kernel's shims, without their prefix.
    pub shims: Vec<String>,
}

/// The entry of a prepared kernel in the cache.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The folder of `kernel.json`.
    pub dir: PathBuf,
    /// The contents of that file.
    pub kernel: PreparedKernel,
    /// The C sources of `linux-driver-sys`, which a module's shims are compiled from.
    pub sources: Vec<PathBuf>,
    /// The key of this kernel, its tree and these sources.
    pub key: String,
}

/// Prepares the kernel for the C sources in `sys`, the folder `c` of `linux-driver-sys`.
pub fn prepare(cache: &Cache, kbuild: &Kbuild, sys: &Path) -> Result<Prepared> {
    let sources: Vec<PathBuf> = SOURCES.iter().map(|name| sys.join(name)).collect();
    let key = key(kbuild, &sources)?;
    let found = cache.get("prepared", &kbuild.tree.release, &key);
    if let Some(stale) = found.as_ref().filter(|found| !is_fresh(found)) {
        cache.remove(stale)?;
    }
    let dir = match found.filter(|found| found.is_dir()) {
        Some(found) => found,
        None => {
            let _step = Progress::start(format!("compiling the shims for {}", kbuild.tree.release));
            cache.get_or_make("prepared", &kbuild.tree.release, &key, |staging, _| {
                make(kbuild, &sources, staging)
            })?
        }
    };
    let path = dir.join("kernel.json");
    let text = fs::read(&path)?;
    let kernel = serde_json::from_slice(&text).map_err(|e| {
        Error::new(
            path.display(),
            "what `prepare` wrote",
            e,
            "remove that folder and try again",
        )
    })?;
    Ok(Prepared {
        dir,
        kernel,
        sources,
        key: key.hex(),
    })
}

/// Returns all that the flags and the layouts depend on.
pub(crate) fn key(kbuild: &Kbuild, sources: &[PathBuf]) -> Result<Key> {
    let tree = &kbuild.tree;
    let compiler = tree
        .config
        .value("CONFIG_CC_VERSION_TEXT")
        .unwrap_or_default();
    let mut key = Key::new()
        .with(env!("CARGO_PKG_VERSION"))
        .with(tree.dir.to_string_lossy().as_bytes());
    key = key
        .with(&tree.release)
        .with(compiler)
        .with(kbuild.compiler_arguments().join(" "))
        .with(format!("{:?}", kbuild.host));
    for file in [
        "Makefile",
        ".config",
        "include/generated/autoconf.h",
        "Module.symvers",
    ] {
        key = key.with_file(&tree.dir.join(file))?;
    }
    sources
        .iter()
        .try_fold(key, |key, source| key.with_file(source))
}

fn make(kbuild: &Kbuild, sources: &[PathBuf], dir: &Path) -> Result<()> {
    copy_if_changed(sources, dir)?;
    // They are members of one module, as in a driver: that decides whether objtool runs on each.
    write_if_changed(
        &dir.join("Kbuild"),
        b"obj-m := linux_driver_probe.o\nlinux_driver_probe-y := shims.o probe.o\n",
    )?;
    let shims = shims(&dir.join("shims.h"))?;
    write_if_changed(&dir.join("shims_used.h"), used(&shims).as_bytes())?;
    kbuild
        .make(dir, &["shims.o", "probe.o"])
        .map_err(|error| refused(error, kbuild))?;
    let recorded = Recorded::read(&dir.join("shims.o"), &kbuild.tree.dir)?;
    write_stamps(dir, &recorded)?;
    let kernel = PreparedKernel {
        release: kbuild.tree.release.clone(),
        build_tree: kbuild.tree.dir.clone(),
        cc_flags: recorded.cc_flags,
        objtool: recorded.objtool,
        device_table_symbol: device_table_symbol(&dir.join("probe.o"))?,
        shims,
    };
    let path = dir.join("kernel.json");
    let json = serde_json::to_vec_pretty(&kernel)
        .map_err(|e| Error::new(path.display(), "to write it", e, "report this"))?;
    fs::write(&path, json)
}

/// Returns the error of a kernel with whose headers the C shims do not compile, if Kbuild's output
/// says so.
fn refused(error: Error, kbuild: &Kbuild) -> Error {
    let said = error.to_string();
    let errors: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| is_of_headers(line))
        .collect();
    if errors.is_empty() {
        return error;
    }
    Error::new(
        kbuild.tree.dir.display(),
        "a kernel whose headers have all that the C shims use; the oldest that works is 6.1",
        errors.join("\n"),
        "use a newer kernel if this one is older than that (`cargo xtask kernels` lists some); if it is newer, it has changed: report \
         it with its release",
    )
}

/// Returns whether this line is the compiler's error about a use of the kernel's headers in our
/// sources.
fn is_of_headers(line: &str) -> bool {
    let Some((place, _)) = line.split_once(" error: ") else {
        return false;
    };
    let ours = SOURCES.iter().any(|source| place.contains(source));
    ours && !line.contains("No space left on device")
}

/// Writes the list of the headers that were read, for [`is_fresh`].
pub(crate) fn write_stamps(dir: &Path, recorded: &Recorded) -> Result<()> {
    let stamps: String = recorded
        .headers
        .iter()
        .map(|path| format!("{} {path}\n", stamp(path)))
        .collect();
    write_if_changed(&dir.join(STAMPS), stamps.as_bytes())
}

/// Returns whether the headers are still those that were read. The headers of a tree under
/// development can change while its configuration stays the same.
pub(crate) fn is_fresh(dir: &Path) -> bool {
    let stamps = fs::read_to_string(dir.join(STAMPS)).unwrap_or_default();
    !stamps.is_empty()
        && stamps.lines().all(|line| {
            line.split_once(' ')
                .is_some_and(|(old, path)| stamp(path) == old)
        })
}

/// The headers that the shims were compiled with, each with its size and time.
const STAMPS: &str = "headers";

/// Returns the time of a file's last change and its size; an empty text if there is no such file.
fn stamp(path: &str) -> String {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path)
        .map(|meta| format!("{}.{}:{}", meta.mtime(), meta.mtime_nsec(), meta.size()))
        .unwrap_or_default()
}

/// Returns the text of `shims_used.h` for these shims.
pub(crate) fn used(shims: &[String]) -> String {
    shims
        .iter()
        .map(|shim| format!("#define LINUX_DRIVER_USES_{shim} 1\n"))
        .collect()
}

/// The prefix of every shim.
pub(crate) const SHIM_PREFIX: &str = "linux_driver_";

/// Returns the shims that the header declares, each on a line `SHIM(NAME) …;`.
fn shims(header: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(header)?;
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("SHIM(")?.split_once(')'));
    Ok(names.map(|(name, _)| name.to_owned()).collect())
}

/// Reads from the probe's symbols how MODULE_DEVICE_TABLE names a table.
fn device_table_symbol(probe: &Path) -> Result<String> {
    let bytes = fs::read(probe)?;
    let unreadable = |found: String| {
        Error::new(
            probe.display(),
            "a symbol that MODULE_DEVICE_TABLE made for linux_driver_table",
            found,
            "report this with the kernel's release",
        )
    };
    let file = object::File::parse(&*bytes).map_err(|e| unreadable(e.to_string()))?;
    let names: Vec<&str> = file
        .symbols()
        .filter_map(|symbol| symbol.name().ok())
        .collect();
    let of_table =
        |name: &&&str| name.contains("linux_driver_table") && name.contains("linux_driver_type");
    let found = names
        .iter()
        .find(of_table)
        .ok_or_else(|| unreadable(names.join(" ")))?;
    let module = "linux_driver_probe";
    Ok(found
        .replace("linux_driver_type", "{type}")
        .replace("linux_driver_table", "{table}")
        .replace(module, "{module}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_lack_something_are_the_kernels_fault() {
        for line in [
            "/c/prepared/.staging-1/shims.c:12:9: error: implicit declaration of function 'x'",
            "/c/prepared/.staging-1/wrapper.h:3:10: fatal error: linux/y.h: No such file or directory",
        ] {
            assert!(is_of_headers(line), "{line}");
        }
        for line in [
            "/c/.staging-1/shims.c:1:1: fatal error: error writing to /tmp/cc.s: No space left on device",
            "make[1]: *** [shims.o] Error 1",
            "/c/.staging-1/other.c:1:1: error: x",
        ] {
            assert!(!is_of_headers(line), "{line}");
        }
    }

    #[test]
    fn shims_are_read_from_their_header() {
        let dir = tempfile::tempdir().unwrap();
        let header = dir.path().join("shims.h");
        fs::write(&header, "#define SHIM(name)\n/* SHIM(no) */\nSHIM(bug) void linux_driver_bug(void);\nSHIM(kmalloc) void *linux_driver_kmalloc(size_t size, gfp_t flags);\n").unwrap();
        assert_eq!(shims(&header).unwrap(), ["bug", "kmalloc"]);
    }
}
