// SPDX-License-Identifier: GPL-2.0-only
//! What is known of one name, through all kernels.
