// SPDX-License-Identifier: GPL-2.0-only
//! What rustc laid out: the compiled bindings, read back.
