// SPDX-License-Identifier: GPL-2.0-only
//! A driver: where its source is, and how it becomes a module.
//!
//! `source` finds it, `compile` makes a Rust object of a crate (`host_crates` keeps what of it is
//! the same for all drivers), `unseen` looks through its sources for what is unsafe and escapes
//! rustc's lint, `link` keeps what is reachable of it, `build` has Kbuild make the module and
//! checks what comes out.

mod build;
mod compile;
mod host_crates;
mod link;
mod source;
mod unseen;

use std::path::Path;

use linux_driver_host::Result;

pub use build::{Build, Builder};
pub use source::{Language, Source};

/// The names of a module's symbols.
pub fn symbols(ko: &Path) -> Result<Vec<String>> {
    Ok(link::Symbols::read(ko)?.names())
}
