// SPDX-License-Identifier: GPL-2.0-only
//! The memory that a loaded module takes.

use std::path::Path;

use linux_driver_host::{Error, Result};
use serde::Serialize;

use super::elf::{self, Object};

/// The fate of a section at load (`layout_sections` in `kernel/module/main.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The section stays until the module is unloaded.
    Core,
    /// The section is freed when the init function has returned.
    Init,
    /// The section is only read during the load: `.modinfo`, and the checksums of symbols.
    Read,
}

/// The size and the fate of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedSection {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes.
    pub align: u64,
    /// Its fate at load.
    pub part: Part,
}

/// The memory of a module's sections. The kernel rounds each kind of memory up to whole pages, and
/// adds the symbol table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedSize {
    /// The bytes that stay, including the gaps for alignment.
    pub core: u64,
    /// The bytes that are freed after init.
    pub init: u64,
    /// The sections, in the order of the file.
    pub sections: Vec<LoadedSection>,
}

/// Measures the module `ko`.
pub fn loaded_size(ko: &Path) -> Result<LoadedSize> {
    let data = elf::read(ko)?;
    let object = Object::parse(ko, &data)?;
    let mut total = LoadedSize {
        core: 0,
        init: 0,
        sections: Vec::new(),
    };
    for section in object.sections.iter().filter(|section| section.is_loaded()) {
        let part = part(&section.name);
        let align = section.align.max(1);
        let sum = match part {
            Part::Core => Some(&mut total.core),
            Part::Init => Some(&mut total.init),
            Part::Read => None,
        };
        if let Some(sum) = sum {
            *sum = sum
                .checked_next_multiple_of(align)
                .and_then(|start| start.checked_add(section.size))
                .ok_or_else(|| {
                    let found = format!("{} bytes, aligned to {align}", section.size);
                    Error::new(
                        ko.display(),
                        format_args!("a size of {} that memory can hold", section.name),
                        found,
                        "the file is damaged: build it again",
                    )
                })?;
        }
        total.sections.push(LoadedSection {
            name: section.name.to_string(),
            size: section.size,
            align,
            part,
        });
    }
    Ok(total)
}

fn part(name: &str) -> Part {
    match name {
        // `rewrite_section_headers` and `setup_load_info` clear SHF_ALLOC of these.
        ".modinfo" | "__versions" | "__version_ext_crcs" | "__version_ext_names" => Part::Read,
        _ if name.starts_with(".init") => Part::Init,
        _ => Part::Core,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing;

    #[test]
    fn sections_are_summed_with_their_alignment() {
        let dir = tempfile::tempdir().unwrap();
        let body = ".section .a,\"a\"\n.balign 1\n.zero 3\n.section .b,\"aw\",@nobits\n.balign 64\n.zero 100\n.section .init.text,\"ax\"\n.zero 7\n\
                    .section .modinfo,\"a\"\n.zero 1000\n.section .note,\"\"\n.zero 1000\n";
        let size = loaded_size(&testing::object(dir.path(), "sizes", body)).unwrap();
        assert_eq!((size.core, size.init), (164, 7));
        let section = size
            .sections
            .iter()
            .find(|section| section.name == ".b")
            .unwrap();
        assert_eq!(
            (section.size, section.align, section.part),
            (100, 64, Part::Core)
        );
        assert!(
            size.sections
                .iter()
                .any(|section| section.name == ".modinfo" && section.part == Part::Read)
        );
        assert!(!size.sections.iter().any(|section| section.name == ".note"));
    }
}
