// SPDX-License-Identifier: GPL-2.0-only
//!
#![no_std]
