// SPDX-License-Identifier: GPL-2.0-only
//! The device's tests (QEMU's `docs/specs/pci-testdev`): a BAR starts with a header that says what
//! to write where, and counts it.

use linux_driver::io::{Mmio, Ports};
use linux_driver::pci;
use linux_driver::prelude::*;

use crate::{MEMORY, PORTS};

/// Selects a test, and sets the count to 0.
const TEST: usize = 0;
/// How many bytes an access of the test has; anything but 1, 2 and 4: there is no such test here.
const WIDTH: usize = 1;
/// Where to write, from the BAR's start on.
const OFFSET: usize = 4;
/// What to write.
const DATA: usize = 8;
/// How often it was written.
const COUNT: usize = 12;
/// How often each test writes.
const TIMES: u32 = 16;

/// What the device's header is read through: memory or ports.
pub(crate) trait Registers {
    fn select(&self, test: u8);
    fn width(&self) -> u8;
    fn offset(&self) -> u32;
    fn data(&self) -> u32;
    fn count(&self) -> u32;
    fn write(&self, width: u8, value: u32, offset: usize) -> Result;
}

impl Registers for Mmio<MEMORY> {
    fn select(&self, test: u8) {
        self.writeb::<TEST>(test);
    }

    fn width(&self) -> u8 {
        self.readb::<WIDTH>()
    }

    fn offset(&self) -> u32 {
        self.readl::<OFFSET>()
    }

    fn data(&self) -> u32 {
        self.readl::<DATA>()
    }

    fn count(&self) -> u32 {
        self.readl::<COUNT>()
    }

    fn write(&self, width: u8, value: u32, offset: usize) -> Result {
        match width {
            1 => self.try_writeb(value as u8, offset),
            2 => self.try_writew(value as u16, offset),
            _ => self.try_writel(value, offset),
        }
    }
}

impl Registers for Ports<PORTS> {
    fn select(&self, test: u8) {
        self.outb::<TEST>(test);
    }

    fn width(&self) -> u8 {
        self.inb::<WIDTH>()
    }

    fn offset(&self) -> u32 {
        self.inl::<OFFSET>()
    }

    fn data(&self) -> u32 {
        self.inl::<DATA>()
    }

    fn count(&self) -> u32 {
        self.inl::<COUNT>()
    }

    fn write(&self, width: u8, value: u32, offset: usize) -> Result {
        match width {
            1 => self.try_outb(value as u8, offset),
            2 => self.try_outw(value as u16, offset),
            _ => self.try_outl(value, offset),
        }
    }
}

/// Passes all tests that the BAR has, and says how many these are. `EIO` if the device's count is
/// none that can be.
pub(crate) fn pass(
    dev: &pci::Device<Bound>,
    what: &'static str,
    registers: &impl Registers,
) -> Result<u32> {
    for test in 0..=u8::MAX {
        registers.select(test);
        let width = registers.width();
        if !matches!(width, 1 | 2 | 4) {
            return Ok(test.into());
        }
        let (offset, data) = (registers.offset(), registers.data());
        for _ in 0..TIMES {
            // The offset is the device's word: one that lies outside of the BAR is an error, and
            // not an access.
            registers.write(width, data, offset as usize)?;
        }
        let count = registers.count();
        dev_info!(
            dev,
            "{}, test {}: width {}, at {}, counted {} of {}",
            what,
            test,
            width,
            offset,
            count,
            TIMES
        );
        // Of the other tests an eventfd of the host's may take what is written: then the device
        // sees none of it.
        if count != TIMES && (test == 0 || count != 0) {
            return Err(EIO);
        }
    }
    Ok(u8::MAX.into())
}
