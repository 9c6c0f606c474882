// SPDX-License-Identifier: GPL-2.0-only
//! The proc macros of `linux-driver`.
