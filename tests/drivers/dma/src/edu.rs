// SPDX-License-Identifier: GPL-2.0-only
//! The operations of the device.

use linux_driver::dma::DmaAddr;
use linux_driver::io::read_poll_timeout;
use linux_driver::pci::{self, Bar};
use linux_driver::prelude::*;

/// The number of bytes to copy: half of the device's buffer. (QEMU 7.2 exits with an error if the
/// buffer's last byte is used.)
pub(crate) const SIZE: usize = 2048;
/// The address of the device's buffer.
const BUFFER: u64 = 0x40000;

/// The registers, as offsets in bytes (QEMU's `docs/specs/edu.rst`).
mod regs {
    pub(super) const SOURCE: usize = 0x80;
    pub(super) const DESTINATION: usize = 0x88;
    pub(super) const COUNT: usize = 0x90;
    pub(super) const COMMAND: usize = 0x98;
}

/// The bits of a command: start, and the direction from the device to memory.
const GO: u64 = 1;
const TO_MEMORY: u64 = 2;

pub(crate) struct Edu(Bar<0x100>);

impl Edu {
    pub(crate) fn new(bar: Bar<0x100>) -> Self {
        Self(bar)
    }

    /// Makes the device copy memory to its buffer.
    pub(crate) fn take(&self, dev: &pci::Device<Bound>, from: DmaAddr, length: u64) -> Result {
        self.run(dev, from, BUFFER, length, GO)
    }

    /// Makes the device copy its buffer to memory.
    pub(crate) fn give(&self, dev: &pci::Device<Bound>, to: DmaAddr, length: u64) -> Result {
        self.run(dev, BUFFER, to, length, GO | TO_MEMORY)
    }

    fn run(
        &self,
        dev: &pci::Device<Bound>,
        source: u64,
        destination: u64,
        count: u64,
        command: u64,
    ) -> Result {
        let registers = self.0.access(dev)?;
        registers.writeq::<{ regs::SOURCE }>(source);
        registers.writeq::<{ regs::DESTINATION }>(destination);
        registers.writeq::<{ regs::COUNT }>(count);
        registers.writeq::<{ regs::COMMAND }>(command);
        read_poll_timeout(
            || registers.readq::<{ regs::COMMAND }>(),
            |command| command & GO == 0,
            1000,
            10_000_000,
        )?;
        Ok(())
    }
}
