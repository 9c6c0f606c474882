// SPDX-License-Identifier: GPL-2.0-only
//! What a kernel's ABI is, where it can be read from, and what a difference between two of them means.
//!
//! [`model`] is the data; [`btf`] reads it from a kernel's own type information. [`usage`] says what code uses of it,
//! [`report`] what a comparison found.

pub mod btf;
pub mod model;
pub mod report;
pub mod usage;

pub use model::Abi;
pub use usage::Usage;
