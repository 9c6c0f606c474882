// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of two signatures of a function, and the consequence if they differ.
use linux_driver_abi::compare::same_type;
use linux_driver_abi::model::{Abi, Function};
use linux_driver_abi::report::{Change, Retyping, Verdict};

/// A difference, and its consequence.
pub(super) struct Difference {
    pub(super) change: Change,
    pub(super) verdict: Verdict,
    pub(super) reason: &'static str,
}

/// Returns the names in differing signatures that can be typedefs.
pub(super) fn names(before: &Function, after: &Function) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let types = |function: &Function| {
        let all = std::iter::once(&function.returns).chain(&function.params);
        all.map(|spelled| spelled.clone() + " ").collect::<String>()
    };
    let text = types(before) + &types(after);
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let words = text.split(|c| !is_word(c)).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Returns the difference of the function `name`, or `None` if there is none. `typedefs` are those
/// of both sides.
pub(super) fn difference(
    name: &str,
    before: &Function,
    after: &Function,
    typedefs: (&Abi, &Abi),
) -> Option<Difference> {
    let (old, new) = (before.declaration(name), after.declaration(name));
    if before.returns == after.returns
        && before.params == after.params
        && before.variadic == after.variadic
    {
        return None;
    }
    if before.params.len() != after.params.len() || before.variadic != after.variadic {
        return Some(Difference {
            change: Change::Arity {
                before: old,
                after: new,
            },
            verdict: Verdict::NotJudged,
            reason: "the function takes other arguments: code that was compiled for the old ones passes wrong arguments",
        });
    }
    let pairs = || {
        std::iter::once((&before.returns, &after.returns))
            .chain(before.params.iter().zip(&after.params))
            .filter(|(before, after)| before != after)
    };
    if pairs().all(|(before, after)| same_type((before, typedefs.0), (after, typedefs.1))) {
        return Some(Difference {
            change: Change::Retyped {
                before: old,
                after: new,
                how: Retyping::SameSize,
            },
            verdict: Verdict::Rebuild,
            reason: "a typedef of the same type was added or removed; the kernel's checksum of the function can differ",
        });
    }
    let const_only = pairs().all(|(before, after)| without_const(before) == without_const(after));
    // The driver passes its own function there, whose type must match exactly.
    let callback = pairs().any(|(before, after)| before.contains("(*") || after.contains("(*"));
    let pointers = pairs().all(|(before, after)| before.ends_with('*') && after.ends_with('*'));
    let (how, verdict, reason) = match (const_only, callback) {
        (true, false) => (
            Retyping::ConstOnly,
            Verdict::Rebuild,
            "only const was added or removed, which does not change machine code; the kernel's checksum of the function differs",
        ),
        (true, true) => (
            Retyping::ConstOnly,
            Verdict::NotJudged,
            "a function that is passed there must have the new type: the source declares it",
        ),
        _ if pointers => (
            Retyping::Pointee,
            Verdict::NotJudged,
            "the function takes or returns a pointer to something else: the source has to pass that",
        ),
        _ => (
            if pairs()
                .any(|(before, after)| width(before).zip(width(after)).is_some_and(|(b, a)| b != a))
            {
                Retyping::Resized
            } else {
                Retyping::SameSize
            },
            Verdict::NotJudged,
            "the function takes or returns another type: the source has to fit it",
        ),
    };
    Some(Difference {
        change: Change::Retyped {
            before: old,
            after: new,
            how,
        },
        verdict,
        reason,
    })
}

/// Returns the size in bytes of a type whose name determines it, on a 64-bit kernel.
fn width(spelled: &str) -> Option<u8> {
    Some(match spelled {
        "void" => 0,
        "_Bool" | "bool" | "char" | "u8" | "s8" | "unsigned char" => 1,
        "short" | "u16" | "s16" | "umode_t" | "short unsigned int" | "unsigned short" => 2,
        "int" | "unsigned int" | "u32" | "s32" | "gfp_t" => 4,
        "long" | "long int" | "unsigned long" | "long unsigned int" | "u64" | "s64" | "size_t"
        | "ssize_t" | "loff_t" | "dma_addr_t" => 8,
        _ if spelled.ends_with('*') || spelled.contains("(*") => 8,
        _ => return None,
    })
}

fn without_const(spelled: &str) -> String {
    spelled
        .replace("*const ", "*")
        .replace("const ", "")
        .replace("*const", "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(returns: &str, params: &[&str]) -> Function {
        Function {
            returns: returns.to_owned(),
            params: params.iter().map(|param| (*param).to_owned()).collect(),
            variadic: false,
            linkage: None,
        }
    }

    #[test]
    fn each_way_has_its_verdict() {
        let of = |before: &Function, after: &Function| {
            difference("f", before, after, (&Abi::default(), &Abi::default()))
                .map(|d| (d.change, d.verdict))
        };
        let f = function("void", &["struct callback_head *", "rcu_callback_t"]);
        assert_eq!(of(&f, &f), None);
        let (change, verdict) = of(&f, &function("void", &["struct callback_head *"])).unwrap();
        assert!(matches!(change, Change::Arity { .. }) && verdict == Verdict::NotJudged);
        // kvfree_call_rcu changed in this way.
        let (change, verdict) =
            of(&f, &function("void", &["struct callback_head *", "void *"])).unwrap();
        assert!(
            matches!(
                change,
                Change::Retyped {
                    how: Retyping::SameSize,
                    ..
                }
            ) && verdict == Verdict::NotJudged,
            "{change:?}"
        );
        let (change, verdict) = of(
            &function("int", &["struct bus_type *"]),
            &function("int", &["const struct bus_type *"]),
        )
        .unwrap();
        assert!(
            matches!(
                change,
                Change::Retyped {
                    how: Retyping::ConstOnly,
                    ..
                }
            ) && verdict == Verdict::Rebuild,
            "{change:?}"
        );
        let (_, verdict) = of(
            &function("int", &["int (*)(struct device *, void *)"]),
            &function("int", &["int (*)(struct device *, const void *)"]),
        )
        .unwrap();
        assert_eq!(verdict, Verdict::NotJudged);
        let (change, _) = of(&function("struct a *", &[]), &function("struct b *", &[])).unwrap();
        assert!(matches!(
            change,
            Change::Retyped {
                how: Retyping::Pointee,
                ..
            }
        ));
    }
}
