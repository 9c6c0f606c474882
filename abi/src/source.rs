// SPDX-License-Identifier: GPL-2.0-only
//! Where BTF is found: in a kernel, a module, or as it is.
