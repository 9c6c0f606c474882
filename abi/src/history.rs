// SPDX-License-Identifier: GPL-2.0-only
//! All kernels that are known: each layout once, with the kernels that have it.
