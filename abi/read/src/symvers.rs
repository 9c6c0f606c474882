// SPDX-License-Identifier: GPL-2.0-only
//! `Module.symvers`: the symbols that a kernel and its modules export.
//!
//! Each line describes one symbol, as `scripts/mod/modpost.c` writes it: checksum, symbol, module
//! ("vmlinux" for the kernel itself), kind of export, namespace. Tabs separate the columns.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use linux_driver_host::{Error, Result};

use linux_driver_drift::model::Symbol;

/// The largest size of a file, in bytes. For Debian's kernels, with all their modules, the file has
/// 3 MB.
const LARGEST: u64 = 64 << 20;

/// The largest number of symbols in a file. A kernel with all its modules exports 40,000.
const MOST: usize = 500_000;

/// The modules that may use an exported symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
    /// Every module (`EXPORT_SYMBOL`).
    Any,
    /// Modules under a license compatible with the GPL (`EXPORT_SYMBOL_GPL`).
    Gpl,
}

/// One exported symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The checksum of its C type. Always 0 if the kernel was built without CONFIG_MODVERSIONS.
    pub crc: u32,
    /// The module that exports it: "vmlinux", or a path such as "drivers/net/mii".
    pub module: String,
    /// The modules that may use it.
    pub kind: ExportKind,
    /// The namespace that a module has to import, if it has one.
    pub namespace: Option<String>,
}

/// The symbols of a `Module.symvers`, by name.
#[derive(Debug, Clone, Default)]
pub struct Symvers(BTreeMap<String, Export>);

impl Symvers {
    /// Reads a `Module.symvers` file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = crate::btf_file::small(path, LARGEST, "a Module.symvers has some megabytes")?;
        let text = std::str::from_utf8(&bytes).map_err(|e| {
            Error::new(
                path.display(),
                "a Module.symvers, which is text",
                e,
                "build the kernel tree again, or reinstall its headers package: modpost writes \
                 this file",
            )
        })?;
        Self::parse(text, path.display())
    }

    /// Parses the text of a `Module.symvers` file. `location` names it in error messages.
    pub fn parse(text: &str, location: impl Display) -> Result<Self> {
        let mut symbols = BTreeMap::new();
        if text.len() as u64 > LARGEST
            || memchr::memchr_iter(b'\n', text.as_bytes())
                .nth(MOST)
                .is_some()
        {
            return Err(Error::new(
                location,
                format_args!("a Module.symvers of at most {MOST} symbols and {LARGEST} bytes"),
                format_args!("one of {} bytes", text.len()),
                "check the path: a kernel exports some ten thousand symbols",
            ));
        }
        for (number, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
        {
            let (name, export) = parse_line(line).ok_or_else(|| {
                Error::new(
                    format_args!("{location}:{}", number + 1),
                    "checksum, symbol, module, EXPORT_SYMBOL or EXPORT_SYMBOL_GPL, and namespace, \
                     separated by tabs",
                    format_args!("{:?}", line.chars().take(120).collect::<String>()),
                    "build the kernel tree again, or reinstall its headers package: modpost \
                     writes this file",
                )
            })?;
            symbols.insert(name, export);
        }
        Ok(Self(symbols))
    }

    /// Returns the export of this name.
    pub fn get(&self, symbol: &str) -> Option<&Export> {
        self.0.get(symbol)
    }

    /// Returns whether the kernel has checksums (CONFIG_MODVERSIONS). Without them, all are 0.
    pub fn has_checksums(&self) -> bool {
        self.0.values().any(|export| export.crc != 0)
    }

    /// Returns the export of this name in the form of the model. `checksums` is the result of
    /// [`Self::has_checksums`] for the whole file.
    pub fn symbol(&self, name: &str, checksums: bool) -> Option<Arc<Symbol>> {
        let export = self.get(name)?;
        Some(Arc::new(Symbol {
            crc: checksums.then_some(export.crc),
            module: export.module.clone(),
            gpl: export.kind == ExportKind::Gpl,
            namespace: export.namespace.clone(),
        }))
    }

    /// Returns all symbols with their exports, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Export)> {
        self.0.iter().map(|(name, export)| (name.as_str(), export))
    }

    /// Returns the number of symbols.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no symbol.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Parses one line as modpost's `read_dump` does. Kernels before 5.4 write no namespace.
fn parse_line(line: &str) -> Option<(String, Export)> {
    let mut fields = line.split('\t');
    let crc = u32::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok()?;
    let name = fields.next().filter(|name| !name.is_empty())?;
    let module = fields.next()?;
    let kind = match fields.next()? {
        "EXPORT_SYMBOL" => ExportKind::Any,
        "EXPORT_SYMBOL_GPL" => ExportKind::Gpl,
        _ => return None,
    };
    let namespace = fields
        .next()
        .filter(|namespace| !namespace.is_empty())
        .map(str::to_owned);
    fields.next().is_none().then(|| {
        (
            name.to_owned(),
            Export {
                crc,
                module: module.to_owned(),
                kind,
                namespace,
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_of_a_line_is_read() {
        let text = "0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\n\
                    0xffffffff\tdma_buf_get\tvmlinux\tEXPORT_SYMBOL_GPL\tDMA_BUF\n\
                    0x00000000\told\tdrivers/net/mii\tEXPORT_SYMBOL\n";
        let symvers = Symvers::parse(text, "Module.symvers").unwrap();
        assert_eq!(symvers.len(), 3);
        let gpl = symvers.get("dma_buf_get").unwrap();
        assert_eq!(
            (gpl.crc, gpl.kind, gpl.namespace.as_deref()),
            (0xffff_ffff, ExportKind::Gpl, Some("DMA_BUF"))
        );
        let any = symvers.get("phys_base").unwrap();
        assert_eq!(
            (any.kind, &any.namespace, any.module.as_str()),
            (ExportKind::Any, &None, "vmlinux")
        );
        assert_eq!(symvers.get("old").unwrap().module, "drivers/net/mii");
        assert!(symvers.get("nothing").is_none());
    }

    #[test]
    fn a_file_larger_than_any_kernels_is_refused_before_it_is_read() {
        let line = "0x00000000\ta\tvmlinux\tEXPORT_SYMBOL\t\n";
        let error = Symvers::parse(&line.repeat(MOST + 1), "Module.symvers")
            .unwrap_err()
            .to_string();
        assert!(error.contains("at most 500000 symbols"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Module.symvers");
        std::fs::File::create(&path)
            .unwrap()
            .set_len(LARGEST + 1)
            .unwrap();
        let error = Symvers::read(&path).unwrap_err().to_string();
        assert!(error.contains("of 67108865 bytes"), "{error}");
        let error = Symvers::read(Path::new("/dev/zero"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("a device, pipe or socket"), "{error}");
    }

    #[test]
    fn a_malformed_line_is_named() {
        for line in [
            "0x1",
            "1\ta\tvmlinux\tEXPORT_SYMBOL\t",
            "0x1\ta\tvmlinux\tEXPORT_UNUSED\t",
            "0x100000000\ta\tb\tEXPORT_SYMBOL\t",
        ] {
            let text = format!("0x00000001\tgood\tvmlinux\tEXPORT_SYMBOL\t\n{line}\n");
            let error = Symvers::parse(&text, "Module.symvers").unwrap_err();
            assert_eq!(error.location(), "Module.symvers:2", "{line}");
        }
    }
}
