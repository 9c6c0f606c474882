// SPDX-License-Identifier: GPL-2.0-only
//! Registers: mapped into memory, or behind I/O ports.
//!
//! C headers: `arch/x86/include/asm/io.h`, `include/linux/iopoll.h`.

#[cfg_attr(target_arch = "x86_64", path = "io/x86_64.rs")]
pub(crate) mod arch;
mod copy;
mod mapped;
mod poll;
mod port;
mod register;

pub(crate) use mapped::Mapped;
pub use poll::read_poll_timeout;
pub use port::Ports;
pub use register::{Readable, Register, Writable};

use core::marker::PhantomData;

use crate::error::{Result, code::EINVAL};

/// Device memory mapped into the kernel, at least `SIZE` bytes of it.
///
/// Registers are best declared by [`register!`](crate::register), and read and written as values of
/// their types: [`read`](Self::read), [`write`](Self::write). The methods that are named as C's
/// functions take offsets in bytes. A constant offset is checked at compile time; one that is known
/// at run time only has the `try_` methods, which return [`EINVAL`] for an access that is out of
/// bounds or not aligned.
///
/// Context: any, hard interrupts included.
///
/// ```no_run
/// use linux_driver::error::Result;
/// use linux_driver::io::Mmio;
///
/// /// Tells the device where its ring is in memory, and starts it.
/// ///
/// /// The first two need no order towards memory: the device reads nothing there yet. The last one does: what was written to
/// /// the ring before is there when the device looks. Among each other, all come in this order.
/// fn start(registers: &Mmio<0x100>, ring: u64, entries: u32) {
///     registers.writeq_relaxed::<0x80>(ring);
///     registers.writel_relaxed::<0x88>(entries);
///     registers.writel::<0x8c>(1);
/// }
///
/// /// How many bytes came: a counter of 64 bits, read by one instruction. Two of 32 bits could see two moments.
/// fn received(registers: &Mmio<0x100>) -> u64 {
///     registers.readq::<0x90>()
/// }
///
/// /// Sets one of the addresses that the device listens to; `EINVAL` for a number that reaches beyond the mapping.
/// fn set_address(registers: &Mmio<0x100>, number: u8, address: u64) -> Result {
///     registers.try_writeq(address, 0xc0 + 8 * usize::from(number))
/// }
/// ```
///
/// # Invariants
///
/// `base..base + length` is mapped device memory as long as this value lives, `base` is aligned to
/// 8 bytes at least, and `length` is `SIZE` at least.
#[doc(alias = "__iomem")]
pub struct Mmio<const SIZE: usize> {
    base: *mut u8,
    length: usize,
    _owned: PhantomData<u8>,
}

// SAFETY: device registers may be accessed from any CPU (`Documentation/driver-api/device-io.rst`);
// what order that needs is the driver's to keep, as in C. An access is one instruction, so that two
// of them are no data race.
unsafe impl<const SIZE: usize> Send for Mmio<SIZE> {}
// SAFETY: as above.
unsafe impl<const SIZE: usize> Sync for Mmio<SIZE> {}

macro_rules! accessors {
    ($($read:ident, $try_read:ident, $read_relaxed:ident, $write:ident, $try_write:ident, $write_relaxed:ident, $type:ty;)*) => { $(
        #[doc = concat!("Reads the register at the constant `OFFSET`: C's `", stringify!($read), "`.")]
        #[inline(always)]
        pub fn $read<const OFFSET: usize>(&self) -> $type {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor asks for a mapped register of this width at this offset from
            // `base`, aligned to its width: the offset is checked above against `SIZE`, and by the
            // invariant so many bytes are mapped.
            unsafe { arch::$read::<OFFSET>(self.base) }
        }

        #[doc = concat!("Writes the register at the constant `OFFSET`: C's `", stringify!($write), "`.")]
        #[inline(always)]
        pub fn $write<const OFFSET: usize>(&self, value: $type) {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor asks for a mapped register of this width at this offset from
            // `base`, aligned to its width: the offset is checked above against `SIZE`, and by the
            // invariant so many bytes are mapped.
            unsafe { arch::$write::<OFFSET>(self.base, value) }
        }

        #[doc = concat!("Reads the register at the constant `OFFSET`, without an order towards other memory: C's `", stringify!($read_relaxed), "`.")]
        #[inline(always)]
        pub fn $read_relaxed<const OFFSET: usize>(&self) -> $type {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor asks for a mapped register of this width at this offset from
            // `base`, aligned to its width: the offset is checked above against `SIZE`, and by the
            // invariant so many bytes are mapped.
            unsafe { arch::$read_relaxed::<OFFSET>(self.base) }
        }

        #[doc = concat!("Writes the register at the constant `OFFSET`, without an order towards other memory: C's `", stringify!($write_relaxed), "`.")]
        #[inline(always)]
        pub fn $write_relaxed<const OFFSET: usize>(&self, value: $type) {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor asks for a mapped register of this width at this offset from
            // `base`, aligned to its width: the offset is checked above against `SIZE`, and by the
            // invariant so many bytes are mapped.
            unsafe { arch::$write_relaxed::<OFFSET>(self.base, value) }
        }

        #[doc = concat!("Reads the register at `offset`, or [`EINVAL`]: C's `", stringify!($read), "`.")]
        #[inline]
        pub fn $try_read(&self, offset: usize) -> Result<$type> {
            let address = self.address::<$type>(offset)?;
            // SAFETY: the accessor asks for a mapped register of this width, aligned to it:
            // `address` checked that the access is in the mapping, and aligned.
            Ok(unsafe { arch::$read::<0>(address) })
        }

        #[doc = concat!("Writes the register at `offset`, or [`EINVAL`]: C's `", stringify!($write), "`.")]
        #[inline]
        pub fn $try_write(&self, value: $type, offset: usize) -> Result {
            let address = self.address::<$type>(offset)?;
            // SAFETY: the accessor asks for a mapped register of this width, aligned to it:
            // `address` checked that the access is in the mapping, and aligned.
            unsafe { arch::$write::<0>(address, value) };
            Ok(())
        }
    )* };
}

impl<const SIZE: usize> Mmio<SIZE> {
    /// Registers in a mapping that the caller made.
    ///
    /// # Safety
    ///
    /// The type's invariant holds.
    pub(crate) const unsafe fn new(base: *mut u8, length: usize) -> Self {
        Self {
            base,
            length,
            _owned: PhantomData,
        }
    }

    /// How many bytes are mapped.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    const fn in_bounds<T>(offset: usize) {
        assert!(
            offset.is_multiple_of(size_of::<T>()),
            "the register's offset is not aligned to its size"
        );
        assert!(
            offset <= SIZE && size_of::<T>() <= SIZE - offset,
            "the register lies outside of the mapping"
        );
        assert!(
            offset <= i32::MAX as usize,
            "an instruction reaches 2 GiB: use the `try_` method for this register"
        );
    }

    #[inline]
    fn address<T>(&self, offset: usize) -> Result<*mut u8> {
        let end = offset.checked_add(size_of::<T>()).ok_or(EINVAL)?;
        if end > self.length || !offset.is_multiple_of(size_of::<T>()) {
            return Err(EINVAL);
        }
        Ok(self.base.wrapping_add(offset))
    }

    accessors! {
        readb, try_readb, readb_relaxed, writeb, try_writeb, writeb_relaxed, u8;
        readw, try_readw, readw_relaxed, writew, try_writew, writew_relaxed, u16;
        readl, try_readl, readl_relaxed, writel, try_writel, writel_relaxed, u32;
        readq, try_readq, readq_relaxed, writeq, try_writeq, writeq_relaxed, u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(memory: &mut [u64; 2]) -> Mmio<16> {
        // SAFETY: the memory is as good as a device's for as long as the test uses it, and aligned
        // to 8 bytes.
        unsafe { Mmio::new(memory.as_mut_ptr().cast(), 16) }
    }

    #[test]
    fn each_width_reads_and_writes_its_own_bytes() {
        let mut memory = [0; 2];
        let mmio = over(&mut memory);
        mmio.writeq::<8>(0x1122_3344_5566_7788);
        assert_eq!(
            (mmio.readb::<8>(), mmio.readw::<10>(), mmio.readl::<12>()),
            (0x88, 0x5566, 0x1122_3344)
        );
        mmio.writeb::<15>(0xff);
        mmio.writew::<12>(0);
        assert_eq!(mmio.readq::<8>(), 0xff22_0000_5566_7788);
    }

    #[test]
    fn offsets_at_run_time_are_checked() {
        let mut memory = [7, 9];
        let mmio = over(&mut memory);
        assert_eq!(mmio.try_readq(8).unwrap(), 9);
        assert_eq!(mmio.try_readq(16), Err(EINVAL));
        assert_eq!(mmio.try_readl(2), Err(EINVAL));
        assert_eq!(mmio.try_readb(usize::MAX), Err(EINVAL));
        assert_eq!(mmio.try_writel(1, 13), Err(EINVAL));
        mmio.try_writel(1, 12).unwrap();
        assert_eq!(mmio.readl::<12>(), 1);
    }
}
