// SPDX-License-Identifier: GPL-2.0-only
//! The registers, as offsets in bytes (QEMU's `docs/specs/edu.rst`).

/// Identification: 0xRRrr00ed, with the major version RR and the minor version rr.
pub(crate) const ID: usize = 0x00;
/// Reads as the complement of the value that was written last.
pub(crate) const LIVENESS: usize = 0x04;
/// A write starts the computation of a factorial. A read returns its result.
pub(crate) const FACTORIAL: usize = 0x08;
/// The largest number whose factorial fits into the register.
pub(crate) const FACTORIAL_MAX: u32 = 12;
/// Bit 7: the device raises an interrupt when a factorial is computed.
pub(crate) const STATUS: usize = 0x20;
pub(crate) const STATUS_RAISE: u32 = 1 << 7;
/// The reasons for the interrupt, or 0 if none is raised.
pub(crate) const INTERRUPT_STATUS: usize = 0x24;
/// The known reasons. Bit 0: a factorial is computed, or the driver raised it. Bit 8: a transfer
/// has ended. Nobody waits for other reasons.
pub(crate) const INTERRUPT_KNOWN: u32 = 1 << 0 | 1 << 8;
/// Raises an interrupt.
pub(crate) const INTERRUPT_RAISE: usize = 0x60;
/// Clears these bits of the interrupt status.
pub(crate) const INTERRUPT_ACK: usize = 0x64;
/// A transfer: its source, its destination and its number of bytes.
pub(crate) const DMA_SOURCE: usize = 0x80;
pub(crate) const DMA_DESTINATION: usize = 0x88;
pub(crate) const DMA_COUNT: usize = 0x90;
/// Controls the transfer. Bit 0 starts it, bit 1 selects the direction from the device to memory,
/// and bit 2 requests an interrupt at its end.
pub(crate) const DMA_COMMAND: usize = 0x98;
pub(crate) const DMA_RUN: u32 = 1 << 0;
pub(crate) const DMA_FROM_DEVICE: u32 = 1 << 1;
pub(crate) const DMA_INTERRUPT: u32 = 1 << 2;
/// The number of bytes that the driver uses of BAR 0.
pub(crate) const LENGTH: usize = 0x100;

/// The address of the device's own memory, which only DMA reaches.
pub(crate) const MEMORY: u64 = 0x40000;
/// The usable size of the device's own memory. It has 4096 bytes, but QEMU refuses a transfer that
/// reaches the last one.
pub(crate) const MEMORY_LENGTH: usize = 4095;
