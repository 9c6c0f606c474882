// SPDX-License-Identifier: GPL-2.0-only
//! The things that the system must have, by purpose.

use std::path::{Path, PathBuf};

use linux_driver_host::packages::Need;
use linux_driver_host::process;
use linux_driver_kernels::{self as kernels, KernelSpec};

/// Returns the needs of building drivers for a kernel of the catalogue, or for one with a build
/// tree.
pub(crate) fn to_build(spec: Option<&KernelSpec>) -> Vec<Need> {
    let mut needs = kernels::needs::of_kernel(spec);
    needs.push(Need {
        what: "libclang",
        reason: "bindgen reads the kernel's headers with it",
        packages: &[LIBCLANG],
        present: has_libclang,
    });
    needs
}

/// The packages of libclang. Each version is known to read the headers of these kernels. Debian's
/// package without a version does not exist in every release.
const LIBCLANG: &str = "libclang1 | libclang1-19 | libclang1-22 | libclang1-21 | libclang1-23 | libclang1-20 | libclang1-18 | \
                        libclang1-17 | libclang1-16 | libclang1-15 | libclang1-14";

/// Returns the needs of booting kernels.
pub(crate) fn to_boot() -> Vec<Need> {
    linux_driver_vm::needs()
}

/// Returns the needs of the tests beyond building and booting.
pub(crate) fn to_test() -> Vec<Need> {
    vec![
        pahole(),
        gdb(),
        Need {
            what: "chromium",
            reason: "a test opens the HTML report in it",
            packages: &["chromium"],
            present: || process::find_program("chromium").is_some(),
        },
        Need {
            what: "mmdebstrap",
            reason: "tests run the first commands in a fresh Debian system",
            packages: &["mmdebstrap"],
            present: || process::find_program("mmdebstrap").is_some(),
        },
        Need {
            what: "bubblewrap",
            reason: "tests run the first commands in a fresh Debian system",
            packages: &["bubblewrap"],
            present: || process::find_program("bwrap").is_some(),
        },
        Need {
            what: "gpg",
            reason: "a test signs an archive of its own",
            packages: &["gpg", "gpgconf"],
            present: || {
                process::find_program("gpg").is_some() && process::find_program("gpgconf").is_some()
            },
        },
    ]
}

/// Returns the need for gdb.
pub(crate) fn gdb() -> Need {
    Need {
        what: "gdb",
        reason: "to debug a driver in the machine",
        packages: &["gdb"],
        present: || process::find_program("gdb").is_some(),
    }
}

/// Returns the need for pahole, with which check-abi is compared.
pub(crate) fn pahole() -> Need {
    Need {
        what: "pahole",
        reason: "check-abi is compared with it",
        packages: &["dwarves"],
        present: || process::find_program("pahole").is_some(),
    }
}

/// Returns whether bindgen will find a libclang: in LIBCLANG_PATH or among the system's libraries.
fn has_libclang() -> bool {
    let mut dirs: Vec<PathBuf> = std::env::var_os("LIBCLANG_PATH")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    dirs.extend(
        [
            "/usr/lib",
            "/usr/lib64",
            "/usr/local/lib",
            "/usr/lib/x86_64-linux-gnu",
        ]
        .map(PathBuf::from),
    );
    let llvm = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    dirs.extend(
        llvm.filter(|path| file_name(path).starts_with("llvm"))
            .map(|path| path.join("lib")),
    );
    let libraries = dirs
        .iter()
        .flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten());
    libraries.map(|entry| entry.path()).any(|path| {
        let name = file_name(&path);
        // `libclang-cpp.so` is another library.
        (name.starts_with("libclang.so") || (name.starts_with("libclang-") && name.contains(".so")))
            && !name.starts_with("libclang-cpp")
    })
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
