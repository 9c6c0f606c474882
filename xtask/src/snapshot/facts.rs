// SPDX-License-Identifier: GPL-2.0-only
//! The facts in a kernel's headers and its list of exports that its type information lacks.

use std::sync::Arc;

use linux_driver_abi::Needed;
use linux_driver_abi::model::{Abi, Type};
use linux_driver_abi::symvers::Symvers;
use linux_driver_host::{Cache, Error, Result};
use linux_driver_kbuild::Kbuild;
use linux_driver_kbuild::headers::{self, Wanted};
use linux_driver_kernels::Kernel;

use crate::folders::workspace;

/// The number of differences that an error lists.
const LISTED: usize = 8;

/// The facts in the headers and `Module.symvers`.
pub(super) struct Facts {
    headers: Abi,
    symvers: Symvers,
}

impl Facts {
    /// Reads the facts with the kernel's own compiler.
    pub(super) fn read(cache: &Cache, kernel: &Kernel, needed: &Needed) -> Result<Self> {
        let tree = kernel.tree()?;
        let symvers = Symvers::read(&tree.symvers())?;
        let kbuild = Kbuild {
            tree,
            host: kernel.host.clone(),
        };
        let wanted = Wanted {
            scope: needed.scope(),
            constants: needed
                .constants()
                .map(|(name, _)| name.to_owned())
                .collect(),
        };
        let headers = headers::read(cache, &kbuild, &workspace().join("sys/c"), &wanted)?;
        Ok(Self { headers, symvers })
    }

    /// Adds the facts of the headers and the exports to the ABI from the kernel's BTF.
    ///
    /// # Errors
    ///
    /// Fails if the headers belong to another kernel.
    pub(super) fn with(&self, mut abi: Abi, needed: &Needed, kernel: &Kernel) -> Result<Abi> {
        let differences = self.differences(&abi);
        if !differences.is_empty() {
            let more = differences.len().saturating_sub(LISTED);
            let mut found: Vec<String> = differences.into_iter().take(LISTED).collect();
            if more > 0 {
                found.push(format!("and {more} more"));
            }
            return Err(Error::new(
                kernel.build_tree.display(),
                "headers with the layouts of the kernel's own type information (BTF)",
                found.join("\n"),
                "take headers and kernel from the same build: reinstall both packages, or build \
                 the tree again",
            ));
        }
        abi.release.clone_from(&self.headers.release);
        abi.arch.clone_from(&self.headers.arch);
        for (name, type_) in &mut abi.types {
            // BTF has no alignment; the compiler knows it.
            if let Some(of_headers) = self.headers.types.get(name) {
                Arc::make_mut(type_).align = of_headers.align;
            }
        }
        for (name, function) in &mut abi.functions {
            let of_headers = self.headers.functions.get(name);
            Arc::make_mut(function).linkage = of_headers.and_then(|function| function.linkage);
        }
        for (name, type_name) in needed.constants() {
            let constant = self.headers.constants.get(name).ok_or_else(|| {
                let why = self.headers.no_evidence.get(&format!("constant {name}"));
                Error::new(
                    kernel.build_tree.display(),
                    format_args!("the constant {name}, which the bindings need (sys/needed.toml)"),
                    why.map_or("none", String::as_str),
                    "remove it from the list, or report this with the kernel's release",
                )
            })?;
            let mut constant = constant.clone();
            constant.type_name = type_name.map(str::to_owned);
            abi.constants.insert(name.to_owned(), constant);
        }
        self.exports(&mut abi, needed);
        Ok(abi)
    }

    fn exports(&self, abi: &mut Abi, needed: &Needed) {
        let checksums = self.symvers.has_checksums();
        for name in needed.scope().functions {
            if let Some(symbol) = self.symvers.symbol(&name, checksums) {
                abi.symbols.insert(name, symbol);
            }
        }
    }

    /// Returns the differences between the layouts of the headers and of the BTF.
    fn differences(&self, abi: &Abi) -> Vec<String> {
        let mut all = Vec::new();
        for (name, type_) in &abi.types {
            if let Some(of_headers) = self.headers.types.get(name) {
                compare(name, of_headers, type_, &mut all);
            }
        }
        all
    }
}

fn compare(name: &str, headers: &Type, btf: &Type, all: &mut Vec<String>) {
    if headers.size != btf.size {
        all.push(format!(
            "{name} has {} bytes in the headers, {} in the BTF",
            headers.size, btf.size
        ));
    }
    for field in &btf.fields {
        match headers.field(&field.name) {
            None => all.push(format!("{name}.{} is only in the BTF", field.name)),
            Some(of_headers)
                if (of_headers.offset_bits, of_headers.size_bits)
                    != (field.offset_bits, field.size_bits) =>
            {
                all.push(format!(
                    "{name}.{} is at {} bits in the headers, at {} in the BTF",
                    field.name, of_headers.offset_bits, field.offset_bits
                ));
            }
            Some(_) => {}
        }
    }
    for field in headers
        .fields
        .iter()
        .filter(|field| btf.field(&field.name).is_none())
    {
        all.push(format!("{name}.{} is only in the headers", field.name));
    }
}
