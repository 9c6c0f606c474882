// SPDX-License-Identifier: GPL-2.0-only
//! Guesses the new name of a symbol that a kernel no longer exports: `mutex_init_generic` for
//! `__mutex_init`.
//!
//! The guess depends on the words of the names. The report says that it is a guess.

use linux_driver_abi::model::Symbol;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest number of words that the new name may add.
const MORE: usize = 2;

/// Returns up to three exported names that probably replace `gone`, the likeliest first. A name
/// that was already exported `before` is not a replacement.
pub(super) fn likely(
    gone: &str,
    exports: &BTreeMap<String, Arc<Symbol>>,
    before: Option<&BTreeMap<String, Arc<Symbol>>>,
) -> Vec<String> {
    let old = words(gone);
    if old.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(Rank, &str)> = exports
        .keys()
        .filter(|name| before.is_none_or(|before| !before.contains_key(*name)))
        .filter_map(|name| Some((rank(gone, &old, name, before.is_some())?, name.as_str())))
        .collect();
    found.sort();
    found
        .into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// The rank of a new name; the lowest is the likeliest. It consists of the number of added words,
/// whether the leading underscores differ, and the length.
type Rank = (usize, bool, usize);

fn rank(gone: &str, old: &[&str], name: &str, is_new: bool) -> Option<Rank> {
    let new = words(name);
    let more = new.len().checked_sub(old.len())?;
    // The new name may add words at the end only: `kmalloc_noprof`. `rt_mutex_init` is a different
    // function.
    let begins = new.starts_with(old);
    // A single word is often the start of an unrelated name. For it, only the suffixes that whole
    // families got count.
    let told = more == 0 || (old.len() > 1 && is_new) || SUFFIXES.contains(new.last()?);
    let other_front = front(gone) != front(name);
    (begins && more <= MORE && told).then_some((more, other_front, name.len()))
}

/// Suffixes that whole families of functions got.
const SUFFIXES: [&str; 2] = ["noprof", "generic"];

fn words(name: &str) -> Vec<&str> {
    name.split('_').filter(|word| !word.is_empty()).collect()
}

fn front(name: &str) -> usize {
    name.len() - name.trim_start_matches('_').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exports(names: &[&str]) -> BTreeMap<String, Arc<Symbol>> {
        let symbol = Arc::new(Symbol {
            crc: None,
            module: "vmlinux".to_owned(),
            gpl: false,
            namespace: None,
        });
        names
            .iter()
            .map(|name| ((*name).to_owned(), symbol.clone()))
            .collect()
    }

    #[test]
    fn names_that_kernels_gave_are_found() {
        let after = exports(&[
            "mutex_init_generic",
            "__rt_mutex_init",
            "__devm_add_action",
            "__kmalloc_noprof",
            "__kmalloc_node_noprof",
            "kmalloc_fix_flags",
            "down_read",
        ]);
        for (gone, now) in [
            ("__mutex_init", "mutex_init_generic"),
            ("devm_add_action", "__devm_add_action"),
            ("__kmalloc", "__kmalloc_noprof"),
        ] {
            assert_eq!(
                likely(gone, &after, None).first().map(String::as_str),
                Some(now),
                "{gone}"
            );
        }
        assert_eq!(likely("down", &after, None), Vec::<String>::new());
        assert_eq!(likely("__", &after, None), Vec::<String>::new());
    }

    #[test]
    fn a_name_that_existed_before_is_not_suggested() {
        let after = exports(&["pci_map_region", "pci_map_rom"]);
        assert_eq!(
            likely("pci_map", &after, Some(&exports(&["pci_map_rom"]))),
            ["pci_map_region"]
        );
    }
}
