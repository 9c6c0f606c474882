// SPDX-License-Identifier: GPL-2.0-only
//! BTF, the type information that a kernel carries: `include/uapi/linux/btf.h`.
//!
//! Nothing is decoded before it is asked for: opening a kernel's BTF walks its records once to note
//! where each starts. Whatever the bytes say, no read leaves them, and no answer is larger than a
//! limit.

mod extract;
#[cfg(test)]
mod odd;
mod read;
mod spell;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use extract::size_of;
pub use extract::{ABSENT, ALIGNED, ASSEMBLY, extract};
pub use read::{Btf, Enumerators, FuncLinkage, Id, Item, Member, Members, Modifier, Params};
pub use spell::declare;
pub(crate) use spell::declare_with;
