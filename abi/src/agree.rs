// SPDX-License-Identifier: GPL-2.0-only
//! Truths about one kernel that should be one: what rustc laid out, what the kernel's compiler lays out, what the kernel says.
