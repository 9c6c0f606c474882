// SPDX-License-Identifier: GPL-2.0-only
//! Makes QEMU's `edu` copy memory to its buffer and back.
#![no_std]
#![forbid(unsafe_code)]

mod coherent;
mod edu;
mod refused;
mod streaming;

use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver::alloc::{__GFP_NOWARN, GFP_KERNEL};
use linux_driver::bytes::{FromBytes, IntoBytes};
use linux_driver::dma::{self, Bidirectional, Coherent, DmaMask, FromDevice, Streaming, ToDevice};
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;

/// An example of an element of a device's ring.
#[derive(FromBytes, IntoBytes, Clone, Copy, PartialEq)]
#[repr(C)]
struct Descriptor {
    address: u64,
    length: u32,
    flags: u16,
    owner: u8,
    tag: u8,
}

/// Set after the first probe, which asks for more memory than there is.
static AGAIN: AtomicBool = AtomicBool::new(false);

#[pin_data]
struct Dma {
    #[pin]
    ring: Coherent<Descriptor>,
    #[pin]
    bytes: Coherent<u8>,
    #[pin]
    to: Streaming<ToDevice>,
    #[pin]
    from: Streaming<FromDevice>,
    #[pin]
    both: Streaming<Bidirectional>,
    edu: edu::Edu,
}

#[vtable]
impl pci::Driver for Dma {
    type IdInfo = ();
    const NAME: &'static CStr = c"dma";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            dev.set_master();
            refused::all(dev);
            let edu = edu::Edu::new(dev.iomap_region(0)?);
            dma::set_mask_and_coherent(dev, DmaMask::new::<28>())?;
            let length = if AGAIN.swap(true, Ordering::Relaxed) {
                edu::SIZE
            } else {
                usize::MAX / 4
            };
            let init = try_pin_init!(Self {
                ring <- Coherent::zeroed_slice(dev, 128, GFP_KERNEL),
                bytes <- Coherent::zeroed_slice(dev, length, GFP_KERNEL | __GFP_NOWARN),
                to <- pin_init_scope(move || {
                    dma::set_mask_and_coherent(dev, DmaMask::new::<32>())?;
                    Ok::<_, Error>(Streaming::zeroed(dev, edu::SIZE, GFP_KERNEL))
                }),
                from <- Streaming::zeroed(dev, edu::SIZE, GFP_KERNEL),
                both <- Streaming::zeroed(dev, 100, GFP_KERNEL),
                edu,
            });
            Ok(init.pin_chain(move |this| {
                coherent::try_out(dev, &this)?;
                streaming::try_out(dev, &this)
            }))
        })
    }
}

/// Returns the error of a result, or `EALREADY` if it is `Ok`.
fn error<T>(result: Result<T>) -> Error {
    result.err().unwrap_or(EALREADY)
}

linux_driver::module_pci_driver! {
    type: Dma,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Moves memory to a device and back",
}
