// SPDX-License-Identifier: GPL-2.0-only
//! What the safe layer and a driver use of a kernel, found out by the compiler.
