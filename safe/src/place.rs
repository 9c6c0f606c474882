// SPDX-License-Identifier: GPL-2.0-only
//! The place of a registration.
//!
//! C keeps pointers to what is registered with it, and calls it back, until it is unregistered.
//! Rust lets a value be leaked: its `drop`, and with it the unregistering, then never comes. So a
//! registration with C is made in two places only, both of which are dropped in place by this crate
//! and by nobody else: the data of a bound device, which goes in the bus's `remove`, before
//! anything that is bound goes; and the module's state, which goes when the module does. An
//! initialiser that runs anywhere else fails with [`EINVAL`], and so does one whose slot is not
//! aligned: a field of a packed type.
//!
//! Rust moves a value in two ways that pinning does not stop. The compiler moves each field of a
//! `#[repr(packed)]` type to the stack before it drops the field, and unsound code of another crate
//! can move anything. A packed type that contains a registration does not compile, unless the
//! registration is hidden behind a type parameter. So each registration remembers the address at
//! which it was made ([`Place::of`]): what is undone is undone there, and what the callbacks used
//! is dropped there.
//!
//! The checks and their messages are linked into each module. So they are functions of their own,
//! which are not inlined, and the messages are short.

use core::ffi::CStr;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Result, code::EINVAL};

/// The extent of a place, and the number of registrations in it.
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
    /// A place of `size` bytes from `start` on.
    pub(crate) const fn new(start: usize, size: usize) -> Self {
        Self {
            start: AtomicUsize::new(start),
            size: AtomicUsize::new(size),
            registered: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Makes it another place.
    pub(crate) fn set(&self, start: usize, size: usize) {
        self.start.store(start, Ordering::Relaxed);
        self.size.store(size, Ordering::Relaxed);
    }

    /// The place for the registration that is about to be made in `slot`. [`EINVAL`], with a line
    /// that says why, if the slot is outside, if it is not aligned, or if the place is
    /// [closed](Self::close).
    ///
    /// # Safety
    ///
    /// The extent stays where it is until what is made of the place is dropped, or
    /// [`end`](Self::end) was called.
    #[inline(always)]
    pub(crate) unsafe fn place<T>(&self, slot: *mut T) -> Result<Vacant> {
        // SAFETY: by the caller's promise.
        unsafe { self.place_at(slot.expose_provenance(), size_of::<T>(), align_of::<T>()) }
    }

    /// # Safety
    ///
    /// As for [`place`](Self::place).
    #[inline(always)]
    unsafe fn place_at(&self, address: usize, size: usize, align: usize) -> Result<Vacant> {
        self.check(address, size, align)?;
        // INVARIANT: the extent stays, by the caller's promise; the room was found just now.
        Ok(Vacant {
            extent: NonNull::from(self),
            address,
        })
    }

    #[inline(never)]
    fn check(&self, address: usize, size: usize, align: usize) -> Result {
        let why = if !self.contains(address, size) || self.closed.load(Ordering::Relaxed) {
            c"outside of the driver's data and the module's state"
        } else if address & align.wrapping_sub(1) != 0 {
            c"in a packed type"
        } else {
            return Ok(());
        };
        say(why);
        Err(EINVAL)
    }

    /// Whether `size` bytes at this address are part of the place, also while it is dropped.
    pub(crate) fn contains(&self, address: usize, size: usize) -> bool {
        contains(
            self.start.load(Ordering::Relaxed),
            self.size.load(Ordering::Relaxed),
            address,
            size,
        )
    }

    /// Ends registering here: the contents are about to be dropped. A registration that were made
    /// in a part that was dropped already would never be dropped.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Checks that each registration was dropped, after the contents were.
    ///
    /// There is no way back from one that was not: C would call into memory that is gone. Safe code
    /// cannot leave one: nothing that this crate hands out initialises a registration in a
    /// `MaybeUninit` or a `ManuallyDrop`.
    #[inline]
    pub(crate) fn end(&self) {
        self.close();
        if self.registered.load(Ordering::Relaxed) != 0 {
            still_registered();
        }
    }
}

/// Logs a line about a registration. This is less code than a line of [`print`](mod@crate::print).
fn say(what: &'static CStr) {
    // SAFETY: `_printk` asks for a format string that ends in NUL, and for the arguments that its
    // conversions read: `%s` a C string, which the module's name is, and the text. It may be called
    // in any context.
    #[cfg(target_os = "none")]
    unsafe {
        linux_driver_sys::_printk(
            c"\x013%s: a registration %s\n".as_ptr(),
            crate::module::name(),
            what.as_ptr(),
        )
    };
    // On the host, where the tests of this are, there is no kernel to tell.
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

/// The place of a registration that is not made yet.
///
/// # Invariants
///
/// The extent stays until the [`Place`] that is made of this is dropped, or [`Extent::end`] was
/// called. At `address` is room for the registration, and has been since the initialiser began.
#[must_use = "the registration is counted by `take`"]
pub(crate) struct Vacant {
    extent: NonNull<Extent>,
    address: usize,
}

impl Vacant {
    /// Counts the registration, which has been made. From here on it has to be dropped before the
    /// extent [ends](Extent::end).
    ///
    /// Nobody ends the extent between the check and this: who does has run the initialiser itself
    /// (a `probe` that fails), or comes after it (`remove`, the module's exit).
    #[inline(always)]
    pub(crate) fn take(self) -> Place {
        let address = self.address;
        // INVARIANT: the address is that of the slot.
        Place {
            _counted: self.count(),
            address,
        }
    }

    /// As [`take`](Self::take), for what C knows by other addresses than its own.
    #[inline(always)]
    pub(crate) fn count(self) -> Counted {
        // SAFETY: by the type's invariant the extent is there.
        unsafe { self.extent.as_ref() }
            .registered
            .fetch_add(1, Ordering::Relaxed);
        // INVARIANT: counted above.
        Counted(self.extent)
    }
}

/// That a registration is counted.
///
/// # Invariants
///
/// It is counted once, in an extent that stays until this is dropped.
// The compiler refuses a packed type that contains one with `align` (E0588): what has it is
// aligned, and is dropped where it is.
#[repr(align(8))]
pub(crate) struct Counted(NonNull<Extent>);

// SAFETY: the extent's fields are atomic.
unsafe impl Send for Counted {}
// SAFETY: a shared one gives nothing away.
unsafe impl Sync for Counted {}

impl Drop for Counted {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant the extent is there.
        unsafe { self.0.as_ref() }
            .registered
            .fetch_sub(1, Ordering::Relaxed);
    }
}

/// The place of one registration: a part of everything that C calls back.
///
/// # Invariants
///
/// `address` is where the registration was made: that memory stays as long as the extent.
pub(crate) struct Place {
    _counted: Counted,
    address: usize,
}

impl Place {
    /// The registration at the address at which it was made, for its `drop`. That is another than
    /// the one of `dropped` if it was moved, which is logged.
    ///
    /// C knows, and has changed, the one that this returns. Both have the same bits where nothing
    /// has changed since the move.
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
        // SAFETY: the extent outlives what is made of it here.
        unsafe { extent.place_at(address, size, align) }.map(Vacant::take)
    }

    fn is_refused(extent: &Extent, address: usize, size: usize) -> bool {
        matches!(placed(extent, address, size, 1), Err(EINVAL))
    }

    #[test]
    fn an_address_outside_is_refused() {
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
    fn an_address_that_is_not_aligned_is_refused() {
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
    fn nothing_is_made_where_all_is_dropped() {
        let extent = Extent::new(0x1000, 0x100);
        let place = placed(&extent, 0x1000, 8, 8).unwrap();
        extent.close();
        assert!(is_refused(&extent, 0x1008, 8));
        drop(place);
        extent.end();
        assert!(is_refused(&extent, 0x1000, 8));
        // A file that is polled meanwhile has its queue there.
        assert!(extent.contains(0x1000, 8) && !extent.contains(0x1000, 0x101));
    }

    #[test]
    #[should_panic(expected = "was not dropped")]
    fn a_leak_is_found() {
        let extent = Extent::new(0x1000, 0x100);
        core::mem::forget(placed(&extent, 0x1000, 8, 8).unwrap());
        extent.end();
    }

    #[test]
    fn a_place_counts_until_it_is_dropped() {
        let extent = Extent::new(0x1000, 0x100);
        let place = placed(&extent, 0x1000, 1, 1).unwrap();
        assert_eq!(extent.registered.load(Ordering::Relaxed), 1);
        drop(place);
        assert_eq!(extent.registered.load(Ordering::Relaxed), 0);
        extent.end();
    }

    /// What a registration is, less C: its drop writes into the memory that C would use.
    struct Registered {
        undone: AtomicBool,
        place: Place,
    }

    impl Drop for Registered {
        fn drop(&mut self) {
            let made = self.place.of(self);
            // SAFETY: the tests keep the memory that it was made in.
            unsafe { &(*made).undone }.store(true, Ordering::Relaxed);
        }
    }

    /// Makes one in memory that is not dropped, and gives its bits away, as the drop of a packed
    /// type does.
    fn undone_where_it_was_made(drop_it: impl FnOnce(Registered)) -> bool {
        let mut memory = core::mem::MaybeUninit::<Registered>::uninit();
        let slot = memory.as_mut_ptr();
        let extent = Extent::new(slot.addr(), size_of::<Registered>());
        // SAFETY: the extent outlives what is made of it here.
        let place = unsafe { extent.place(slot) }.unwrap().take();
        let undone = AtomicBool::new(false);
        // SAFETY: the memory is there.
        unsafe { slot.write(Registered { undone, place }) };
        // SAFETY: written just now; it is dropped once, by the caller.
        drop_it(unsafe { slot.read() });
        extent.end();
        // SAFETY: the field has no drop, and stays.
        unsafe { &(*slot).undone }.load(Ordering::Relaxed)
    }

    #[test]
    fn a_registration_that_was_moved_is_undone_where_it_was_made() {
        assert!(undone_where_it_was_made(drop));
    }
}
