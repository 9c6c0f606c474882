// SPDX-License-Identifier: GPL-2.0-only
//! The model as C: `kernel.h`.
