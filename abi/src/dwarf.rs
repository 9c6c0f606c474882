// SPDX-License-Identifier: GPL-2.0-only
//! DWARF, what a compiler says of the types that it laid out.
