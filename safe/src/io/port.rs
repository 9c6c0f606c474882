// SPDX-License-Identifier: GPL-2.0-only
//! I/O ports.
//!
//! C header: `arch/x86/include/asm/shared/io.h` (`arch/x86/include/asm/io.h` before).

use super::arch;
use crate::error::{Result, code::EINVAL};

/// I/O ports that belong to the driver, at least `SIZE` of them.
///
/// The methods have the names of C functions, and take offsets from the first port. A constant
/// offset is checked at compile time. For an offset that is known only at run time, use the `try_`
/// methods. They return [`EINVAL`] if the access is out of bounds or not aligned. Each access is
/// one instruction, which the CPU completes before the next one.
///
/// # Context
///
/// Any, including hard interrupts.
///
/// # Invariants
///
/// `start..start + length` are ports that were requested for the owner of this value, as long as
/// the value lives. `length` is at least `SIZE`.
#[doc(alias = "ioport_resource")]
pub struct Ports<const SIZE: usize> {
    start: u16,
    length: u16,
}

macro_rules! accessors {
    ($($read:ident, $try_read:ident, $write:ident, $try_write:ident, $type:ty;)*) => { $(
        #[doc = concat!(
            "Reads from the port at the constant `OFFSET`: C's `", stringify!($read), "`."
        )]
        #[inline(always)]
        pub fn $read<const OFFSET: usize>(&self) -> $type {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor requires a port that reaches only a device, and that no other
            // code uses. The offset is checked against `SIZE` above, and the invariant says that
            // the driver's region has at least `SIZE` ports.
            unsafe { arch::$read(self.start.wrapping_add(OFFSET as u16)) }
        }

        #[doc = concat!(
            "Writes to the port at the constant `OFFSET`: C's `", stringify!($write), "`."
        )]
        #[inline(always)]
        pub fn $write<const OFFSET: usize>(&self, value: $type) {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor requires a port that reaches only a device, and that no other
            // code uses. The offset is checked against `SIZE` above, and the invariant says that
            // the driver's region has at least `SIZE` ports.
            unsafe { arch::$write(self.start.wrapping_add(OFFSET as u16), value) }
        }

        #[doc = concat!(
            "Reads from the port at `offset`: C's `", stringify!($read), "`.\n\n",
            "# Errors\n\n[`EINVAL`] if the port is out of bounds or not aligned."
        )]
        #[inline]
        pub fn $try_read(&self, offset: usize) -> Result<$type> {
            let port = self.port::<$type>(offset)?;
            // SAFETY: the accessor requires a port that no other code uses: `port` has checked that
            // it is in the driver's region.
            Ok(unsafe { arch::$read(port) })
        }

        #[doc = concat!(
            "Writes to the port at `offset`: C's `", stringify!($write), "`.\n\n",
            "# Errors\n\n[`EINVAL`] if the port is out of bounds or not aligned."
        )]
        #[inline]
        pub fn $try_write(&self, value: $type, offset: usize) -> Result {
            let port = self.port::<$type>(offset)?;
            // SAFETY: the accessor requires a port that no other code uses: `port` has checked that
            // it is in the driver's region.
            unsafe { arch::$write(port, value) };
            Ok(())
        }
    )* };
}

impl<const SIZE: usize> Ports<SIZE> {
    /// Returns `length` ports from `start` on, which the caller has requested.
    ///
    /// # Safety
    ///
    /// The type's invariants hold.
    pub(crate) const unsafe fn new(start: u16, length: u16) -> Self {
        Self { start, length }
    }

    /// Returns the number of ports.
    pub fn len(&self) -> usize {
        self.length.into()
    }

    /// Returns whether there are no ports.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    const fn in_bounds<T>(offset: usize) {
        assert!(
            offset.is_multiple_of(size_of::<T>()),
            "the port's offset is not aligned to the access"
        );
        assert!(
            offset <= SIZE && size_of::<T>() <= SIZE - offset,
            "the port is outside of the region"
        );
    }

    #[inline]
    fn port<T>(&self, offset: usize) -> Result<u16> {
        let end = offset.checked_add(size_of::<T>()).ok_or(EINVAL)?;
        if end > self.len() || !offset.is_multiple_of(size_of::<T>()) {
            return Err(EINVAL);
        }
        Ok(self.start.wrapping_add(offset as u16))
    }

    accessors! {
        inb, try_inb, outb, try_outb, u8;
        inw, try_inw, outw, try_outw, u16;
        inl, try_inl, outl, try_outl, u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_at_run_time_are_checked() {
        // SAFETY: no port is accessed.
        let ports: Ports<8> = unsafe { Ports::new(0xfff0, 16) };
        assert_eq!(ports.port::<u32>(12), Ok(0xfffc));
        assert_eq!(ports.port::<u8>(15), Ok(0xffff));
        assert_eq!(ports.port::<u8>(16), Err(EINVAL));
        assert_eq!(ports.port::<u16>(3), Err(EINVAL));
        assert_eq!(ports.port::<u32>(usize::MAX), Err(EINVAL));
    }
}
