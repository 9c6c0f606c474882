// SPDX-License-Identifier: GPL-2.0-only
//! Drift that is known and accepted: `headers/accepted.toml`.
