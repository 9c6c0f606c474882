// SPDX-License-Identifier: GPL-2.0-only
//! Registers of devices: in mapped memory, or at I/O ports.
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

/// Device memory that is mapped into the kernel, at least `SIZE` bytes.
///
/// Declare registers with [`register!`](crate::register), and read and write them as values of
/// their types: [`read`](Self::read), [`write`](Self::write).
///
/// The methods with the names of C functions take offsets in bytes. A constant offset is checked at
/// compile time. For an offset that is known only at run time, use the `try_` methods. They return
/// [`EINVAL`] if the access is out of bounds or not aligned.
///
/// # Context
///
/// Any, including hard interrupts.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::error::Result;
/// use linux_driver::io::Mmio;
///
/// /// Gives the device the address of its ring, and starts it.
/// ///
/// /// The first two writes need no order relative to memory, because the device does not read the
/// /// ring yet. The last one does: the device must see what was written to the ring before. Device
/// /// accesses among each other always keep this order.
/// fn start(registers: &Mmio<0x100>, ring: u64, entries: u32) {
///     registers.writeq_relaxed::<0x80>(ring);
///     registers.writel_relaxed::<0x88>(entries);
///     registers.writel::<0x8c>(1);
/// }
///
/// /// Returns the number of received bytes: a 64-bit counter, read with one instruction. Two reads
/// /// of 32 bits could see two different values of the counter.
/// fn received(registers: &Mmio<0x100>) -> u64 {
///     registers.readq::<0x90>()
/// }
///
/// /// Sets one of the addresses that the device listens to; `EINVAL` if `number` is outside of the
/// /// mapping.
/// fn set_address(registers: &Mmio<0x100>, number: u8, address: u64) -> Result {
///     registers.try_writeq(address, 0xc0 + 8 * usize::from(number))
/// }
/// ```
///
/// # Invariants
///
/// `base..base + length` is mapped device memory as long as this value lives. `base` is aligned to
/// at least 8 bytes, and `length` is at least `SIZE`.
#[doc(alias = "__iomem")]
pub struct Mmio<const SIZE: usize> {
    base: *mut u8,
    length: usize,
    _owned: PhantomData<u8>,
}

// SAFETY: device registers may be accessed from any CPU (`Documentation/driver-api/device-io.rst`).
// The driver is responsible for the order that the device needs, as in C. Each access is one
// instruction, so two of them cause no data race.
unsafe impl<const SIZE: usize> Send for Mmio<SIZE> {}
// SAFETY: as above.
unsafe impl<const SIZE: usize> Sync for Mmio<SIZE> {}

macro_rules! accessors {
    ($(
        $read:ident, $try_read:ident, $read_relaxed:ident,
        $write:ident, $try_write:ident, $write_relaxed:ident, $type:ty;
    )*) => { $(
        #[doc = concat!(
            "Reads the register at the constant `OFFSET`: C's `", stringify!($read), "`."
        )]
        #[inline(always)]
        pub fn $read<const OFFSET: usize>(&self) -> $type {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor requires a mapped register of this width at this offset from
            // `base`, aligned to its width. The offset is checked against `SIZE` above, and the
            // invariant says that at least `SIZE` bytes are mapped.
            unsafe { arch::$read::<OFFSET>(self.base) }
        }

        #[doc = concat!(
            "Writes the register at the constant `OFFSET`: C's `", stringify!($write), "`."
        )]
        #[inline(always)]
        pub fn $write<const OFFSET: usize>(&self, value: $type) {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor requires a mapped register of this width at this offset from
            // `base`, aligned to its width. The offset is checked against `SIZE` above, and the
            // invariant says that at least `SIZE` bytes are mapped.
            unsafe { arch::$write::<OFFSET>(self.base, value) }
        }

        #[doc = concat!(
            "Reads the register at the constant `OFFSET`, without an order relative to other \
             memory: C's `",
            stringify!($read_relaxed), "`."
        )]
        #[inline(always)]
        pub fn $read_relaxed<const OFFSET: usize>(&self) -> $type {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor requires a mapped register of this width at this offset from
            // `base`, aligned to its width. The offset is checked against `SIZE` above, and the
            // invariant says that at least `SIZE` bytes are mapped.
            unsafe { arch::$read_relaxed::<OFFSET>(self.base) }
        }

        #[doc = concat!(
            "Writes the register at the constant `OFFSET`, without an order relative to other \
             memory: C's `",
            stringify!($write_relaxed), "`."
        )]
        #[inline(always)]
        pub fn $write_relaxed<const OFFSET: usize>(&self, value: $type) {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor requires a mapped register of this width at this offset from
            // `base`, aligned to its width. The offset is checked against `SIZE` above, and the
            // invariant says that at least `SIZE` bytes are mapped.
            unsafe { arch::$write_relaxed::<OFFSET>(self.base, value) }
        }

        #[doc = concat!(
            "Reads the register at `offset`: C's `", stringify!($read), "`.\n\n",
            "# Errors\n\n[`EINVAL`] if the register is out of bounds or not aligned."
        )]
        #[inline]
        pub fn $try_read(&self, offset: usize) -> Result<$type> {
            let address = self.address::<$type>(offset)?;
            // SAFETY: the accessor requires a mapped register of this width, aligned to it:
            // `address` has checked that the access is in the mapping, and aligned.
            Ok(unsafe { arch::$read::<0>(address) })
        }

        #[doc = concat!(
            "Writes the register at `offset`: C's `", stringify!($write), "`.\n\n",
            "# Errors\n\n[`EINVAL`] if the register is out of bounds or not aligned."
        )]
        #[inline]
        pub fn $try_write(&self, value: $type, offset: usize) -> Result {
            let address = self.address::<$type>(offset)?;
            // SAFETY: the accessor requires a mapped register of this width, aligned to it:
            // `address` has checked that the access is in the mapping, and aligned.
            unsafe { arch::$write::<0>(address, value) };
            Ok(())
        }
    )* };
}

impl<const SIZE: usize> Mmio<SIZE> {
    /// Returns registers in a mapping that the caller made.
    ///
    /// # Safety
    ///
    /// The type's invariants hold.
    pub(crate) const unsafe fn new(base: *mut u8, length: usize) -> Self {
        Self {
            base,
            length,
            _owned: PhantomData,
        }
    }

    /// Returns the number of mapped bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns whether nothing is mapped.
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
            "the register is outside of the mapping"
        );
        assert!(
            offset <= i32::MAX as usize,
            "an instruction reaches only 2 GiB: use the `try_` method for this register"
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
        // SAFETY: the test keeps the memory as long as it uses the value, and the memory is aligned
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
