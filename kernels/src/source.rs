// SPDX-License-Identifier: GPL-2.0-only
//! The origins of kernels, one file for each.

pub(crate) mod built;
pub(crate) mod debian;
mod folder;
