// SPDX-License-Identifier: GPL-2.0-only
//! The registers, as offsets in bytes (QEMU's `docs/specs/edu.rst`).

/// Identification: 0xRRrr00ed, with the major version RR and the minor one rr.
pub(crate) const ID: usize = 0x00;
/// Reads as the complement of what was written last.
pub(crate) const LIVENESS: usize = 0x04;
/// Writing starts to compute a factorial; reads as its result.
pub(crate) const FACTORIAL: usize = 0x08;
/// The largest number whose factorial fits into the register.
pub(crate) const FACTORIAL_MAX: u32 = 12;
/// Bit 7: an interrupt is raised when a factorial is computed.
pub(crate) const STATUS: usize = 0x20;
pub(crate) const STATUS_RAISE: u32 = 1 << 7;
/// Why an interrupt was raised; 0 if none is.
pub(crate) const INTERRUPT_STATUS: usize = 0x24;
/// A factorial is computed, or bit 0 was raised; a transfer has ended. Nobody waits for another
/// reason.
pub(crate) const INTERRUPT_KNOWN: u32 = 1 << 0 | 1 << 8;
/// Raises an interrupt.
pub(crate) const INTERRUPT_RAISE: usize = 0x60;
/// Clears these bits of the interrupt's status.
pub(crate) const INTERRUPT_ACK: usize = 0x64;
/// A transfer: from where, to where, how many bytes.
pub(crate) const DMA_SOURCE: usize = 0x80;
pub(crate) const DMA_DESTINATION: usize = 0x88;
pub(crate) const DMA_COUNT: usize = 0x90;
/// Starts it: bit 0; bit 1: from the device to memory; bit 2: with an interrupt at its end.
pub(crate) const DMA_COMMAND: usize = 0x98;
pub(crate) const DMA_RUN: u32 = 1 << 0;
pub(crate) const DMA_FROM_DEVICE: u32 = 1 << 1;
pub(crate) const DMA_INTERRUPT: u32 = 1 << 2;
/// How many bytes the driver uses of BAR 0.
pub(crate) const LENGTH: usize = 0x100;

/// Where the device's own memory is, which only DMA reaches.
pub(crate) const MEMORY: u64 = 0x40000;
/// Its size: 4096 bytes, of which QEMU takes the last for one that lies outside.
pub(crate) const MEMORY_LENGTH: usize = 4095;
