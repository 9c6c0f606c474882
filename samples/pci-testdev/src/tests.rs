// SPDX-License-Identifier: GPL-2.0-only
//! The device's tests (QEMU's `docs/specs/pci-testdev`). Each BAR starts with a header that says
//! what to write at which offset, and counts these writes.

use linux_driver::io::{Mmio, Ports};
use linux_driver::pci;
use linux_driver::prelude::*;

use crate::{MEMORY, PORTS};

/// Selects a test, and sets the count to 0.
const TEST: usize = 0;
/// The number of bytes of each access of the test. If it is not 1, 2 or 4, the BAR does not have
/// this test.
const WIDTH: usize = 1;
/// The offset to write at, from the start of the BAR.
const OFFSET: usize = 4;
/// The value to write.
const DATA: usize = 8;
/// The number of times that the value was written.
const COUNT: usize = 12;
/// The number of writes in each test.
const TIMES: u32 = 16;

/// The header of a BAR, which is accessed through memory or ports.
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

/// Runs all tests of the BAR, and returns their number. Fails with `EIO` if the device's count is
/// impossible.
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
            // The offset comes from the device. If it is outside the BAR, this is an error, not an
            // access.
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
        // In the other tests, an eventfd of the host may consume the writes. The device then sees
        // none of them.
        if count != TIMES && (test == 0 || count != 0) {
            return Err(EIO);
        }
    }
    Ok(u8::MAX.into())
}
