// SPDX-License-Identifier: GPL-2.0-only
//! BTF, the type information that a kernel contains: `include/uapi/linux/btf.h`.
//!
//! Records are decoded on demand. Opening a kernel's BTF only notes where each record starts. For
//! any input, no read leaves the bytes and no result exceeds a limit.

mod extract;
#[cfg(test)]
mod odd;
mod read;
mod spell;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use extract::{ALIGNED, ASSEMBLY, extract, size_of};
pub use linux_driver_drift::model::ABSENT;
pub use read::{Btf, Enumerators, FuncLinkage, Id, Item, Member, Members, Modifier, Params};
pub use spell::{declare, declare_with};
