// SPDX-License-Identifier: GPL-2.0-only
//! x86: the instructions of `arch/x86/include/asm/io.h`.
//!
//! Each access is one `mov` between memory and a register, which hypervisors that emulate a device
//! can decode. x86 keeps such accesses in program order.
//!
//! An access is a compiler barrier too, like C's `"memory"` clobber. A relaxed access is not: the
//! compiler keeps it in order with other device accesses, but not with accesses to other memory.

use core::arch::asm;

macro_rules! accessors {
    ($(
        $read:ident, $write:ident, $type:ty, $class:ident, $modifier:literal, $width:literal
        $(, $option:ident)?;
    )*) => { $(
        /// Reads a register.
        ///
        /// # Safety
        ///
        /// `address + OFFSET` is in a mapping of device memory and is aligned to the access.
        #[allow(
            clippy::pointers_in_nomem_asm_block,
            reason = "only these functions access device memory"
        )]
        #[inline(always)]
        pub(crate) unsafe fn $read<const OFFSET: usize>(address: *const u8) -> $type {
            let value: $type;
            // SAFETY: the instruction loads from mapped device memory, by the caller's promise.
            unsafe {
                asm!(
                    concat!("mov {value", $modifier, "}, ", $width, " ptr [{address} + {offset}]"),
                    value = out($class) value,
                    address = in(reg) address,
                    offset = const OFFSET,
                    options(nostack, preserves_flags $(, $option)?)
                );
            }
            value
        }

        /// Writes a register.
        ///
        /// # Safety
        ///
        /// `address + OFFSET` is in a mapping of device memory and is aligned to the access.
        #[allow(
            clippy::pointers_in_nomem_asm_block,
            reason = "only these functions access device memory"
        )]
        #[inline(always)]
        pub(crate) unsafe fn $write<const OFFSET: usize>(address: *mut u8, value: $type) {
            // SAFETY: the instruction stores to mapped device memory, by the caller's promise.
            unsafe {
                asm!(
                    concat!("mov ", $width, " ptr [{address} + {offset}], {value", $modifier, "}"),
                    value = in($class) value,
                    address = in(reg) address,
                    offset = const OFFSET,
                    options(nostack, preserves_flags $(, $option)?)
                );
            }
        }
    )* };
}

accessors! {
    readb, writeb, u8, reg_byte, "", "byte";
    readw, writew, u16, reg, ":x", "word";
    readl, writel, u32, reg, ":e", "dword";
    readq, writeq, u64, reg, ":r", "qword";
    readb_relaxed, writeb_relaxed, u8, reg_byte, "", "byte", nomem;
    readw_relaxed, writew_relaxed, u16, reg, ":x", "word", nomem;
    readl_relaxed, writel_relaxed, u32, reg, ":e", "dword", nomem;
    readq_relaxed, writeq_relaxed, u64, reg, ":r", "qword", nomem;
}

macro_rules! port_accessors {
    ($($read:ident, $write:ident, $type:ty, $register:tt;)*) => { $(
        /// Reads from an I/O port.
        ///
        /// # Safety
        ///
        /// The port belongs to the caller.
        #[inline(always)]
        pub(crate) unsafe fn $read(port: u16) -> $type {
            let value: $type;
            // SAFETY: the instruction reads from a port that belongs to the caller.
            unsafe {
                asm!(
                    concat!("in ", $register, ", dx"),
                    out($register) value,
                    in("dx") port,
                    options(nostack, preserves_flags)
                );
            }
            value
        }

        /// Writes to an I/O port.
        ///
        /// # Safety
        ///
        /// The port belongs to the caller.
        #[inline(always)]
        pub(crate) unsafe fn $write(port: u16, value: $type) {
            // SAFETY: the instruction writes to a port that belongs to the caller.
            unsafe {
                asm!(
                    concat!("out dx, ", $register),
                    in($register) value,
                    in("dx") port,
                    options(nostack, preserves_flags)
                );
            }
        }
    )* };
}

port_accessors! {
    inb, outb, u8, "al";
    inw, outw, u16, "ax";
    inl, outl, u32, "eax";
}

/// `ARCH_DMA_MINALIGN`, in bytes: memory for DMA shares no cache line with other memory. x86's
/// caches are coherent; whole lines avoid reports of the kernel's checks (`CONFIG_DMA_API_DEBUG`).
pub(crate) const DMA_MINALIGN: usize = 64;

/// Orders stores: `dma_wmb`. x86 keeps them in order; this keeps the compiler from moving them.
#[inline(always)]
pub(crate) fn dma_wmb() {
    // SAFETY: the block contains no instruction.
    unsafe { asm!("", options(nostack, preserves_flags)) }
}

/// Orders loads: `dma_rmb`. x86 keeps them in order; this keeps the compiler from moving them.
#[inline(always)]
pub(crate) fn dma_rmb() {
    // SAFETY: the block contains no instruction.
    unsafe { asm!("", options(nostack, preserves_flags)) }
}

/// Traps, and does not return. C marks unreachable code with the same instruction.
#[cfg(target_os = "none")]
pub(crate) fn trap() -> ! {
    // SAFETY: `ud2` traps, so no code after it runs.
    unsafe { asm!("ud2", options(noreturn, nomem, nostack)) }
}
