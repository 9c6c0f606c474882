// SPDX-License-Identifier: GPL-2.0-only
//! Two kernels beside each other.
