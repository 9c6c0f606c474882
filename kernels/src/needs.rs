// SPDX-License-Identifier: GPL-2.0-only
//! The packages and programs that building for a kernel needs.

use std::path::Path;

use linux_driver_host::packages::Need;
use linux_driver_host::process;

use crate::source::debian;
use crate::spec::KernelSpec;

/// Returns what has to be on the system to build for a kernel: one of the catalogue, or (`None`)
/// one whose tree is there.
///
/// A kernel of the catalogue needs either the packages of its tools or bubblewrap: a build root has
/// everything else.
pub fn of_kernel(spec: Option<&KernelSpec>) -> Vec<Need> {
    let Some(spec) = spec else { return of_tools() };
    let mut needs = vec![
        need(
            "apt",
            "kernels come from Debian's archive",
            &["apt"],
            || has_program("apt-get"),
        ),
        need("dpkg-deb", "it unpacks packages", &["dpkg"], || {
            process::find_program("dpkg-deb").is_some()
        }),
        need("tar", "it unpacks packages", &["tar"], || {
            process::find_program("tar").is_some()
        }),
        need(
            "Debian's keys",
            "downloads are checked against them",
            &["debian-archive-keyring"],
            debian::has_keyring,
        ),
    ];
    if !spec.is_stock() {
        needs.extend(compiler(&spec.compiler));
        needs.extend(of_tools());
        needs.extend(to_build_a_kernel());
    } else if process::find_program(&spec.compiler).is_none() {
        needs.push(bubblewrap());
    } else if !(bubblewrap().present)() {
        needs.extend(of_tools());
    }
    needs
}

/// Returns what the tools of a kernel need to run on this host.
fn of_tools() -> Vec<Need> {
    vec![
        need("make", "Kbuild is written for it", &["make"], || {
            process::find_program("make").is_some()
        }),
        need(
            "gcc",
            "modules and host programs are compiled with it",
            &["gcc"],
            || process::find_program("gcc").is_some(),
        ),
        need(
            "libelf",
            "the kernel's objtool is linked to it",
            &["libelf1 | libelf1t64"],
            has_libelf,
        ),
    ]
}

/// Returns the need for bubblewrap, which runs a build root.
pub(crate) fn bubblewrap() -> Need {
    need(
        "bubblewrap",
        "a kernel whose tools do not run here is built for in a root of its own",
        &["bubblewrap"],
        || process::find_program("bwrap").is_some(),
    )
}

/// Returns the additional needs of building a kernel, which building a module does not have.
fn to_build_a_kernel() -> Vec<Need> {
    vec![
        need(
            "flex",
            "a kernel that is built here needs it for its configuration",
            &["flex"],
            || has_program("flex"),
        ),
        need(
            "bison",
            "a kernel that is built here needs it for its configuration",
            &["bison"],
            || has_program("bison"),
        ),
        need(
            "bc",
            "a kernel that is built here computes its constants with it",
            &["bc"],
            || has_program("bc"),
        ),
        need(
            "perl",
            "a kernel that is built here has scripts in it",
            &["perl"],
            || has_program("perl"),
        ),
        need(
            "xz",
            "the source of a kernel is packed with it",
            &["xz-utils"],
            || has_program("xz"),
        ),
        need(
            "libelf's headers",
            "the objtool of a kernel that is built here is compiled with them",
            &["libelf-dev"],
            || has_file("gelf.h", &["/usr/include", "/usr/local/include"]),
        ),
    ]
}

/// Returns the need for the compiler of a kernel that is built here: the very one that the
/// catalogue names.
fn compiler(name: &str) -> Option<Need> {
    /// A compiler's name, and whether it is there.
    type Known = (&'static str, &'static [&'static str], fn() -> bool);
    const KNOWN: [Known; 3] = [
        ("gcc-12", &["gcc-12"], || has_program("gcc-12")),
        ("gcc-13", &["gcc-13"], || has_program("gcc-13")),
        ("gcc-14", &["gcc-14"], || has_program("gcc-14")),
    ];
    let (what, packages, present) = KNOWN.into_iter().find(|(known, ..)| *known == name)?;
    Some(need(
        what,
        "a kernel that is built here is compiled with it",
        packages,
        present,
    ))
}

fn has_program(name: &str) -> bool {
    process::find_program(name).is_some()
}

/// Returns whether one of the folders has the file.
fn has_file(name: &str, dirs: &[&str]) -> bool {
    dirs.iter().any(|dir| Path::new(dir).join(name).exists())
}

fn need(
    what: &'static str,
    reason: &'static str,
    packages: &'static [&'static str],
    present: fn() -> bool,
) -> Need {
    Need {
        what,
        reason,
        packages,
        present,
    }
}

fn has_libelf() -> bool {
    let dirs = [
        "/usr/lib/x86_64-linux-gnu",
        "/lib/x86_64-linux-gnu",
        "/usr/lib64",
        "/lib64",
        "/usr/lib",
        "/lib",
    ];
    has_file("libelf.so.1", &dirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_need_names_its_package() {
        assert!(of_kernel(None).iter().all(|need| !need.packages.is_empty()));
        assert!(of_kernel(None).iter().all(|need| need.what != "apt"));
    }
}
