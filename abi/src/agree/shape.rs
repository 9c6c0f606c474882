// SPDX-License-Identifier: GPL-2.0-only
//! The structure of types in C's spelling, so that Rust's types can be compared with them.
//!
//! rustc does not know C's typedefs. bindgen has no enums, one `c_char`, and sometimes no const. So
//! integers are compared by size and sign, typedefs are followed as far as they are known, and
//! qualifiers are ignored. The comparison is about structure: pointers, arrays and their lengths,
//! functions and their parameters, and the names of structs.

use crate::model::{Abi, Kind};

/// How deep a type may be nested.
const DEPTH: u32 = 64;

/// The structure of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A name with its keyword (`struct device`, `unsigned int`), or a struct without a name.
    Named(String),
    Pointer(Box<Shape>),
    /// An array of so many elements, in all its dimensions.
    Array(Box<Shape>, u64),
    Function {
        returns: Box<Shape>,
        params: Vec<Shape>,
        variadic: bool,
    },
    /// The spelling could not be parsed.
    Unknown,
}

impl Shape {
    pub(super) fn of(spelled: &str) -> Self {
        let tokens = tokens(spelled);
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
        };
        let shape = parser.type_(0);
        if parser.at == tokens.len() {
            shape
        } else {
            Self::Unknown
        }
    }
}

/// Splits a spelling into words and punctuation.
fn tokens(spelled: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = spelled.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("...") {
            3
        } else if "*()[],".contains(first) {
            1
        } else {
            rest.find([' ', '*', '(', ')', '[', ']', ','])
                .unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length.max(first.len_utf8()));
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn type_(&mut self, depth: u32) -> Shape {
        let mut words = Vec::new();
        while let Some(word) = self
            .peek()
            .filter(|word| !["*", "(", ")", "[", "]", ",", "..."].contains(word))
        {
            self.at += 1;
            if !is_qualifier(word) {
                words.push(word);
            }
        }
        if words.is_empty() || depth > DEPTH {
            return Shape::Unknown;
        }
        self.declarator(Shape::Named(words.join(" ")), depth + 1)
    }

    fn declarator(&mut self, mut base: Shape, depth: u32) -> Shape {
        if depth > DEPTH {
            return Shape::Unknown;
        }
        while self
            .peek()
            .is_some_and(|token| token == "*" || is_qualifier(token))
        {
            if self.take("*") {
                base = Shape::Pointer(Box::new(base));
            } else {
                self.at += 1;
            }
        }
        if self.peek() == Some("(") && self.tokens.get(self.at + 1) == Some(&"*") {
            // The part in parentheses is nearer to the name, so it is parsed last.
            let inside = self.at + 1;
            let Some(end) = self.closing() else {
                return Shape::Unknown;
            };
            self.at = end + 1;
            let outer = self.suffixes(base, depth + 1);
            let after = self.at;
            self.at = inside;
            let shape = self.declarator(outer, depth + 1);
            if self.at != end {
                return Shape::Unknown;
            }
            self.at = after;
            return shape;
        }
        self.suffixes(base, depth + 1)
    }

    /// Returns the position of the parenthesis that closes the current one.
    fn closing(&self) -> Option<usize> {
        let mut open = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(self.at) {
            match *token {
                "(" => open += 1,
                ")" if open == 1 => return Some(at),
                ")" => open = open.checked_sub(1)?,
                _ => {}
            }
        }
        None
    }

    fn suffixes(&mut self, base: Shape, depth: u32) -> Shape {
        if self.take("(") {
            let (mut params, mut variadic) = (Vec::new(), false);
            while !self.take(")") {
                if self.take("...") {
                    variadic = true;
                } else {
                    let before = self.at;
                    params.push(self.type_(depth + 1));
                    if self.at == before {
                        return Shape::Unknown;
                    }
                }
                if !self.take(",") && self.peek() != Some(")") {
                    return Shape::Unknown;
                }
            }
            if params == [Shape::Named("void".to_owned())] {
                params.clear();
            }
            return Shape::Function {
                returns: Box::new(base),
                params,
                variadic,
            };
        }
        let mut count: Option<u64> = None;
        while self.take("[") {
            let number = self.peek().and_then(|number| number.parse::<u64>().ok());
            self.at += 1;
            match number.filter(|_| self.take("]")) {
                Some(number) => count = Some(count.unwrap_or(1).saturating_mul(number)),
                None => return Shape::Unknown,
            }
        }
        match (count, base) {
            (None, base) => base,
            (Some(count), Shape::Array(of, inner)) => Shape::Array(of, inner.saturating_mul(count)),
            (Some(count), base) => Shape::Array(Box::new(base), count),
        }
    }
}

fn is_qualifier(word: &str) -> bool {
    ["const", "volatile", "restrict"].contains(&word)
}

/// The result of comparing two types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// The types are the same.
    Same,
    /// A name in one of them is not known, so there is no evidence.
    Unknown,
    /// The types differ, no matter what the unknown names mean.
    Different,
}

impl From<bool> for Likeness {
    fn from(same: bool) -> Self {
        if same { Self::Same } else { Self::Different }
    }
}

/// Compares Rust's type with C's.
pub(super) fn likeness(rust: &Abi, rust_type: &Shape, c: &Abi, c_type: &Shape) -> Likeness {
    likeness_at(rust, rust_type, c, c_type, 0)
}

fn likeness_at(rust: &Abi, rust_type: &Shape, c: &Abi, c_type: &Shape, depth: u32) -> Likeness {
    if depth > DEPTH {
        return Likeness::Different;
    }
    // The same name means the same type. In C, this can be a struct that only a typedef names.
    if let (Shape::Named(left), Shape::Named(right)) = (rust_type, c_type)
        && (tag(left).is_some() || is_known(left))
        && (left == right || tag(left) == Some(right))
    {
        return Likeness::Same;
    }
    match (resolved(rust, rust_type), resolved(c, c_type)) {
        (Shape::Pointer(left), Shape::Pointer(right)) => {
            likeness_at(rust, &left, c, &right, depth + 1)
        }
        (Shape::Array(left, length), Shape::Array(right, count)) => {
            Likeness::from(length == count).max(likeness_at(rust, &left, c, &right, depth + 1))
        }
        (
            Shape::Function {
                returns,
                params,
                variadic,
            },
            Shape::Function {
                returns: c_returns,
                params: c_params,
                variadic: c_variadic,
            },
        ) => {
            let declared = Likeness::from(variadic == c_variadic && params.len() == c_params.len());
            let params = params.iter().zip(&c_params);
            let pairs = params.chain([(&*returns, &*c_returns)]);
            let likenesses =
                pairs.map(|(left, right)| likeness_at(rust, left, c, right, depth + 1));
            likenesses.fold(declared, Likeness::max)
        }
        (Shape::Named(left), Shape::Named(right)) => likeness_of_names(rust, &left, c, &right),
        // A typedef that was not followed can be any type. So can a spelling that was not parsed.
        (Shape::Named(name), _) | (_, Shape::Named(name)) if !is_known(&name) => Likeness::Unknown,
        (Shape::Unknown, _) | (_, Shape::Unknown) => Likeness::Unknown,
        _ => Likeness::Different,
    }
}

fn likeness_of_names(rust: &Abi, left: &str, c: &Abi, right: &str) -> Likeness {
    if !is_known(left) || !is_known(right) {
        return Likeness::Unknown;
    }
    if left == right || left.ends_with(" {…}") && right.ends_with(" {…}") {
        return Likeness::Same;
    }
    match (integer(rust, left), integer(c, right)) {
        (Some((size, sign)), Some((c_size, c_sign))) => {
            Likeness::from(size == c_size && (sign.is_none() || c_sign.is_none() || sign == c_sign))
        }
        _ => Likeness::from(tag(left).is_some() && tag(left) == tag(right)),
    }
}

/// Returns the tag of a struct or union. The two keywords are equal here, since bindgen makes some
/// unions structs.
fn tag(name: &str) -> Option<&str> {
    name.strip_prefix("struct ").or(name.strip_prefix("union "))
}

/// Returns `false` for a typedef that could not be followed.
fn is_known(name: &str) -> bool {
    tag(name).is_some() || name.starts_with("enum ") || name == "void" || builtin(name).is_some()
}

/// Returns the size in bytes and, if it is known, whether the integer has a sign.
fn integer(abi: &Abi, name: &str) -> Option<(u64, Option<bool>)> {
    match name.strip_prefix("enum ") {
        // The compiler chooses the sign of an enum.
        Some(tag) => Some((abi.types.get(tag).map_or(4, |type_| type_.size), None)),
        None => builtin(name),
    }
}

fn builtin(name: &str) -> Option<(u64, Option<bool>)> {
    Some(match name {
        // The sign of `char` depends on the compiler's flags; Rust has one type for it.
        "char" | "signed char" => (1, None),
        "unsigned char" => (1, Some(false)),
        "_Bool" => (1, Some(false)),
        "short int" => (2, Some(true)),
        "short unsigned int" => (2, Some(false)),
        "int" => (4, Some(true)),
        "unsigned int" => (4, Some(false)),
        "long int" | "long long int" => (8, Some(true)),
        "long unsigned int" | "long long unsigned int" => (8, Some(false)),
        "__int128" => (16, Some(true)),
        "__int128 unsigned" | "unsigned __int128" => (16, Some(false)),
        _ => return None,
    })
}

/// Follows typedefs as far as they are known.
fn resolved(abi: &Abi, shape: &Shape) -> Shape {
    let mut shape = shape.clone();
    for _ in 0..DEPTH {
        let Shape::Named(name) = &shape else { break };
        let type_ = abi
            .types
            .get(&format!("typedef {name}"))
            .or_else(|| abi.types.get(name));
        let target = type_
            .filter(|type_| type_.kind == Kind::Typedef)
            .and_then(|type_| type_.target.as_deref());
        match target {
            // bindgen names a struct without a name after its typedef.
            Some("struct {…}" | "union {…}") => return Shape::Named(format!("struct {name}")),
            Some(target) if target != name => shape = Shape::of(target),
            _ => break,
        }
    }
    shape
}

#[cfg(test)]
mod integers;

#[cfg(test)]
mod tests {
    use super::*;

    fn same_in_nothing(rust: &str, c: &str) -> bool {
        let abi = Abi::default();
        likeness(&abi, &Shape::of(rust), &abi, &Shape::of(c)) == Likeness::Same
    }

    #[test]
    fn declarators_are_taken_apart() {
        let device = || Box::new(Shape::Named("struct device".to_owned()));
        assert_eq!(
            Shape::of("const struct device *const *"),
            Shape::Pointer(Box::new(Shape::Pointer(device())))
        );
        assert_eq!(Shape::of("struct device [2][3]"), Shape::Array(device(), 6));
        let function = Shape::Function {
            returns: Box::new(Shape::Named("int".to_owned())),
            params: vec![Shape::Pointer(device())],
            variadic: true,
        };
        assert_eq!(
            Shape::of("int (*)(struct device *, ...)"),
            Shape::Pointer(Box::new(function))
        );
        assert_eq!(
            Shape::of("int (*(*)(void))[3]"),
            Shape::Pointer(Box::new(Shape::Function {
                returns: Box::new(Shape::Pointer(Box::new(Shape::Array(
                    Box::new(Shape::Named("int".to_owned())),
                    3
                )))),
                params: vec![],
                variadic: false,
            }))
        );
        for broken in [
            "",
            "*",
            "int (",
            "int (*",
            "int [",
            "int [x]",
            "int (*)(,)",
            "int )",
        ] {
            assert_eq!(Shape::of(broken), Shape::Unknown, "{broken}");
        }
        assert_eq!(Shape::of(&"int (*".repeat(10_000)), Shape::Unknown);
    }

    #[test]
    fn types_are_compared_by_their_representation() {
        assert!(same_in_nothing("unsigned int", "enum probe_type"));
        assert!(same_in_nothing(
            "long unsigned int",
            "long long unsigned int"
        ));
        assert!(same_in_nothing("const signed char *", "char *"));
        assert!(same_in_nothing(
            "int (*)(struct device *)",
            "int (*)(struct device *)"
        ));
        assert!(!same_in_nothing("unsigned int", "int"));
        assert!(!same_in_nothing("struct device *", "struct pci_dev *"));
        assert!(!same_in_nothing("void *", "struct device *"));
        assert!(!same_in_nothing("struct device *", "struct device **"));
        assert!(!same_in_nothing(
            "int (*)(struct device *)",
            "int (*)(struct device *, int)"
        ));
        assert!(!same_in_nothing(
            "int (*)(struct device *)",
            "void (*)(struct device *)"
        ));
        assert!(!same_in_nothing(
            "struct resource [17]",
            "struct resource [16]"
        ));
    }

    #[test]
    fn typedefs_are_followed() {
        let mut c = Abi::default();
        for (name, target) in [
            ("atomic_long_t", "atomic64_t"),
            ("atomic64_t", "struct {…}"),
            ("dev_t", "unsigned int"),
        ] {
            let type_ = crate::model::Type {
                kind: Kind::Typedef,
                size: 8,
                align: 8,
                fields: Vec::new(),
                values: std::collections::BTreeMap::new(),
                target: Some(target.to_owned()),
            };
            c.types.insert(name.to_owned(), type_.into());
        }
        let likeness = |rust: &str, spelled: &str| {
            likeness(&Abi::default(), &Shape::of(rust), &c, &Shape::of(spelled))
        };
        let same = |rust: &str, spelled: &str| likeness(rust, spelled) == Likeness::Same;
        assert!(same("struct atomic64_t", "atomic_long_t") && same("unsigned int *", "dev_t *"));
        assert!(!same("struct atomic_t", "atomic_long_t") && !same("int", "dev_t"));
        assert_eq!(likeness("int", "dev_t"), Likeness::Different);
    }

    #[test]
    fn an_unknown_name_is_no_evidence() {
        let abi = Abi::default();
        let likeness = |rust: &str, c: &str| likeness(&abi, &Shape::of(rust), &abi, &Shape::of(c));
        for (rust, c) in [
            ("int", "handler_t"),
            ("int (*)(int)", "handler_t"),
            ("struct device *", "handler_t *"),
            ("handler_t", "int"),
            ("handler_t", "handler_t"),
            ("int [2]", "handler_t [2]"),
            ("void (*)(int)", "void (*)(handler_t)"),
            ("handler_t (*)(void)", "int (*)(void)"),
            ("struct device", "int (*"),
            ("__int128 {", "int"),
        ] {
            assert_eq!(likeness(rust, c), Likeness::Unknown, "{rust} and {c}");
        }
        // A difference in another part than the unknown name is a difference.
        for (rust, c) in [
            ("int [2]", "handler_t [3]"),
            ("void (*)(int, int)", "void (*)(handler_t)"),
            ("int (*)(int)", "void (*)(handler_t)"),
        ] {
            assert_eq!(likeness(rust, c), Likeness::Different, "{rust} and {c}");
        }
    }
}
