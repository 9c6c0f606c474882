// SPDX-License-Identifier: GPL-2.0-only
//! Registers and their bit fields, declared once.
//!
//! C has macros for it: `include/linux/bitfield.h` (`FIELD_GET`, `FIELD_PREP`),
//! `include/linux/bits.h` (`GENMASK`, `BIT`).

use super::Mmio;

/// A register of a device's, as [`register!`](crate::register) declares it: a value of so many
/// bits, at an offset.
pub trait Register: Copy {
    /// The integer that it is read and written as: `u8` to `u64`.
    type Word: Copy;

    /// Where it is, in bytes from the start of the mapping.
    const OFFSET: usize;

    /// The register with these bits.
    fn from_bits(bits: Self::Word) -> Self;

    /// The bits.
    fn bits(self) -> Self::Word;
}

/// A register that can be read. Made by [`register!`](crate::register).
pub trait Readable: Register {
    /// Reads it: C's `readl`, or its kin for the width.
    #[doc(hidden)]
    fn read_from<const SIZE: usize>(registers: &Mmio<SIZE>) -> Self;

    /// Reads it: C's `readl_relaxed`, or its kin for the width.
    #[doc(hidden)]
    fn read_relaxed_from<const SIZE: usize>(registers: &Mmio<SIZE>) -> Self;
}

/// A register that can be written. Made by [`register!`](crate::register).
pub trait Writable: Register {
    /// Writes it: C's `writel`, or its kin for the width.
    #[doc(hidden)]
    fn write_to<const SIZE: usize>(self, registers: &Mmio<SIZE>);

    /// Writes it: C's `writel_relaxed`, or its kin for the width.
    #[doc(hidden)]
    fn write_relaxed_to<const SIZE: usize>(self, registers: &Mmio<SIZE>);
}

impl<const SIZE: usize> Mmio<SIZE> {
    /// Reads a register: one instruction, as C's `readl` and its kin.
    #[inline(always)]
    pub fn read<R: Readable>(&self) -> R {
        R::read_from(self)
    }

    /// Writes a register: one instruction, as C's `writel` and its kin.
    #[inline(always)]
    pub fn write<R: Writable>(&self, value: R) {
        value.write_to(self);
    }

    /// Reads a register and writes what `change` makes of it. Nothing keeps another CPU from doing
    /// so at the same time: that takes a lock.
    #[inline(always)]
    pub fn update<R: Readable + Writable>(&self, change: impl FnOnce(R) -> R) {
        self.write(change(self.read()));
    }

    /// Reads a register without an order towards other memory: C's `readl_relaxed` and its kin.
    /// [`write_relaxed`](Self::write_relaxed) has an example.
    #[inline(always)]
    pub fn read_relaxed<R: Readable>(&self) -> R {
        R::read_relaxed_from(self)
    }

    /// Writes a register without an order towards other memory: C's `writel_relaxed` and its kin.
    ///
    /// ```no_run
    /// use linux_driver::io::{Mmio, Register};
    /// use linux_driver::register;
    ///
    /// register! {
    ///     /// Where the device reads its commands from.
    ///     pub Commands: u64 @ 0x80, wo {}
    ///     pub Control: u32 @ 0x88, rw {
    ///         run: 0,
    ///         busy: 1,
    ///     }
    /// }
    ///
    /// /// Starts the device, which finds in memory what was written there before: for that the last write has its order.
    /// fn start(registers: &Mmio<0x100>, commands: u64) {
    ///     registers.write_relaxed(Commands::from_bits(commands));
    ///     registers.write(Control::ZERO.with_run(true));
    /// }
    ///
    /// /// For a loop that waits. Who goes on to read what the device wrote to memory uses `read`.
    /// fn is_busy(registers: &Mmio<0x100>) -> bool {
    ///     registers.read_relaxed::<Control>().busy()
    /// }
    /// ```
    #[inline(always)]
    pub fn write_relaxed<R: Writable>(&self, value: R) {
        value.write_relaxed_to(self);
    }
}

/// Declares registers: their width, offset, who may read and write them, and their bit fields.
///
/// Each is a type of its own, transparent over its integer, for [`Mmio::read`] and its kin. `ro`
/// registers can only be read, `wo` ones only be written, `rw` ones both. A field of one bit is a
/// `bool`; one of more, `high:low`, is the register's integer. What is not in the register, what
/// overlaps, and what lies outside of the mapping or is not aligned there does not compile.
///
/// For a field `f`, `f()` reads it out of the value. Of a register that can be written, `with_f(…)`
/// is the value with the bit set or cleared; for a field of several bits there are
/// `with_f::<VALUE>()`, which is checked at compile time, and `try_with_f(value)`, which is
/// `EINVAL` for what does not fit.
///
/// ```
/// use linux_driver::io::{Mmio, Register};
/// use linux_driver::register;
///
/// register! {
///     /// Identification.
///     pub Id: u32 @ 0x00, ro {
///         /// The major version.
///         major: 31:24,
///         minor: 23:16,
///         magic: 15:0,
///     }
///     /// What the device is doing.
///     pub Status: u32 @ 0x20, rw {
///         computing: 0,
///         raise_irq: 7,
///     }
///     pub IrqAck: u32 @ 0x64, wo {}
/// }
///
/// fn start(registers: &Mmio<0x100>) -> bool {
///     registers.write(Status::ZERO.with_raise_irq(true));
///     registers.write(IrqAck::from_bits(1));
///     registers.read::<Id>().magic() == 0xed && !registers.read::<Status>().computing()
/// }
///
/// assert_eq!(Id::from_bits(0x0100_00ed).major(), 1);
/// assert_eq!(Status::ZERO.with_raise_irq(true).bits(), 0x80);
/// # let _ = start;
/// ```
///
/// ```compile_fail
/// # use linux_driver::io::Mmio;
/// linux_driver::register! { pub Ack: u32 @ 0x64, wo {} }
/// fn read(registers: &Mmio<0x100>) -> Ack {
///     registers.read() // It is `wo`.
/// }
/// ```
#[macro_export]
macro_rules! register {
    ($($registers:tt)*) => {
        $crate::macros::register! { $crate; $($registers)* }
    };
}
