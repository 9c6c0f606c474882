// SPDX-License-Identifier: GPL-2.0-only
//! The types of the bindings for which code provides the memory: the types of its variables, and of
//! its allocations on the heap.

use std::collections::BTreeSet;

use cargo_metadata::{CrateType, Message};
use linux_driver_abi::dwarf::{Debug, Index, with_debug};
use linux_driver_host::{Error, Result, fs, process};
use object::read::archive::ArchiveFile;

use crate::bindings::Workspace;
use crate::prepare::SHIM_PREFIX;

/// The module of the bindings, as debug information names it.
const BINDINGS: &str = "linux_driver_sys";

/// The safe layer's box: the one allocation on the heap.
const BOXES: &str = "KBox<";

/// How deep types may be nested.
const DEPTH: u32 = 64;

/// Returns what these packages, and those of the project under them, allocate.
pub(super) fn by(workspace: &Workspace, packages: &[&str]) -> Result<BTreeSet<String>> {
    let mut cargo = workspace.cargo("build");
    cargo.arg("--message-format=json-render-diagnostics");
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    // Nothing optimised away, and each variable described.
    cargo
        .env("CARGO_PROFILE_DEV_DEBUG", "2")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
    cargo.env("CARGO_PROFILE_DEV_PANIC", "abort");
    let said = process::run(&mut cargo)?;
    let (mut found, mut looked_at) = (BTreeSet::new(), 0);
    for line in said.lines() {
        let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str::<Message>(line) else {
            continue;
        };
        // Crates of a registry do not know the bindings, and crates that run in the compiler are
        // not part of the driver.
        let ours = artifact.package_id.repr.starts_with("path+");
        let library = artifact
            .target
            .crate_types
            .iter()
            .all(|kind| matches!(kind, CrateType::Lib | CrateType::RLib));
        if !ours || !library || artifact.target.name.replace('-', "_") == BINDINGS {
            continue;
        }
        for file in artifact
            .filenames
            .iter()
            .filter(|file| file.extension() == Some("rlib"))
        {
            looked_at += archive(file.as_std_path(), &mut found)?;
        }
    }
    if looked_at == 0 {
        return Err(Error::new(
            process::command_line(&cargo),
            "libraries with debug information",
            "none",
            "name packages that are libraries",
        ));
    }
    Ok(found)
}

/// Looks at the objects of an archive; returns how many there were.
fn archive(path: &std::path::Path, found: &mut BTreeSet<String>) -> Result<usize> {
    let bytes = fs::read(path)?;
    let bad = |e: object::Error| {
        Error::new(
            path.display(),
            "an archive of objects",
            e,
            "have it made again: `cargo clean`",
        )
    };
    let archive = ArchiveFile::parse(&*bytes).map_err(bad)?;
    let mut count = 0;
    for member in archive.members() {
        let member = member.map_err(bad)?;
        if !member.name().ends_with(b".o") {
            continue;
        }
        let data = member.data(&*bytes).map_err(bad)?;
        let place = format!(
            "{}({})",
            path.display(),
            String::from_utf8_lossy(member.name())
        );
        let is_described = object::File::parse(data).is_ok_and(|file| {
            use object::Object;
            file.section_by_name(".debug_info").is_some()
        });
        if is_described {
            with_debug(data, &place, |debug| {
                allocated(debug, found);
                Ok(())
            })?;
            count += 1;
        }
    }
    Ok(count)
}

/// Adds the types that an object's variables and allocations are made of.
fn allocated(debug: &Debug<'_>, found: &mut BTreeSet<String>) {
    for index in debug.all() {
        let die = debug.die(index);
        let of = match die.tag {
            gimli::DW_TAG_variable => die.of,
            // One of a function that is there, not of a function's type.
            gimli::DW_TAG_formal_parameter
                if die.parent.is_some_and(|parent| is_function(debug, parent)) =>
            {
                die.of
            }
            gimli::DW_TAG_structure_type if die.name.starts_with(BOXES) => {
                debug.parameter(index, "T")
            }
            _ => None,
        };
        if let Some(of) = of {
            held(debug, of, found, 0);
        }
    }
}

fn is_function(debug: &Debug<'_>, index: Index) -> bool {
    matches!(
        debug.die(index).tag,
        gimli::DW_TAG_subprogram | gimli::DW_TAG_inlined_subroutine | gimli::DW_TAG_lexical_block
    )
}

/// Adds the bindings' types that a type is or holds by value.
fn held(debug: &Debug<'_>, index: Index, found: &mut BTreeSet<String>, depth: u32) {
    if depth > DEPTH {
        return;
    }
    let die = debug.die(index);
    match die.tag {
        // The shims' own types are not the kernel's; their fields may be.
        gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type
            if is_binding(debug, index) && !die.name.starts_with(SHIM_PREFIX) =>
        {
            // Its fields are allocated with it.
            found.insert(die.name.to_owned());
        }
        gimli::DW_TAG_structure_type
        | gimli::DW_TAG_union_type
        | gimli::DW_TAG_variant_part
        | gimli::DW_TAG_variant => {
            for child in debug.children(index) {
                let inner = debug.die(child);
                match inner.tag {
                    gimli::DW_TAG_member => {
                        if let Some(of) = inner.of {
                            held(debug, of, found, depth + 1);
                        }
                    }
                    gimli::DW_TAG_variant_part | gimli::DW_TAG_variant => {
                        held(debug, child, found, depth + 1)
                    }
                    _ => {}
                }
            }
        }
        gimli::DW_TAG_array_type | gimli::DW_TAG_typedef | gimli::DW_TAG_const_type => {
            if let Some(of) = die.of {
                held(debug, of, found, depth + 1);
            }
        }
        _ => {}
    }
}

/// Returns whether the type is in the bindings.
fn is_binding(debug: &Debug<'_>, index: Index) -> bool {
    let mut at = debug.die(index).parent;
    for _ in 0..DEPTH {
        let Some(parent) = at else { return false };
        let die = debug.die(parent);
        if die.tag == gimli::DW_TAG_namespace && die.name == BINDINGS {
            return true;
        }
        at = die.parent;
    }
    false
}
