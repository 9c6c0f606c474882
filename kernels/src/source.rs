// SPDX-License-Identifier: GPL-2.0-only
//! Where kernels come from: one file for each origin.

pub(crate) mod built;
pub(crate) mod debian;
mod folder;
