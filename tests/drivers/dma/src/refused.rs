// SPDX-License-Identifier: GPL-2.0-only
//! Calls that must be refused.

use linux_driver::alloc::{__GFP_NOWARN, GFP_KERNEL, KBox};
use linux_driver::dma::{Coherent, DmaMask, Streaming, ToDevice};
use linux_driver::pci;
use linux_driver::prelude::*;

use crate::error;

pub(crate) fn all(dev: &pci::Device<Core>) {
    dev_info!(
        dev,
        "mask of 0 bits: {}, of 65: {}",
        error(DmaMask::try_new(0)),
        error(DmaMask::try_new(65))
    );
    // Outside the driver's data, a value could be forgotten. It would then be freed after the
    // device was unbound.
    let coherent = |count| {
        error(KBox::pin_init(
            Coherent::<u64>::zeroed_slice(dev, count, GFP_KERNEL | __GFP_NOWARN),
            GFP_KERNEL,
        ))
    };
    let streaming = KBox::pin_init(
        Streaming::<ToDevice>::zeroed(dev, 64, GFP_KERNEL),
        GFP_KERNEL,
    );
    dev_info!(
        dev,
        "elsewhere: {} and {}, no bytes: {}, too many: {}",
        coherent(1),
        error(streaming),
        coherent(0),
        coherent(usize::MAX),
    );
}
