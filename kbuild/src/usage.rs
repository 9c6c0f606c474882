// SPDX-License-Identifier: GPL-2.0-only
//! The items of a kernel that the safe layer and a driver use. The compiler finds them.
//!
//! - **Fields, functions, constants**: the code is checked against a copy of the bindings in which
//!   each of them is deprecated, with its name as the note (`mark`). rustc then names the item at
//!   each use: in field accesses, struct literals, patterns and `offset_of!`. It does so in macros
//!   and generic code too, even if the code allows deprecated items.
//! - **Types for which the code provides the memory**: the code is compiled with debug information.
//!   It contains the type of each static, local variable and parameter, and the type of each
//!   allocation on the heap (`allocated`). The target of a pointer does not count as the code's.
//!   `struct module` is not among them: Kbuild's generated C has `__this_module`.
//!
//! The fields that the C shims touch are not found: Kbuild compiles the shims again for each
//! kernel, from its own headers.

mod allocated;
mod mark;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::Message;
use linux_driver_abi::Usage;
use linux_driver_host::{Error, Result, fs, process};

use crate::bindings::Workspace;
use crate::make::{copy_if_changed, write_if_changed};
use crate::prepare::SHIM_PREFIX;

/// The prefix of a name in a note.
pub(crate) const NOTE: &str = "linux-driver-usage:";

/// Returns what these packages, and the crates of the project under them, use of the kernel that
/// the workspace is set to.
pub fn of(workspace: &Workspace, packages: &[&str]) -> Result<Usage> {
    let bindings = workspace.bindings()?;
    let mut usage = named(workspace, packages, &bindings)?;
    usage.allocated = allocated::by(workspace, packages)?;
    Ok(usage)
}

/// Returns the fields, functions and constants that the code names.
fn named(workspace: &Workspace, packages: &[&str], bindings: &Path) -> Result<Usage> {
    let dir = workspace.target_dir.join("linux-driver-usage");
    let out = dir.join("marked");
    fs::create_dir_all(&out)?;
    // The other files of the build script stay as they are.
    let made = bindings.parent().unwrap_or(bindings);
    let others = fs::read_dir(made)?.into_iter();
    let others: Vec<PathBuf> = others
        .filter(|path| path != bindings && path.is_file())
        .collect();
    copy_if_changed(&others, &out)?;
    let text = fs::read_to_string(bindings)?;
    let marked = mark::marked(&text, &bindings.display().to_string())?;
    write_if_changed(&out.join("bindings.rs"), marked.as_bytes())?;
    let wrapper = wrapper(&dir, &out)?;

    let mut cargo = workspace.cargo("check");
    cargo
        .arg("--message-format=json")
        .env("RUSTC_WRAPPER", &wrapper)
        // cargo's names of what it builds are over these flags. So the crates with marked bindings
        // never replace others.
        .env("CARGO_ENCODED_RUSTFLAGS", "--cfg=linux_driver_usage");
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    let said = process::run(&mut cargo)?;
    let mut usage = Usage::default();
    let mut checked = BTreeSet::new();
    for line in said.lines() {
        match serde_json::from_str::<Message>(line) {
            Ok(Message::CompilerMessage(message)) => {
                // The bindings' own code: accessors of bit fields, tests of layouts.
                let own = message.target.name.replace('-', "_") == "linux_driver_sys";
                let message = message.message;
                if !own
                    && message
                        .code
                        .as_ref()
                        .is_some_and(|code| code.code == "deprecated")
                {
                    note(&mut usage, &message.message);
                }
            }
            Ok(Message::CompilerArtifact(artifact)) => {
                checked.insert(artifact.target.name.replace('-', "_"));
            }
            _ => {}
        }
    }
    if let Some(missing) = packages
        .iter()
        .find(|package| !checked.contains(&package.replace('-', "_")))
    {
        return Err(Error::new(
            process::command_line(&cargo),
            format_args!("to check {missing}"),
            "cargo does not say that it did",
            "report this with cargo's version",
        ));
    }
    Ok(usage)
}

/// Takes the name out of a message of rustc's:
/// `use of deprecated field `a::b`: linux-driver-usage:field pci_dev.irq`.
fn note(usage: &mut Usage, message: &str) {
    let Some((_, note)) = message.split_once(NOTE) else {
        return;
    };
    match note.trim().split_once(' ') {
        Some(("field", path)) => {
            if let Some((type_, field)) = path.split_once('.') {
                usage
                    .fields
                    .entry(type_.to_owned())
                    .or_default()
                    .insert(field.to_owned());
            }
        }
        // A shim is the bindings' own, not the kernel's.
        Some(("function", name)) if name.starts_with(SHIM_PREFIX) => {}
        Some(("function", name)) => drop(usage.functions.insert(name.to_owned())),
        Some(("constant", name)) => drop(usage.constants.insert(name.to_owned())),
        _ => {}
    }
}

/// Returns a program that runs instead of rustc. It gives `linux-driver-sys` the marked bindings,
/// and makes rustc warn about each use of a deprecated item, even if the code allows it.
fn wrapper(dir: &Path, out: &Path) -> Result<PathBuf> {
    let path = dir.join("rustc-wrapper");
    let quoted = out.display().to_string().replace('\'', r"'\''");
    let text = format!(
        "#!/bin/sh\nif [ -z \"$OUT_DIR\" ] || [ \"$CARGO_PKG_NAME\" != linux-driver-sys ]; then\n\tif [ -n \"$CARGO_PRIMARY_PACKAGE$CARGO_PKG_NAME\" ]; then exec \"$@\" --force-warn deprecated; fi\n\texec \"$@\"\nfi\nOUT_DIR='{quoted}'\nexport OUT_DIR\nexec \"$@\"\n"
    );
    write_if_changed(&path, text.as_bytes())?;
    fs::set_mode(&path, 0o755)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_what_rustc_says() {
        let mut usage = Usage::default();
        note(
            &mut usage,
            "use of deprecated field `linux_driver_sys::bindings::pci_dev::irq`: linux-driver-usage:field pci_dev.irq",
        );
        note(
            &mut usage,
            "use of deprecated function `kfree`: linux-driver-usage:function kfree",
        );
        note(
            &mut usage,
            "use of deprecated constant `x`: linux-driver-usage:constant ENOMEM",
        );
        note(
            &mut usage,
            "use of deprecated function `std::mem::uninitialized`: use MaybeUninit",
        );
        assert_eq!(usage.fields["pci_dev"], ["irq".to_owned()].into());
        assert_eq!(usage.functions, ["kfree".to_owned()].into());
        assert_eq!(usage.constants, ["ENOMEM".to_owned()].into());
    }
}
