// SPDX-License-Identifier: GPL-2.0-only
//! Whether a name could be another's successor.

/// What the kernel puts around a name when it makes a variant of a function the function itself.
const AFFIXES: &[&str] = &[
    "noprof", "generic", "internal", "common", "full", "ext", "new", "raw",
];

/// How alike two names are: 0 not at all, 100 but for underscores and what the kernel puts around a
/// name.
pub(super) fn likeness(one: &str, other: &str) -> u32 {
    let (one, other) = (words(one), words(other));
    if one.is_empty() || other.is_empty() {
        return 0;
    }
    let common = one.iter().filter(|word| other.contains(word)).count();
    let all = one.len() + other.len() - common;
    u32::try_from(common * 100 / all).unwrap_or(0)
}

/// From which likeness on one name can be the other's successor.
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
