// SPDX-License-Identifier: GPL-2.0-only
//! Tests of C's integers. Each must be known by size and sign, since an unknown one would agree
//! with any type.

use super::{Shape, builtin, integer, tag};
use crate::model::{Abi, Kind, Type};

/// C's integers in the spelling of BTF and DWARF, each with its size in bytes and its sign. The
/// sign is `None` if it does not count.
const INTEGERS: &[(&str, u64, Option<bool>)] = &[
    ("char", 1, None),
    ("signed char", 1, None),
    ("unsigned char", 1, Some(false)),
    ("_Bool", 1, Some(false)),
    ("short int", 2, Some(true)),
    ("short unsigned int", 2, Some(false)),
    ("int", 4, Some(true)),
    ("unsigned int", 4, Some(false)),
    ("long int", 8, Some(true)),
    ("long long int", 8, Some(true)),
    ("long unsigned int", 8, Some(false)),
    ("long long unsigned int", 8, Some(false)),
    ("__int128", 16, Some(true)),
    ("__int128 unsigned", 16, Some(false)),
    ("unsigned __int128", 16, Some(false)),
];

#[test]
fn each_integer_has_its_size_and_sign() {
    for &(name, size, sign) in INTEGERS {
        assert_eq!(builtin(name), Some((size, sign)), "{name}");
        assert_eq!(integer(&Abi::default(), name), Some((size, sign)), "{name}");
    }
    for other in [
        "void",
        "float",
        "u32",
        "struct device",
        "enum state",
        "",
        "integer",
    ] {
        assert_eq!(builtin(other), None, "{other}");
    }
}

#[test]
fn an_enum_is_an_integer_of_its_size() {
    let mut abi = Abi::default();
    let type_ = Type {
        kind: Kind::Enum,
        size: 8,
        align: 8,
        fields: Vec::new(),
        values: std::collections::BTreeMap::new(),
        target: None,
    };
    abi.types.insert("wide".to_owned(), type_.into());
    assert_eq!(integer(&abi, "enum wide"), Some((8, None)));
    // An unknown enum has C's default size.
    assert_eq!(integer(&abi, "enum other"), Some((4, None)));
    assert_eq!(integer(&abi, "struct wide"), None);
}

#[test]
fn a_tag_is_the_name_after_the_keyword() {
    assert_eq!(tag("struct device"), Some("device"));
    assert_eq!(tag("union either"), Some("either"));
    assert_eq!(
        (tag("enum state"), tag("device"), tag("int")),
        (None, None, None)
    );
}

#[test]
fn dimensions_and_parentheses_are_counted() {
    let named = |name: &str| Shape::Named(name.to_owned());
    let pointer = |to| Shape::Pointer(Box::new(to));
    let function = |returns, params| Shape::Function {
        returns: Box::new(returns),
        params,
        variadic: false,
    };
    assert_eq!(
        Shape::of("int [0]"),
        Shape::Array(Box::new(named("int")), 0)
    );
    assert_eq!(
        Shape::of("int [2][3][4]"),
        Shape::Array(Box::new(named("int")), 24)
    );
    assert_eq!(
        Shape::of("int (*[2])(void)"),
        Shape::Array(Box::new(pointer(function(named("int"), vec![]))), 2)
    );
    assert_eq!(
        Shape::of("int (*)(int (*)(long int), char *const, void *)"),
        pointer(function(
            named("int"),
            vec![
                pointer(function(named("int"), vec![named("long int")])),
                pointer(named("char")),
                pointer(named("void")),
            ]
        ))
    );
    assert_eq!(
        Shape::of("volatile long unsigned int *restrict"),
        pointer(named("long unsigned int"))
    );
    assert_eq!(
        Shape::of("int (*)[3]"),
        pointer(Shape::Array(Box::new(named("int")), 3))
    );
    for broken in [
        "int (*)(int,)x",
        "int ((*)(void)",
        "int (*))",
        "int [3",
        "int [3)",
        "const",
        "int [3]]",
        "int (* int)",
    ] {
        assert_eq!(Shape::of(broken), Shape::Unknown, "{broken}");
    }
}

/// Returns whether these spellings of Rust and of C are known to be the same type.
fn agree(rust: &str, c: &str) -> bool {
    let abi = Abi::default();
    super::likeness(&abi, &Shape::of(rust), &abi, &Shape::of(c)) == super::Likeness::Same
}

#[test]
fn arrays_agree_by_their_elements_and_their_number() {
    assert!(
        agree("unsigned int [3]", "enum state [3]") && agree("long int *[2]", "long long int *[2]")
    );
    assert!(!agree("unsigned int [3]", "enum state [4]") && !agree("int [3]", "short int [3]"));
    assert!(!agree("int [3]", "int *") && !agree("int", "int [1]"));
}

#[test]
fn only_a_struct_may_lack_its_keyword() {
    assert!(agree("struct device", "device") && agree("union either", "either"));
    assert!(!agree("struct device", "int") && !agree("int", "struct device"));
    assert!(agree("struct either", "union either") && !agree("struct device", "union either"));
}

#[test]
fn functions_agree_in_each_part() {
    assert!(agree(
        "int (*)(unsigned int, ...)",
        "int (*)(enum state, ...)"
    ));
    assert!(!agree(
        "int (*)(unsigned int, ...)",
        "int (*)(unsigned int)"
    ));
    assert!(
        !agree("int (*)(int, long int)", "int (*)(int, int)")
            && !agree("int (*)(int)", "long int (*)(int)")
    );
}

#[test]
fn a_known_difference_needs_no_more_evidence() {
    let mut c = Abi::default();
    let alias = Type {
        kind: Kind::Typedef,
        size: 0,
        align: 1,
        fields: Vec::new(),
        values: std::collections::BTreeMap::new(),
        target: Some("void".to_owned()),
    };
    c.types.insert("nothing_t".to_owned(), alias.into());
    let rust = Abi::default();
    let likeness =
        |left: &str, right: &str| super::likeness(&rust, &Shape::of(left), &c, &Shape::of(right));
    assert_eq!(likeness("int", "int *"), super::Likeness::Different);
    assert_eq!(likeness("int *", "int"), super::Likeness::Different);
    assert_eq!(
        likeness("struct {…}", "struct device"),
        super::Likeness::Different
    );
    assert_eq!(
        likeness("struct device", "union {…}"),
        super::Likeness::Different
    );
    assert_eq!(likeness("void *", "nothing_t *"), super::Likeness::Same);
}

#[test]
fn a_function_is_not_a_function_pointer() {
    let function = |returns: &str, param: &str| Shape::Function {
        returns: Box::new(Shape::Named(returns.to_owned())),
        params: vec![Shape::Named(param.to_owned())],
        variadic: false,
    };
    assert_eq!(Shape::of("int (long int)"), function("int", "long int"));
}

#[test]
fn deeply_nested_types_are_not_parsed() {
    let stars = |count: usize| Shape::of(&format!("int {}", "*".repeat(count)));
    assert!(matches!(stars(1000), Shape::Pointer(_)));
    let nested = |depth: usize| format!("{}int{}", "int (*)(".repeat(depth), ")".repeat(depth));
    assert!(matches!(Shape::of(&nested(8)), Shape::Pointer(_)));
    let depth_of = |shape: &Shape| format!("{shape:?}").contains("Unknown");
    assert!(!depth_of(&Shape::of(&nested(8))));
    assert!(depth_of(&Shape::of(&nested(64))));
}
