// SPDX-License-Identifier: GPL-2.0-only
//! The mapping from the names of rustc and bindgen to C's names.

/// Returns whether a member was added by bindgen and does not exist in C.
pub(super) fn is_artificial(member: &str) -> bool {
    ["_bitfield_", "__bindgen_padding_", "_phantom"]
        .iter()
        .any(|start| member.starts_with(start))
        || [
            "_unused",
            "_address",
            "bindgen_union_field",
            "_bindgen_opaque_blob",
        ]
        .contains(&member)
}

/// Returns whether the member has no name in C.
pub(super) fn is_anonymous(member: &str) -> bool {
    member.starts_with("__bindgen_anon_")
}

/// Returns whether the type has no name in C.
pub(super) fn is_unnamed(type_name: &str) -> bool {
    type_name.contains("__bindgen_ty_")
}

/// Names that are keywords in Rust. bindgen appends `_` to them.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "const", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "Self",
    "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe",
    "unsized", "use", "virtual", "where", "while", "yield", "bool",
];

/// Returns the name in C.
pub fn c_name(name: &str) -> &str {
    let name = name.strip_prefix("r#").unwrap_or(name);
    name.strip_suffix('_')
        .filter(|name| KEYWORDS.contains(name))
        .unwrap_or(name)
}

/// Returns C's name for a numeric type.
pub(super) fn c_number(name: &str) -> &str {
    match name {
        "i8" => "signed char",
        "u8" => "unsigned char",
        "i16" => "short int",
        "u16" => "short unsigned int",
        "i32" => "int",
        "u32" => "unsigned int",
        "i64" | "isize" => "long int",
        "u64" | "usize" => "long unsigned int",
        "i128" => "__int128",
        "u128" => "__int128 unsigned",
        "bool" => "_Bool",
        "()" | "c_void" => "void",
        _ => name,
    }
}

/// Returns whether a generic type only wraps its parameter. Examples are bindgen's field for an
/// array without a length, and the wrapper that keeps a union's member from being dropped.
pub(super) fn transparent(type_name: &str) -> bool {
    [
        "Option<",
        "ManuallyDrop<",
        "MaybeUninit<",
        "UnsafeCell<",
        "__BindgenUnionField<",
    ]
    .iter()
    .any(|start| type_name.starts_with(start))
}

/// Returns whether it is bindgen's array without a length, at the end of a struct.
pub(super) fn is_flexible(type_name: &str) -> bool {
    type_name.starts_with("__IncompleteArrayField<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_c_again() {
        assert_eq!(c_name("type_"), "type");
        assert_eq!(c_name("r#match"), "match");
        assert_eq!(c_name("p_"), "p_");
        assert!(is_anonymous("__bindgen_anon_2") && is_unnamed("device__bindgen_ty_1"));
        assert!(
            is_artificial("_bitfield_align_1")
                && is_artificial("_bitfield_1")
                && !is_artificial("name")
        );
        assert_eq!(c_number("u16"), "short unsigned int");
    }
}
