// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of two spelled types: only `const` differs, only a name, the target of a pointer,
//! or more.

use std::borrow::Cow;

use crate::model::{Abi, Kind};
use crate::report::Retyping;

/// How many typedefs are followed in a row.
const TYPEDEFS: usize = 8;

/// C's integer types under the names that compilers and the kernel's headers give them.
///
/// This is a table, because an ABI does not include the typedefs of a function's parameters.
const INTEGERS: &[(&str, &str)] = &[
    ("_Bool", "bool"),
    ("__s16", "short"),
    ("__s32", "int"),
    ("__s64", "long long"),
    ("__s8", "signed char"),
    ("__u16", "unsigned short"),
    ("__u32", "unsigned int"),
    ("__u64", "unsigned long long"),
    ("__u8", "unsigned char"),
    ("long int", "long"),
    ("long long int", "long long"),
    ("long long unsigned int", "unsigned long long"),
    ("long unsigned int", "unsigned long"),
    ("s16", "short"),
    ("s32", "int"),
    ("s64", "long long"),
    ("s8", "signed char"),
    ("short int", "short"),
    ("short unsigned int", "unsigned short"),
    ("size_t", "unsigned long"),
    ("ssize_t", "long"),
    ("u16", "unsigned short"),
    ("u32", "unsigned int"),
    ("u64", "unsigned long long"),
    ("u8", "unsigned char"),
    ("uint", "unsigned int"),
    ("uint16_t", "unsigned short"),
    ("uint32_t", "unsigned int"),
    ("uint64_t", "unsigned long long"),
    ("uint8_t", "unsigned char"),
    ("ulong", "unsigned long"),
    ("unsigned short int", "unsigned short"),
    ("ushort", "unsigned short"),
];

/// A change of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retype {
    /// The kind of change.
    pub(super) how: Retyping,
    /// `true` if source that was written for the old type fits the new one.
    pub(super) compatible: bool,
}

/// A spelled type, its size in bits if known, and the ABI that it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Spelled<'a> {
    pub(super) text: &'a str,
    pub(super) bits: Option<u64>,
    pub(super) abi: &'a Abi,
}

/// Returns the change of the type; `None` if both spellings are equal.
pub(super) fn retyped(before: Spelled<'_>, after: Spelled<'_>) -> Option<Retype> {
    if before.text == after.text {
        return None;
    }
    let (plain_before, plain_after) = (without_const(before.text), without_const(after.text));
    let how = |how, compatible| Some(Retype { how, compatible });
    if plain_before == plain_after {
        return how(Retyping::ConstOnly, true);
    }
    let resized =
        matches!((before.bits, after.bits), (Some(before), Some(after)) if before != after);
    let (full_before, full_after) = (
        resolved(&plain_before, before.abi),
        resolved(&plain_after, after.abi),
    );
    if full_before == full_after && !resized {
        return how(Retyping::SameSize, true);
    }
    if is_pointer(&full_before) && is_pointer(&full_after) {
        return how(Retyping::Pointee, false);
    }
    let element = element(&full_before).is_some() && element(&full_before) == element(&full_after);
    how(
        if resized {
            Retyping::Resized
        } else {
            Retyping::SameSize
        },
        element,
    )
}

/// Returns whether a value of this type is an address.
pub(super) fn is_pointer(spelled: &str) -> bool {
    // An array of pointers ends in its dimensions; a pointer to an array has parentheses.
    spelled.contains('*') && (!spelled.ends_with(']') || spelled.contains("(*)"))
}

/// Returns the type of an array's elements.
fn element(spelled: &str) -> Option<&str> {
    spelled
        .strip_suffix(']')?
        .rsplit_once('[')
        .map(|(element, _)| element.trim_end())
}

/// Returns the type without any `const`.
pub(super) fn without_const(spelled: &str) -> Cow<'_, str> {
    if !spelled.contains("const") {
        return Cow::Borrowed(spelled);
    }
    let mut out = String::with_capacity(spelled.len());
    let mut rest = spelled;
    while let Some(at) = rest.find("const") {
        let (head, tail) = rest.split_at(at);
        let tail = &tail["const".len()..];
        let part_of_a_name = head.ends_with(is_word) || tail.starts_with(is_word);
        out.push_str(head);
        if part_of_a_name {
            out.push_str("const");
            rest = tail;
        } else {
            rest = tail.strip_prefix(' ').unwrap_or(tail);
        }
    }
    out.push_str(rest);
    Cow::Owned(out.trim_end().to_owned())
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

/// Replaces the typedef at the start of a type by its target, if that is known.
fn resolved<'a>(spelled: &'a str, abi: &Abi) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(spelled);
    for _ in 0..TYPEDEFS {
        let end = text.find(['*', '[', '(']).unwrap_or(text.len());
        let (base, rest) = text.split_at(end);
        let name = base.trim_end();
        let typedef = abi
            .types
            .get(name)
            .filter(|type_| type_.kind == Kind::Typedef);
        // If the target is a pointer, an array or a function, the rest of the type cannot simply
        // follow it.
        let target = typedef
            .filter(|type_| type_.fields.is_empty() && type_.values.is_empty())
            .and_then(|type_| type_.target.as_deref())
            .filter(|target| {
                !target.contains('(') && (rest.is_empty() || !target.contains(['*', '[']))
            });
        let known = INTEGERS
            .binary_search_by_key(&name, |(alias, _)| alias)
            .ok();
        let Some(target) = target
            .or(known.map(|row| INTEGERS[row].1))
            .filter(|target| *target != name)
        else {
            break;
        };
        let space = if rest.is_empty() { "" } else { " " };
        text = Cow::Owned(format!("{target}{space}{rest}"));
    }
    text
}

/// Replaces each typedef in a type by its target, and removes redundant blanks. Two spellings of
/// one type become equal.
pub(super) fn expanded(spelled: &str, abi: &Abi) -> String {
    let mut text = spelled.to_owned();
    for _ in 0..TYPEDEFS {
        let whole = |name: &str| name.len() == text.trim().len();
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let end = rest.find(is_word).unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let name = &rest[..end];
            rest = &rest[end..];
            // A tag is not a typedef.
            let tag = ["struct ", "union ", "enum "]
                .iter()
                .any(|word| out.ends_with(word));
            let target = typedef(name, abi).filter(|target| {
                // If the target is a function or an array, text around the name would end up on the
                // wrong side of its declarator.
                !tag && (whole(name) || !target.contains(['(', '[']))
            });
            out.push_str(target.unwrap_or(name));
        }
        if out == text {
            break;
        }
        text = out;
    }
    // "struct a **" is the same as "struct a * *".
    text.replace(" *", "*").replace("* ", "*")
}

/// Returns the target of a typedef, if the target has a name or consists of names.
fn typedef<'a>(name: &str, abi: &'a Abi) -> Option<&'a str> {
    let known = INTEGERS
        .binary_search_by_key(&name, |(alias, _)| alias)
        .ok();
    abi.types
        .get(name)
        .filter(|type_| {
            type_.kind == Kind::Typedef && type_.fields.is_empty() && type_.values.is_empty()
        })
        .and_then(|type_| type_.target.as_deref())
        .or(known.map(|row| INTEGERS[row].1))
        .filter(|target| *target != name && !target.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how(before: &str, after: &str, bits: (u64, u64)) -> Option<(Retyping, bool)> {
        let abi = Abi::default();
        let spelled = |text, bits| Spelled {
            text,
            bits: Some(bits),
            abi: &abi,
        };
        retyped(spelled(before, bits.0), spelled(after, bits.1))
            .map(|retype| (retype.how, retype.compatible))
    }

    #[test]
    fn the_table_can_be_searched() {
        assert!(INTEGERS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn two_spellings_of_one_type_are_equal_once_expanded() {
        let mut abi = Abi::default();
        for (name, target) in [
            ("handler_t", "irqreturn_t (*)(int, void *)"),
            ("irqreturn_t", "enum irqreturn"),
            ("loop_t", "loop_t"),
            ("ptr_t", "struct a *"),
            ("sector_t", "u64"),
        ] {
            let type_ = crate::model::Type {
                kind: Kind::Typedef,
                size: 8,
                align: 8,
                fields: Vec::new(),
                values: std::collections::BTreeMap::new(),
                target: Some(target.to_owned()),
            };
            abi.types.insert(name.to_owned(), type_.into());
        }
        let same = |a: &str, b: &str| expanded(a, &abi) == expanded(b, &abi);
        assert!(same("handler_t", "enum irqreturn (*)(int, void *)"));
        assert!(same("ptr_t *", "struct a **"));
        assert!(same(
            "int (*)(sector_t, size_t)",
            "int (*)(unsigned long long, unsigned long)"
        ));
        assert!(same("loop_t", "loop_t"));
        assert!(!same("struct ptr_t *", "struct a **"));
        assert!(!same("sector_t", "unsigned long"));
        assert!(!same("handler_t *", "enum irqreturn (*)(int, void *)"));
    }

    #[test]
    fn the_kind_of_a_change_is_recognised() {
        use Retyping::{ConstOnly, Pointee, Resized, SameSize};
        assert_eq!(
            how("struct bus_type *", "struct bus_type *", (64, 64)),
            None
        );
        assert_eq!(
            how("struct bus_type *", "const struct bus_type *", (64, 64)),
            Some((ConstOnly, true))
        );
        assert_eq!(
            how(
                "int (*)(struct device *, struct device_driver *)",
                "int (*)(struct device *, const struct device_driver *)",
                (64, 64)
            ),
            Some((ConstOnly, true))
        );
        assert_eq!(
            how("char *const *", "char **", (64, 64)),
            Some((ConstOnly, true))
        );
        assert_eq!(
            how("struct constant", "struct ant", (64, 64)),
            Some((SameSize, false))
        );
        assert_eq!(how("u32", "unsigned int", (32, 32)), Some((SameSize, true)));
        assert_eq!(
            how("struct a *", "struct b *", (64, 64)),
            Some((Pointee, false))
        );
        assert_eq!(
            how("struct a [17]", "struct a [11]", (17, 11)),
            Some((Resized, true))
        );
        assert_eq!(
            how("struct a *[2]", "struct a *[3]", (128, 192)),
            Some((Resized, true))
        );
        assert_eq!(
            how("int", "unsigned int", (32, 32)),
            Some((SameSize, false))
        );
        assert_eq!(how("u8", "u16", (8, 16)), Some((Resized, false)));
    }
}
