// SPDX-License-Identifier: GPL-2.0-only
//! The items that nearly every driver uses: `use linux_driver::prelude::*;`.

pub use core::ffi::CStr;
pub use core::pin::Pin;

pub use crate::device::{Bound, Core, Exclusive, Normal, Transition};
pub use crate::error::{Error, Result, code::*};
pub use crate::init::{Init, PinInit, Zeroable, pin_data, pin_init_scope, pinned_drop};
pub use crate::sysfs_emit;
pub use crate::vtable;
pub use crate::{dev_alert, dev_crit, dev_dbg, dev_emerg, dev_err, dev_info, dev_notice, dev_warn};
pub use crate::{init, pin_init, try_init, try_pin_init};
pub use crate::{pr_alert, pr_crit, pr_debug, pr_emerg, pr_err, pr_info, pr_notice, pr_warn};
