// SPDX-License-Identifier: GPL-2.0-only
//! Registers and their bit fields.
//!
//! C has macros instead: `include/linux/bitfield.h` (`FIELD_GET`, `FIELD_PREP`),
//! `include/linux/bits.h` (`GENMASK`, `BIT`).

use super::Mmio;

/// A register of a device, as [`register!`](crate::register) declares it: a value of a fixed width,
/// at an offset.
pub trait Register: Copy {
    /// The integer type that the register is read and written as: `u8` to `u64`.
    type Word: Copy;

    /// The offset in bytes from the start of the mapping.
    const OFFSET: usize;

    /// Returns the register's value with these bits.
    fn from_bits(bits: Self::Word) -> Self;

    /// Returns the bits of the value.
    fn bits(self) -> Self::Word;
}

/// A register that can be read. [`register!`](crate::register) implements this trait.
pub trait Readable: Register {
    /// Reads the register: C's `readl`, or the function for the register's width.
    #[doc(hidden)]
    fn read_from<const SIZE: usize>(registers: &Mmio<SIZE>) -> Self;

    /// Reads the register: C's `readl_relaxed`, or the function for the register's width.
    #[doc(hidden)]
    fn read_relaxed_from<const SIZE: usize>(registers: &Mmio<SIZE>) -> Self;
}

/// A register that can be written. [`register!`](crate::register) implements this trait.
pub trait Writable: Register {
    /// Writes the register: C's `writel`, or the function for the register's width.
    #[doc(hidden)]
    fn write_to<const SIZE: usize>(self, registers: &Mmio<SIZE>);

    /// Writes the register: C's `writel_relaxed`, or the function for the register's width.
    #[doc(hidden)]
    fn write_relaxed_to<const SIZE: usize>(self, registers: &Mmio<SIZE>);
}

impl<const SIZE: usize> Mmio<SIZE> {
    /// Reads a register with one instruction, as C's `readl` and its variants do.
    #[inline(always)]
    pub fn read<R: Readable>(&self) -> R {
        R::read_from(self)
    }

    /// Writes a register with one instruction, as C's `writel` and its variants do.
    #[inline(always)]
    pub fn write<R: Writable>(&self, value: R) {
        value.write_to(self);
    }

    /// Reads a register and writes the value that `change` returns. Another CPU may access the
    /// register between the two; a lock must prevent that where it matters.
    #[inline(always)]
    pub fn update<R: Readable + Writable>(&self, change: impl FnOnce(R) -> R) {
        self.write(change(self.read()));
    }

    /// Reads a register without an order relative to other memory: C's `readl_relaxed` and its
    /// variants. [`write_relaxed`](Self::write_relaxed) has an example.
    #[inline(always)]
    pub fn read_relaxed<R: Readable>(&self) -> R {
        R::read_relaxed_from(self)
    }

    /// Writes a register without an order relative to other memory: C's `writel_relaxed` and its
    /// variants.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use linux_driver::io::{Mmio, Register};
    /// use linux_driver::register;
    ///
    /// register! {
    ///     /// The address from which the device reads its commands.
    ///     pub Commands: u64 @ 0x80, wo {}
    ///     pub Control: u32 @ 0x88, rw {
    ///         run: 0,
    ///         busy: 1,
    ///     }
    /// }
    ///
    /// /// Starts the device. The last write is ordered after the writes to memory before it, so
    /// /// the device finds its commands there.
    /// fn start(registers: &Mmio<0x100>, commands: u64) {
    ///     registers.write_relaxed(Commands::from_bits(commands));
    ///     registers.write(Control::ZERO.with_run(true));
    /// }
    ///
    /// /// Polls the device in a loop. Use `read` before reading memory that the device wrote.
    /// fn is_busy(registers: &Mmio<0x100>) -> bool {
    ///     registers.read_relaxed::<Control>().busy()
    /// }
    /// ```
    #[inline(always)]
    pub fn write_relaxed<R: Writable>(&self, value: R) {
        value.write_relaxed_to(self);
    }
}

/// Declares registers: their width, their offset, the permitted accesses, and their bit fields.
///
/// Each register is a type with the layout of its integer, for [`Mmio::read`] and the other
/// methods. `ro` registers can only be read, `wo` registers only be written, and `rw` registers
/// both. A field of one bit is a `bool`. A field of several bits, `high:low`, has the register's
/// integer type.
///
/// A field outside of the register, fields that overlap, and a register that is outside of the
/// mapping or not aligned in it are compile errors.
///
/// For a field `f`, `f()` returns the field of a value. If the register can be written, `with_f(…)`
/// returns the value with the bit set or cleared. For a field of several bits there are two
/// methods: `with_f::<VALUE>()`, which checks the value at compile time, and `try_with_f(value)`,
/// which returns `EINVAL` if the value does not fit.
///
/// # Examples
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
///     /// The state of the device.
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
///     registers.read() // An error: the register is `wo`.
/// }
/// ```
#[macro_export]
macro_rules! register {
    ($($registers:tt)*) => {
        $crate::macros::register! { $crate; $($registers)* }
    };
}
