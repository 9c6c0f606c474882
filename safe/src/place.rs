// SPDX-License-Identifier: GPL-2.0-only
//! Places: memory in which a registration may live.
//!
//! C keeps pointers to what is registered with it, and calls it back until it is unregistered. Safe
//! Rust can leak a value: then `drop` does not run, and nothing unregisters it. Therefore a
//! registration with C must be made in one of two places:
//!
//! - the data of a bound device, which the bus's `remove` drops before anything bound to the device
//!   goes away;
//! - the module's state, which is dropped when the module is unloaded.
//!
//! Only this crate drops these two, and it drops them in place. An initialiser that runs anywhere
//! else fails with [`EINVAL`]. So does an initialiser whose slot is not aligned, as a field of a
//! packed type may be.
//!
//! Pinning does not prevent two kinds of moves. The compiler moves each field of a
//! `#[repr(packed)]` type to the stack before it drops the field, and unsound code of another crate
//! can move anything. A packed type that contains a registration does not compile, unless a type
//! parameter hides the registration. Therefore each registration remembers the address at which it
//! was made ([`Place::of`]). It is unregistered at that address, and the data that the callbacks
//! used is dropped there.
//!
//! The checks and their messages are linked into each module. To keep modules small, the checks are
//! functions that are not inlined, and the messages are short.

use core::ffi::CStr;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Result, code::EINVAL};

/// The extent of a place, with the number of registrations in it.
pub(crate) struct Extent {
    start: AtomicUsize,
    size: AtomicUsize,
    registered: AtomicUsize,
    closed: AtomicBool,
}

fn contains(start: usize, extent: usize, address: usize, size: usize) -> bool {
    extent
        .checked_sub(size)
        .is_some_and(|last| address.wrapping_sub(start) <= last)
}

impl Extent {
    /// Returns the extent of `size` bytes from `start`.
    pub(crate) const fn new(start: usize, size: usize) -> Self {
        Self {
            start: AtomicUsize::new(start),
            size: AtomicUsize::new(size),
            registered: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Sets the start and the size of the extent.
    pub(crate) fn set(&self, start: usize, size: usize) {
        self.start.store(start, Ordering::Relaxed);
        self.size.store(size, Ordering::Relaxed);
    }

    /// Returns a token for a registration in `slot`, if `slot` is inside the place and aligned.
    /// Every registration with C needs one.
    ///
    /// # Errors
    ///
    /// [`EINVAL`], with a log line that gives the reason, if `slot` is outside of the place, if it
    /// is not aligned, or if the place is [closed](Self::close).
    ///
    /// # Safety
    ///
    /// The extent must stay where it is until what is made of the token is dropped, or until
    /// [`end`](Self::end) is called.
    #[inline(always)]
    pub(crate) unsafe fn place<T>(&self, slot: *mut T) -> Result<Vacant> {
        // SAFETY: `place_at` requires the same of its caller.
        unsafe { self.place_at(slot.expose_provenance(), size_of::<T>(), align_of::<T>()) }
    }

    /// Does the work of [`place`](Self::place), for a slot given by address, size and alignment.
    ///
    /// # Safety
    ///
    /// Same as for [`place`](Self::place).
    #[inline(always)]
    unsafe fn place_at(&self, address: usize, size: usize, align: usize) -> Result<Vacant> {
        self.check(address, size, align)?;
        // INVARIANT: the caller promises that the extent stays where it is. The check above has
        // found that the slot is inside it.
        Ok(Vacant {
            extent: NonNull::from(self),
            address,
        })
    }

    #[inline(never)]
    fn check(&self, address: usize, size: usize, align: usize) -> Result {
        let why = if !self.contains(address, size) || self.closed.load(Ordering::Relaxed) {
            c"must be in the driver's data or the module's state"
        } else if address & align.wrapping_sub(1) != 0 {
            c"is in a packed type"
        } else {
            return Ok(());
        };
        say(why);
        Err(EINVAL)
    }

    /// Returns true if `size` bytes at this address are inside the place, also while the place is
    /// being dropped.
    pub(crate) fn contains(&self, address: usize, size: usize) -> bool {
        contains(
            self.start.load(Ordering::Relaxed),
            self.size.load(Ordering::Relaxed),
            address,
            size,
        )
    }

    /// Closes the place to new registrations, because its contents are about to be dropped. A
    /// registration made in a part that is dropped already would never be dropped itself.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Checks that each registration was dropped, after the contents were dropped.
    ///
    /// If one was not, the kernel cannot continue: C would call into memory that is freed. Safe
    /// code cannot cause this, because nothing in this crate's interface initialises a registration
    /// in a `MaybeUninit` or a `ManuallyDrop`.
    ///
    /// # Panics
    ///
    /// Ends in `BUG()` if a registration is left.
    #[inline]
    pub(crate) fn end(&self) {
        self.close();
        if self.registered.load(Ordering::Relaxed) != 0 {
            still_registered();
        }
    }
}

/// Logs a line about a registration. It is smaller in machine code than a line of
/// [`print`](mod@crate::print).
fn say(what: &'static CStr) {
    // SAFETY: `_printk` requires a format string that ends in NUL, and arguments that match its
    // conversions. Both `%s` require a C string: the module's name is one, and so is the text.
    // `_printk` may be called in any context.
    #[cfg(target_os = "none")]
    unsafe {
        linux_driver_sys::_printk(
            c"\x013%s: a registration %s\n".as_ptr(),
            crate::module::name(),
            what.as_ptr(),
        )
    };
    // The tests of this file run on the host, where no kernel can log the line.
    #[cfg(not(target_os = "none"))]
    let _ = what;
}

#[cold]
#[inline(never)]
fn still_registered() -> ! {
    say(c"was not dropped");
    #[cfg(target_os = "none")]
    crate::panic::bug();
    #[cfg(not(target_os = "none"))]
    panic!("a registration was not dropped")
}

#[cold]
fn moved() {
    say(c"was moved before it was dropped");
}

/// A token for a registration that is about to be made in a place.
///
/// # Invariants
///
/// The extent stays until the [`Place`] made of this token is dropped, or until [`Extent::end`] is
/// called. The memory at `address` has room for the registration, and has had it since the
/// initialiser began.
#[must_use = "`take` counts the registration"]
pub(crate) struct Vacant {
    extent: NonNull<Extent>,
    address: usize,
}

impl Vacant {
    /// Counts the registration, which has just been made. It must be dropped before the extent
    /// [ends](Extent::end).
    ///
    /// The extent cannot end between the check and this call. The code that ends it either ran the
    /// initialiser itself (a `probe` that fails), or runs later (`remove`, the module's exit).
    #[inline(always)]
    pub(crate) fn take(self) -> Place {
        let address = self.address;
        // INVARIANT: the address is that of the slot.
        Place {
            _counted: self.count(),
            address,
        }
    }

    /// Counts as [`take`](Self::take) does, for a registration that C knows by other addresses than
    /// its own.
    #[inline(always)]
    pub(crate) fn count(self) -> Counted {
        // SAFETY: by the type's invariant the extent exists.
        unsafe { self.extent.as_ref() }
            .registered
            .fetch_add(1, Ordering::Relaxed);
        // INVARIANT: counted above.
        Counted(self.extent)
    }
}

/// The count of one registration, given back on drop.
///
/// # Invariants
///
/// It is counted once, in an extent that stays until this value is dropped.
// The compiler rejects a packed type that contains a type with `align` (E0588). So a type that
// contains this one is aligned, and is dropped where it was made.
#[repr(align(8))]
pub(crate) struct Counted(NonNull<Extent>);

// SAFETY: the extent's fields are atomic.
unsafe impl Send for Counted {}
// SAFETY: a shared reference gives access to nothing.
unsafe impl Sync for Counted {}

impl Drop for Counted {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant the extent exists.
        unsafe { self.0.as_ref() }
            .registered
            .fetch_sub(1, Ordering::Relaxed);
    }
}

/// The place of one registration. Each type that C calls back contains one.
///
/// # Invariants
///
/// `address` is where the registration was made. That memory stays as long as the extent.
pub(crate) struct Place {
    _counted: Counted,
    address: usize,
}

impl Place {
    /// Returns a pointer to the registration at the address at which it was made, for use in its
    /// `drop`. If that address differs from `dropped`, the registration was moved, and a log line
    /// says so.
    ///
    /// C knows the value at the returned address, and may have changed it since the move. Apart
    /// from that, both values have the same bits.
    #[inline(always)]
    pub(crate) fn of<T>(&self, dropped: *const T) -> *mut T {
        if dropped.addr() == self.address {
            return dropped.cast_mut();
        }
        moved();
        core::ptr::with_exposed_provenance_mut(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(extent: &Extent, address: usize, size: usize, align: usize) -> Result<Place> {
        // SAFETY: the extent outlives what the tests make of it.
        unsafe { extent.place_at(address, size, align) }.map(Vacant::take)
    }

    fn is_refused(extent: &Extent, address: usize, size: usize) -> bool {
        matches!(placed(extent, address, size, 1), Err(EINVAL))
    }

    #[test]
    fn an_address_outside_the_place_is_refused() {
        let extent = Extent::new(0x1000, 0x100);
        assert!(!is_refused(&extent, 0x1000, 0x100));
        assert!(!is_refused(&extent, 0x10f8, 8));
        for (address, size) in [
            (0xff8, 8),
            (0xffc, 8),
            (0x10f9, 8),
            (0x1100, 1),
            (0x1000, 0x101),
            (0x1000, usize::MAX),
            (0, 0),
        ] {
            assert!(is_refused(&extent, address, size), "{address:#x} {size}");
        }
    }

    #[test]
    fn an_unaligned_address_is_refused() {
        let extent = Extent::new(0x1000, 0x100);
        for (address, align, right) in [
            (0x1004, 4, true),
            (0x1004, 8, false),
            (0x1001, 2, false),
            (0x1001, 1, true),
        ] {
            assert_eq!(
                placed(&extent, address, 8, align).is_ok(),
                right,
                "{address:#x} {align}"
            );
        }
        extent.end();
    }

    #[test]
    fn a_closed_place_refuses_registrations() {
        let extent = Extent::new(0x1000, 0x100);
        let place = placed(&extent, 0x1000, 8, 8).unwrap();
        extent.close();
        assert!(is_refused(&extent, 0x1008, 8));
        drop(place);
        extent.end();
        assert!(is_refused(&extent, 0x1000, 8));
        // A file that is polled while the data is dropped still has its wait queue there.
        assert!(extent.contains(0x1000, 8) && !extent.contains(0x1000, 0x101));
    }

    #[test]
    #[should_panic(expected = "was not dropped")]
    fn a_leaked_registration_is_found() {
        let extent = Extent::new(0x1000, 0x100);
        core::mem::forget(placed(&extent, 0x1000, 8, 8).unwrap());
        extent.end();
    }

    #[test]
    fn a_registration_counts_until_it_is_dropped() {
        let extent = Extent::new(0x1000, 0x100);
        let place = placed(&extent, 0x1000, 1, 1).unwrap();
        assert_eq!(extent.registered.load(Ordering::Relaxed), 1);
        drop(place);
        assert_eq!(extent.registered.load(Ordering::Relaxed), 0);
        extent.end();
    }

    /// A registration without C: its drop writes into the memory that C would use.
    struct Registered {
        undone: AtomicBool,
        place: Place,
    }

    impl Drop for Registered {
        fn drop(&mut self) {
            let made = self.place.of(self);
            // SAFETY: the tests keep the memory in which it was made.
            unsafe { &(*made).undone }.store(true, Ordering::Relaxed);
        }
    }

    /// Makes a registration in memory that is not dropped, and passes a copy of its bits to
    /// `drop_it`, as the drop of a packed type does. Returns true if the registration was undone
    /// where it was made.
    fn is_undone_where_it_was_made(drop_it: impl FnOnce(Registered)) -> bool {
        let mut memory = core::mem::MaybeUninit::<Registered>::uninit();
        let slot = memory.as_mut_ptr();
        let extent = Extent::new(slot.addr(), size_of::<Registered>());
        // SAFETY: the extent outlives what is made of it here.
        let place = unsafe { extent.place(slot) }.unwrap().take();
        let undone = AtomicBool::new(false);
        // SAFETY: the memory is valid and aligned for the type.
        unsafe { slot.write(Registered { undone, place }) };
        // SAFETY: the value was written just now. Only `drop_it` drops it, once.
        drop_it(unsafe { slot.read() });
        extent.end();
        // SAFETY: the field was written above, is not dropped (it has no drop), and stays as long
        // as `memory`.
        unsafe { &(*slot).undone }.load(Ordering::Relaxed)
    }

    #[test]
    fn a_moved_registration_is_undone_where_it_was_made() {
        assert!(is_undone_where_it_was_made(drop));
    }
}
