// SPDX-License-Identifier: GPL-2.0-only
//! I/O ports.
//!
//! C header: `arch/x86/include/asm/shared/io.h` (`arch/x86/include/asm/io.h` before).

use super::arch;
use crate::error::{Result, code::EINVAL};

/// I/O ports that belong to the driver, at least `SIZE` of them.
///
/// The methods are named as C's functions and take offsets from the first port. A constant offset
/// is checked at compile time, one that is known at run time only by the `try_` methods, which
/// return [`EINVAL`] for an access that is out of bounds or not aligned. Each is one instruction,
/// which the CPU ends before it goes on.
///
/// Context: any, hard interrupts included.
///
/// # Invariants
///
/// `start..start + length` are ports that were requested for who holds this value, as long as it
/// lives; `length` is `SIZE` at least.
#[doc(alias = "ioport_resource")]
pub struct Ports<const SIZE: usize> {
    start: u16,
    length: u16,
}

macro_rules! accessors {
    ($($read:ident, $try_read:ident, $write:ident, $try_write:ident, $type:ty;)*) => { $(
        #[doc = concat!("Reads from the port at the constant `OFFSET`: C's `", stringify!($read), "`.")]
        #[inline(always)]
        pub fn $read<const OFFSET: usize>(&self) -> $type {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor asks for a port that nobody else uses, by which only a device is
            // reached: the offset is checked above against `SIZE`, and by the invariant so many
            // ports are the driver's region.
            unsafe { arch::$read(self.start.wrapping_add(OFFSET as u16)) }
        }

        #[doc = concat!("Writes to the port at the constant `OFFSET`: C's `", stringify!($write), "`.")]
        #[inline(always)]
        pub fn $write<const OFFSET: usize>(&self, value: $type) {
            const { Self::in_bounds::<$type>(OFFSET) };
            // SAFETY: the accessor asks for a port that nobody else uses, by which only a device is
            // reached: the offset is checked above against `SIZE`, and by the invariant so many
            // ports are the driver's region.
            unsafe { arch::$write(self.start.wrapping_add(OFFSET as u16), value) }
        }

        #[doc = concat!("Reads from the port at `offset`, or [`EINVAL`]: C's `", stringify!($read), "`.")]
        #[inline]
        pub fn $try_read(&self, offset: usize) -> Result<$type> {
            let port = self.port::<$type>(offset)?;
            // SAFETY: the accessor asks for a port that nobody else uses: `port` checked that it is
            // in the driver's region.
            Ok(unsafe { arch::$read(port) })
        }

        #[doc = concat!("Writes to the port at `offset`, or [`EINVAL`]: C's `", stringify!($write), "`.")]
        #[inline]
        pub fn $try_write(&self, value: $type, offset: usize) -> Result {
            let port = self.port::<$type>(offset)?;
            // SAFETY: the accessor asks for a port that nobody else uses: `port` checked that it is
            // in the driver's region.
            unsafe { arch::$write(port, value) };
            Ok(())
        }
    )* };
}

impl<const SIZE: usize> Ports<SIZE> {
    /// So many ports from this one on, which the caller requested.
    ///
    /// # Safety
    ///
    /// The type's invariant holds.
    pub(crate) const unsafe fn new(start: u16, length: u16) -> Self {
        Self { start, length }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.length.into()
    }

    /// Whether there is none.
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
            "the port lies outside of the region"
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
