// SPDX-License-Identifier: GPL-2.0-only
//! The kernels that Debian's archive holds, and their type information.
