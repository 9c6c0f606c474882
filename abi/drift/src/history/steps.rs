// SPDX-License-Identifier: GPL-2.0-only
//! The comparison of a history's kernels, one pair after the other.
//!
//! Successive kernels are almost equal. So one ABI is changed into the next by applying the
//! differences, and only those are compared. The result equals that of [`compare::in_scope`], which
//! looks at everything.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Fact, History, KernelId, What};
use crate::compare::{self, Context, Differing, Used};
use crate::model::Abi;
use crate::report::{AbiPart, Comparison};
use crate::usage::Usage;

/// One side of a comparison: a kernel of the history.
struct Side {
    id: KernelId,
    abi: Abi,
    used: Arc<Used>,
}

impl Side {
    fn of(history: &History, id: KernelId, usage: &Usage) -> Self {
        let abi = history.abi_of(id);
        let used = Arc::new(Used::of(&abi, usage));
        Self { id, abi, used }
    }

    /// Changes this side into another kernel.
    fn become_other(
        &mut self,
        history: &History,
        id: KernelId,
        like: Option<&Self>,
        usage: &Usage,
    ) {
        history.turn(&mut self.abi, self.id, id);
        // The neighbour's parts, which are already computed, are usually the same.
        let other = like.unwrap_or(self);
        self.used = if uses_differ(history, (other.id, &other.used), id, usage) {
            Arc::new(Used::of(&self.abi, usage))
        } else {
            Arc::clone(&other.used)
        };
        self.id = id;
    }
}

/// Returns whether [`Used`] has to be computed again for kernel `other`, because a type that it
/// depends on differs from that of kernel `one`.
fn uses_differ(
    history: &History,
    (one, used): (KernelId, &Used),
    other: KernelId,
    usage: &Usage,
) -> bool {
    let is_another = |name: &str| {
        let fact = |kernel| history.fact(kernel, What::Type, name);
        match (fact(one), fact(other)) {
            (Some(Fact::Type(one)), Some(Fact::Type(other))) => {
                !used.is_alike(usage, name, one, other)
            }
            _ => true,
        }
    };
    history
        .names_apart(one, other, What::Type)
        .into_iter()
        .any(is_another)
        || !history.names_apart(one, other, What::Constant).is_empty()
        || (history.names_apart(one, other, What::Function).iter())
            .any(|name| usage.functions.contains(*name))
}

impl History {
    /// Compares the kernels of each step, in what both can describe, or in the parts that are asked
    /// for.
    pub fn compare(
        &self,
        steps: &[(KernelId, KernelId)],
        usage: &Usage,
        wanted: Option<&BTreeSet<AbiPart>>,
    ) -> Vec<Comparison> {
        let Some(&(first, second)) = steps.first() else {
            return Vec::new();
        };
        let mut before = Side::of(self, first, usage);
        let mut after = Side::of(self, second, usage);
        let mut checks = Vec::with_capacity(steps.len());
        for &(old, new) in steps {
            if after.id == old {
                std::mem::swap(&mut before, &mut after);
            }
            if before.id != old {
                before.become_other(self, old, None, usage);
            }
            if after.id != new {
                after.become_other(self, new, Some(&before), usage);
            }
            let context = Context {
                before: &before.abi,
                after: &after.abi,
                usage,
                used: (&before.used, &after.used),
                differing: &differing(self, &before, &after),
                names: (&self.kernel(old).id, &self.kernel(new).id),
            };
            checks.push(compare::in_scope_of(
                &context,
                (self.says(old), self.says(new)),
                wanted,
            ));
        }
        checks
    }
}

fn differing<'a>(history: &'a History, before: &'a Side, after: &'a Side) -> Differing<'a> {
    let apart = |what| history.names_apart(before.id, after.id, what);
    let symbols = apart(What::Symbol);
    let known = |side: &Side| {
        (
            side.abi.symbols.is_empty(),
            history.kernel(side.id).symbols_known,
        )
    };
    let functions = if known(before) == known(after) {
        let mut functions = apart(What::Function);
        functions.extend(&symbols);
        let unknown = apart(What::Unknown).into_iter();
        functions.extend(unknown.filter_map(|key| {
            key.strip_prefix("function ")
                .or(key.strip_prefix("symbol "))
        }));
        functions.sort_unstable();
        functions.dedup();
        functions
    } else {
        // Only one side knows how its functions are reached.
        compare::all(&before.abi.functions, &after.abi.functions)
    };
    Differing {
        types: apart(What::Type),
        functions,
        constants: apart(What::Constant),
        symbols,
    }
}
