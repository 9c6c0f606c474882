// SPDX-License-Identifier: GPL-2.0-only
//! A measure of how likely one name is another's successor.

/// The affixes that the kernel adds to a function's name for a variant of it.
const AFFIXES: &[&str] = &[
    "noprof", "generic", "internal", "common", "full", "ext", "new", "raw",
];

/// Returns the similarity of two names, from 0 to 100. Underscores and the kernel's affixes do not
/// count.
pub(super) fn likeness(one: &str, other: &str) -> u32 {
    let (one, other) = (words(one), words(other));
    if one.is_empty() || other.is_empty() {
        return 0;
    }
    let common = one.iter().filter(|word| other.contains(word)).count();
    let all = one.len() + other.len() - common;
    u32::try_from(common * 100 / all).unwrap_or(0)
}

/// The least similarity of a successor.
pub(super) const ALIKE: u32 = 50;

fn words(name: &str) -> Vec<&str> {
    let all: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    let kept: Vec<&str> = all
        .iter()
        .copied()
        .filter(|word| !AFFIXES.contains(word))
        .collect();
    if kept.is_empty() { all } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors_are_alike_and_strangers_are_not() {
        for (one, other) in [
            ("__mutex_init", "mutex_init_generic"),
            ("__kmalloc", "__kmalloc_noprof"),
            ("devm_add_action", "__devm_add_action"),
            ("krealloc", "krealloc_noprof"),
        ] {
            assert_eq!(likeness(one, other), 100, "{one} {other}");
        }
        assert!(likeness("timer_delete", "del_timer") < ALIKE);
        assert!(likeness("pci_enable_device", "pci_enable_device_mem") >= ALIKE);
        assert!(likeness("kfree", "kmalloc") < ALIKE);
        assert_eq!(likeness("_", "_"), 0);
    }
}
