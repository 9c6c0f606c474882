// SPDX-License-Identifier: GPL-2.0-only
//! What the safe layer calls a thing of C's: its items say so themselves, with `#[doc(alias = "pci_driver")]`.
//!
//! The attributes are read from the sources, so there is no second list that could say something else. rustdoc's search
//! finds the item by the same names.

use std::fs;
use std::path::{Path, PathBuf};

use linux_driver_host::{Error, Result};
use serde::Serialize;

/// An item that stands for something of C's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Alias {
    /// The name in C.
    pub c: String,
    /// The path in the safe layer: `pci::Driver`.
    pub path: String,
    /// The file and line of the item.
    pub place: String,
}

/// All items of the safe layer that stand for something of C's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(Vec<Alias>);

/// How deep folders of sources may be.
const DEPTH: u32 = 16;

impl Aliases {
    /// Reads the sources in this folder, `safe/src`.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut files = Vec::new();
        sources(dir, &mut files, 0)?;
        files.sort();
        let mut all = Vec::new();
        for path in files {
            let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", &e))?;
            let inside = path.strip_prefix(dir).unwrap_or(&path);
            all.extend(of_file(inside, &text));
        }
        all.sort();
        Ok(Self(all))
    }

    /// The items for this name; for a field without one of its own, those for its type.
    pub fn of(&self, name: &str) -> Vec<Alias> {
        let of = |name: &str| -> Vec<Alias> { self.0.iter().filter(|alias| alias.c == name).cloned().collect() };
        let own = of(name);
        match name.split_once('.') {
            Some((type_, _)) if own.is_empty() => of(type_),
            _ => own,
        }
    }
}

fn sources(dir: &Path, files: &mut Vec<PathBuf>, depth: u32) -> Result<()> {
    let read = |e| Error::io(dir, "read", &e);
    for entry in fs::read_dir(dir).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() && depth < DEPTH {
            sources(&path, files, depth + 1)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The items of a file. An attribute belongs to the item that follows it; a method to the `impl` or `trait` that stands
/// furthest left above it.
fn of_file(path: &Path, text: &str) -> Vec<Alias> {
    let module: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .filter(|part| part != "mod" && part != "lib")
        .collect();
    let (mut aliases, mut waiting) = (Vec::new(), Vec::new());
    let mut holder: Option<String> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.trim_start();
        if let Some(name) = alias_in(code) {
            waiting.push(name);
            continue;
        }
        let Some((is_holder, name)) = item(code) else {
            continue;
        };
        let outer = line.len() == code.len();
        if outer {
            holder = is_holder.then(|| name.clone());
        }
        for c in waiting.drain(..) {
            let mut parts = module.clone();
            // The private module of a bus's driver, device or ID: its items are re-exported one level up.
            if parts.len() > 1 {
                parts.pop();
            }
            if !outer {
                parts.extend(holder.clone());
            }
            parts.push(name.clone());
            aliases.push(Alias {
                c,
                path: parts.join("::"),
                place: format!("safe/src/{}:{number}", path.display()),
            });
        }
    }
    aliases
}

/// The name in `#[doc(alias = "NAME")]`.
fn alias_in(code: &str) -> Option<String> {
    let rest = code.strip_prefix("#[doc(alias = \"")?;
    let (name, _) = rest.split_once('"')?;
    Some(name.to_owned())
}

/// The name of the item that the line starts, and whether it can hold methods.
fn item(code: &str) -> Option<(bool, String)> {
    let mut rest = code;
    loop {
        let (word, after) = rest.split_once(' ')?;
        let name = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
        match word {
            "pub" | "unsafe" | "const" | "extern" | "\"C\"" | "async" => {
                // A constant has its name after the word; a function that is const has more words.
                if word == "const" && !after.starts_with("fn ") && !after.starts_with("unsafe ") {
                    return Some((false, name(after)));
                }
                rest = after;
            }
            "fn" | "static" | "type" | "mod" | "union" => return Some((false, name(after))),
            "struct" | "enum" => return Some((false, name(after))),
            "trait" => return Some((true, name(after))),
            "macro_rules!" => return Some((false, format!("{}!", name(after)))),
            _ if word.starts_with("pub(") => rest = after,
            _ if word == "impl" || word.starts_with("impl<") => {
                // `impl<T> Trait for Type<T>`: the type's name.
                let of = code.split(" for ").last().unwrap_or(code);
                let of = if of == code { after_generics(code) } else { of };
                return Some((true, name(of.trim_start())));
            }
            _ => return None,
        }
    }
}

/// What follows `impl` and its parameters.
fn after_generics(code: &str) -> &str {
    let rest = code.strip_prefix("impl").unwrap_or(code);
    let mut depth = 0u32;
    for (at, c) in rest.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 && c != ' ' => return &rest[at..],
            _ => {}
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_belong_to_the_item_after_them() {
        let text = "#[doc(alias = \"pci_driver\")]\n/// Docs.\npub trait Driver: Sized {\n    #[doc(alias = \"pci_driver.probe\")]\n    \
                    fn probe();\n}\n#[doc(alias = \"pci_dev\")]\n#[repr(transparent)]\npub struct Device<S>(u8);\nimpl<S: State> Device<S> {\n    \
                    #[doc(alias = \"pci_set_master\")]\n    pub const unsafe fn set_master(&self) {}\n}\n";
        let found = of_file(Path::new("pci/driver.rs"), text);
        let found: Vec<(&str, &str)> = found.iter().map(|a| (a.c.as_str(), a.path.as_str())).collect();
        assert_eq!(
            found,
            [
                ("pci_driver", "pci::Driver"),
                ("pci_driver.probe", "pci::Driver::probe"),
                ("pci_dev", "pci::Device"),
                ("pci_set_master", "pci::Device::set_master"),
            ]
        );
    }
}
