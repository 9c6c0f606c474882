// SPDX-License-Identifier: GPL-2.0-only
//! The addition of a kernel to a history. It never changes the facts or the number of another
//! kernel.

use std::collections::BTreeSet;
use std::sync::Arc;

use linux_driver_host::{Error, Result};

use super::{Entry, Fact, History, HistoryKernel, KernelId, Sheet, What, at, set, text};
use crate::model::{Abi, Linkage};

/// The result of adding a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The kernel is new.
    New(KernelId),
    /// The kernel was recorded already, and now has more facts.
    Extended(KernelId),
    /// The kernel was recorded already, with all these facts.
    Known(KernelId),
}

impl History {
    /// Adds a kernel. `abi.symbols` counts only if `kernel.symbols_known`; a function in scope
    /// without a symbol is then not exported.
    ///
    /// If a kernel with this ID exists, facts that were unknown are added to it. If the facts
    /// contradict each other, it is another build, which gets the ID `RELEASE=VERSION`.
    ///
    /// # Errors
    ///
    /// The facts contradict those of `RELEASE=VERSION` too.
    pub fn add(&mut self, mut kernel: HistoryKernel, abi: &Abi) -> Result<Added> {
        kernel.id.clone_from(&kernel.release);
        check(&kernel, abi)?;
        let facts = facts_of(abi, kernel.symbols_known);
        for second in [false, true] {
            if second {
                match kernel.packages.first() {
                    Some(package) => kernel.id = format!("{}={}", kernel.release, package.version),
                    None => break,
                }
            }
            match self.by_id.get(&kernel.id) {
                None => return Ok(Added::New(self.add_new(kernel, facts))),
                Some(&number) if self.agrees(number, &kernel, &facts) => {
                    return Ok(self.extend(number, kernel, facts));
                }
                Some(_) => {}
            }
        }
        Err(Error::new(
            &kernel.id,
            "the facts that the history already has for this kernel",
            "other facts under the same release and version",
            "check that it is the same kernel; if the history is wrong, remove the kernel's block \
             and all blocks after it from kernels.tsv and add those kernels again",
        ))
    }

    /// Returns whether both sides agree in all facts that both know.
    fn agrees(&self, number: u32, kernel: &HistoryKernel, facts: &[(What, String, Fact)]) -> bool {
        let entry = &self.entries[number as usize];
        let version = |kernel: &HistoryKernel| {
            kernel
                .packages
                .first()
                .map(|package| package.version.clone())
        };
        let versions = (version(&entry.kernel), version(kernel));
        if entry.kernel.arch != kernel.arch || matches!(versions, (Some(a), Some(b)) if a != b) {
            return false;
        }
        // A name has a fact of its own kind or a reason why it is unknown. A change from one to the
        // other is a contradiction too.
        let same_name = |what: What, name: &str| match what {
            What::Unknown => match name.split_once(' ') {
                Some(("type", name)) => Some((What::Type, name.to_owned())),
                Some(("function", name)) => Some((What::Function, name.to_owned())),
                _ => None,
            },
            What::Type | What::Function => Some((What::Unknown, format!("{} {name}", what.word()))),
            _ => None,
        };
        let id = KernelId(number);
        facts
            .iter()
            .all(|(what, name, fact)| match self.fact(id, *what, name) {
                Some(known) => known == fact,
                None => same_name(*what, name).is_none_or(|(what, name)| {
                    self.fact(id, what, &name).is_none()
                        || facts.iter().any(|(w, n, _)| *w == what && *n == name)
                }),
            })
    }

    fn add_new(&mut self, kernel: HistoryKernel, facts: Vec<(What, String, Fact)>) -> KernelId {
        let mut sheets: [Sheet; What::ALL.len()] = Default::default();
        for (what, name, fact) in facts {
            let (item, number) = self.number(what, &name, fact);
            set(&mut sheets[what as usize], item, number);
        }
        let most_like = |known: &dyn Fn(&Entry) -> bool, whats: &[What]| {
            let entries = (0..).zip(&self.entries).filter(|(_, entry)| known(entry));
            let distance = |entry: &Entry| -> usize {
                let of =
                    |what: &What| differing(&entry.sheets[*what as usize], &sheets[*what as usize]);
                whats.iter().map(of).sum()
            };
            // Among equally similar kernels, the newest is chosen, which is what a reader expects.
            entries
                .min_by_key(|(number, entry): &(u32, &Entry)| (distance(entry), u32::MAX - number))
                .map(|(number, _)| number)
        };
        let others: Vec<What> = What::ALL
            .into_iter()
            .filter(|what| *what != What::Symbol)
            .collect();
        let like = most_like(&|_| true, &others);
        let symbols_like = kernel
            .symbols_known
            .then(|| most_like(&|entry| entry.kernel.symbols_known, &[What::Symbol]))
            .flatten();
        let id = KernelId(self.entries.len() as u32);
        self.push(Entry {
            kernel,
            like,
            symbols_like,
            sheets,
        });
        id
    }

    fn extend(
        &mut self,
        number: u32,
        kernel: HistoryKernel,
        facts: Vec<(What, String, Fact)>,
    ) -> Added {
        let mut more = false;
        for (what, name, fact) in facts {
            let (item, fact) = self.number(what, &name, fact);
            let sheet = &mut self.entries[number as usize].sheets[what as usize];
            more |= at(sheet, item) != fact;
            set(sheet, item, fact);
        }
        let known = &mut self.entries[number as usize].kernel;
        more |= kernel.symbols_known && !known.symbols_known;
        known.symbols_known |= kernel.symbols_known;
        for package in kernel.packages {
            if !known.packages.contains(&package) {
                known.packages.push(package);
                more = true;
            }
        }
        if more {
            Added::Extended(KernelId(number))
        } else {
            Added::Known(KernelId(number))
        }
    }

    /// Returns the numbers of an item and of its variant. Adds those that are new.
    fn number(&mut self, what: What, name: &str, fact: Fact) -> (u32, u32) {
        let items = &mut self.items[what as usize];
        let item = items.get_or_make(name);
        let facts = &mut items.list[item as usize].facts;
        let number = facts
            .iter()
            .position(|known| *known == fact)
            .unwrap_or_else(|| {
                facts.push(fact);
                facts.len() - 1
            });
        (item, number as u32)
    }
}

/// Counts the positions in which two sheets differ.
fn differing(a: &Sheet, b: &Sheet) -> usize {
    let longest = a.len().max(b.len()) as u32;
    (0..longest)
        .filter(|&item| at(a, item) != at(b, item))
        .count()
}

/// Returns all facts of an ABI.
fn facts_of(abi: &Abi, symbols_known: bool) -> Vec<(What, String, Fact)> {
    let mut facts = Vec::new();
    for (name, type_) in &abi.types {
        facts.push((What::Type, name.clone(), Fact::Type(type_.clone())));
    }
    for (name, function) in &abi.functions {
        let mut function = crate::model::Function::clone(function);
        // The symbols tell this, but not every kernel's symbols are known. Without it, equal
        // signatures are equal facts.
        function.linkage = function
            .linkage
            .filter(|linkage| !matches!(linkage, Linkage::Exported | Linkage::Internal));
        let fact = Fact::Function(Arc::new(function));
        facts.push((What::Function, name.clone(), fact));
    }
    for (name, constant) in &abi.constants {
        let fact = Fact::Constant(Arc::new(constant.clone()));
        facts.push((What::Constant, name.clone(), fact));
    }
    for (name, reason) in &abi.no_evidence {
        facts.push((
            What::Unknown,
            name.clone(),
            Fact::Unknown(reason.as_str().into()),
        ));
    }
    if symbols_known {
        let absent = abi
            .no_evidence
            .keys()
            .filter_map(|name| name.strip_prefix("function "));
        let looked_for: BTreeSet<&str> = abi
            .functions
            .keys()
            .map(String::as_str)
            .chain(absent)
            .collect();
        for name in looked_for
            .iter()
            .filter(|name| !abi.symbols.contains_key(**name))
        {
            facts.push((What::Symbol, (*name).to_owned(), Fact::Symbol(None)));
        }
        for (name, symbol) in &abi.symbols {
            let fact = Fact::Symbol(Some(symbol.clone()));
            facts.push((What::Symbol, name.clone(), fact));
        }
    }
    facts
}

/// Refuses text that a column cannot contain. Names from damaged files can contain any character.
fn check(kernel: &HistoryKernel, abi: &Abi) -> Result<()> {
    let wrong = |what: &str, found: &str| {
        Err(Error::new(
            if kernel.release.is_empty() {
                "a kernel"
            } else {
                &kernel.release
            },
            format_args!("{what} without tabs and line breaks, and not empty where it is a name"),
            format_args!("{found:?}"),
            "the file is damaged: get it again",
        ))
    };
    for word in [&kernel.release, &kernel.arch, &kernel.series, &kernel.btf] {
        if word.is_empty() || !text::fits(word) {
            return wrong("a release, architecture, series and source", word);
        }
    }
    let packages = kernel
        .packages
        .iter()
        .flat_map(|p| [&p.name, &p.version, &p.sha256]);
    if let Some(word) = packages
        .chain([&kernel.flavour])
        .find(|word| !text::fits(word))
    {
        return wrong("a package or flavour", word);
    }
    let mut texts: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (name, type_) in &abi.types {
        names.push(name);
        texts.extend(type_.target.as_deref());
        names.extend(type_.values.keys().map(String::as_str));
        for field in &type_.fields {
            names.extend([field.name.as_str(), field.type_name.as_str()]);
            // The reader of a history refuses fields outside their type.
            if field.end_bits() > type_.size.saturating_mul(8) {
                return wrong(
                    "fields within their type; a name",
                    &format!("{name}.{}", field.name),
                );
            }
        }
        if !type_.align.is_power_of_two() {
            return wrong("an alignment that is a power of two; a name", name);
        }
    }
    for (name, function) in &abi.functions {
        names.extend([name.as_str(), function.returns.as_str()]);
        names.extend(function.params.iter().map(String::as_str));
    }
    for (name, constant) in &abi.constants {
        names.push(name);
        names.extend(constant.type_name.as_deref());
    }
    for (name, symbol) in &abi.symbols {
        names.extend([name.as_str(), symbol.module.as_str()]);
        names.extend(symbol.namespace.as_deref());
    }
    for (name, reason) in &abi.no_evidence {
        names.extend([name.as_str(), reason.as_str()]);
    }
    if let Some(word) = names
        .iter()
        .find(|word| word.is_empty() || !text::fits(word))
    {
        return wrong("a name", word);
    }
    match texts.iter().find(|word| !text::fits(word)) {
        Some(word) => wrong("a type", word),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ABSENT;
    use super::*;

    #[test]
    fn sheets_of_different_lengths_are_compared() {
        assert_eq!(differing(&vec![1, ABSENT], &vec![1]), 0);
        assert_eq!(differing(&vec![1, 2], &vec![1]), 1);
    }
}
