// SPDX-License-Identifier: GPL-2.0-only
//! Moves bytes into the memory of QEMU's edu device and back by DMA.
#![no_std]
#![forbid(unsafe_code)]

// ANCHOR: head
use linux_driver::alloc::GFP_KERNEL;
use linux_driver::device::Device;
use linux_driver::dma::{self, Coherent, DmaMask};
use linux_driver::io::read_poll_timeout;
use linux_driver::pci::{self, Bar};
use linux_driver::prelude::*;
// ANCHOR_END: head

// ANCHOR: registers
/// A transfer: from where, to where, how many bytes.
const SOURCE: usize = 0x80;
const DESTINATION: usize = 0x88;
const COUNT: usize = 0x90;
/// Bit 0 starts a transfer and reads as 1 until it ends; bit 1: from the device to memory.
const COMMAND: usize = 0x98;
const RUN: u32 = 1 << 0;
const FROM_DEVICE: u32 = 1 << 1;
const LENGTH: usize = 0xa0;

/// The address of the device's own memory, as the device counts.
const MEMORY: u64 = 0x40000;
// ANCHOR_END: registers

// ANCHOR: data
/// The data of a bound device.
#[pin_data]
struct Edu {
    bar: Bar<LENGTH>,
    #[pin]
    buffer: Coherent<u8>,
}
// ANCHOR_END: data

// ANCHOR: transfer
impl Edu {
    /// Moves `count` bytes and waits until the device has moved them.
    fn transfer(&self, dev: &Device<Bound>, from: u64, to: u64, count: u64, way: u32) -> Result {
        let registers = self.bar.access(dev)?;
        registers.writeq::<SOURCE>(from);
        registers.writeq::<DESTINATION>(to);
        registers.writeq::<COUNT>(count);
        registers.writel::<COMMAND>(RUN | way);
        let command = || registers.readl::<COMMAND>();
        read_poll_timeout(command, |command| command & RUN == 0, 1000, 2_000_000)?;
        Ok(())
    }
}
// ANCHOR_END: transfer

#[vtable]
impl pci::Driver for Edu {
    type IdInfo = ();
    const NAME: &'static CStr = c"edu_dma";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];

    // ANCHOR: probe
    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            dev.set_master();
            dma::set_mask_and_coherent(dev, DmaMask::new::<28>())?;
            let bar = dev.iomap_region(0)?;
            Ok(try_pin_init!(Self {
                bar,
                buffer <- Coherent::zeroed_slice(dev, 4096, GFP_KERNEL),
            })
            .pin_chain(move |this| this.try_out(dev)))
        })
    }
    // ANCHOR_END: probe

    // ANCHOR: remove
    fn remove(dev: &pci::Device<Core>, _this: Pin<&Self>) {
        dev.clear_master();
    }
    // ANCHOR_END: remove
}

// ANCHOR: try
impl Edu {
    /// Moves five bytes into the device, clears the buffer, and moves them back.
    fn try_out(&self, dev: &pci::Device<Core>) -> Result {
        let address = self.buffer.dma_handle();
        self.buffer.copy_from_slice(0, b"hello")?;
        self.transfer(dev.as_ref(), address, MEMORY, 5, 0)?;
        self.buffer.copy_from_slice(0, &[0; 5])?;
        self.transfer(dev.as_ref(), MEMORY, address, 5, FROM_DEVICE)?;
        let mut back = [0; 5];
        self.buffer.copy_to_slice(0, &mut back)?;
        dev_info!(
            dev,
            "the device gave back: {}",
            str::from_utf8(&back).unwrap_or("?")
        );
        Ok(())
    }
}
// ANCHOR_END: try

linux_driver::module_pci_driver! {
    type: Edu,
    license: "GPL",
    author: "A. Author",
    description: "Moves bytes into QEMU's edu device and back by DMA",
}
