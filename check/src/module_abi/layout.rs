// SPDX-License-Identifier: GPL-2.0-only
//! `struct module`: modpost compiles one into the module, and the loader uses it as the kernel's
//! own.
//!
//! Its size and the offsets of `init` and `exit` in it must equal the kernel's. The loader compares
//! only the size. If the fields moved and the size did not change, the module loads. The kernel
//! then does not call its init function, or calls another pointer.

use linux_driver_abi::report::{Change, Layouts, Subject, Verdict};
use linux_driver_abi::usage::Role;
use std::collections::BTreeMap;

use super::{Answer, Question, struct_module};

/// The fields in which modpost stores functions, and the symbols of these functions.
const POINTERS: [(&str, &str); 2] = [("init", "init_module"), ("exit", "cleanup_module")];

/// The symbol whose checksum covers `struct module` (`check_modstruct_version`).
pub(super) const LAYOUT: &str = "module_layout";

pub(super) fn look(question: &Question<'_>, answer: &mut Answer) {
    let ours = &question.facts.this_module;
    let Some(theirs) = struct_module(question.after) else {
        let crc = |crc: u32| question.facts.versions.get(LAYOUT) == Some(&crc);
        let exported = question
            .kernel
            .exports
            .symbols()
            .and_then(|symbols| symbols.get(LAYOUT));
        if !exported.and_then(|symbol| symbol.crc).is_some_and(crc) {
            let why = question.after.no_evidence.get("type module");
            answer.no_evidence(
                Subject::Type,
                "module",
                "the kernel's layout of struct module is not known".to_owned(),
                why.map_or(
                    "no type information of the kernel was at hand",
                    String::as_str,
                ),
            );
        }
        return;
    };
    answer.looked_at.types += 1;
    let before = answer.findings.len();
    if ours.size != theirs.size {
        answer.add(
            Subject::Type,
            "module",
            Verdict::Rebuild,
            Change::Size {
                before: ours.size,
                after: theirs.size,
                align_before: ours.align,
                align_after: theirs.align,
            },
            format!("struct module has {} bytes in the module and {} in the kernel", ours.size, theirs.size),
            "the kernel uses the module's own struct: newer kernels refuse a different size, older ones access memory behind it",
        );
    }
    let mut moved: BTreeMap<i64, Vec<(&str, u64, u64)>> = BTreeMap::new();
    for (field, symbol) in POINTERS {
        let Some(&at) = ours.pointers.get(symbol) else {
            continue;
        };
        let Some(expected) = theirs.field(field).map(|field| field.offset_bits / 8) else {
            answer.no_evidence(
                Subject::Field,
                &format!("module.{field}"),
                format!("the kernel's struct module has no field {field}"),
                "the offset at which the loader looks for the function is not known",
            );
            continue;
        };
        answer.looked_at.fields += 1;
        let by = i64::try_from(expected)
            .unwrap_or(i64::MAX)
            .saturating_sub(i64::try_from(at).unwrap_or(i64::MAX));
        if by != 0 {
            moved.entry(by).or_default().push((field, at, expected));
        }
    }
    for (by, fields) in moved {
        let places: Vec<String> = fields
            .iter()
            .map(|(field, at, expected)| {
                format!("{field} at {at} in the module and at {expected} in the kernel")
            })
            .collect();
        let name = format!("module.{}", fields[0].0);
        answer.add(
            Subject::Field,
            &name,
            Verdict::Rebuild,
            Change::Moved {
                fields: fields.iter().map(|(field, ..)| (*field).to_owned()).collect(),
                by_bits: by.saturating_mul(8),
                cause: Vec::new(),
            },
            format!("struct module has {} (by {by:+})", places.join(", ")),
            if fields.iter().any(|(field, ..)| *field == "init") {
                "the kernel looks for the init function at its own offset, so it would call nothing, or something that is not a function"
            } else {
                "the kernel looks for the exit function at its own offset, so it would call nothing, or something that is not a function"
            },
        );
    }
    for finding in &mut answer.findings[before..] {
        finding.role = Some(Role::DriverAllocated);
    }
    if answer.findings.len() > before {
        answer.module = Some(Layouts {
            before: question
                .before
                .and_then(struct_module)
                .map(|layout| layout.clone().into()),
            after: Some(theirs.clone().into()),
        });
    }
}
