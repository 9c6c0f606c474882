// SPDX-License-Identifier: GPL-2.0-only
//! What the kernel's headers say to its own compiler: layouts, constants, and how functions are reached.
