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
        .checked_sub(address.wrapping_sub(start))
        .is_some_and(|room| size <= room)
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

    /// Counts the registration that is made in `slot`. [`EINVAL`], with a line that says why, if
    /// the slot is outside, if it is not aligned, or if the place is [closed](Self::close).
    ///
    /// # Safety
    ///
    /// The extent stays where it is until what it returns is dropped, or [`end`](Self::end) was
    /// called.
    #[inline(always)]
    pub(crate) unsafe fn place<T>(&self, slot: *mut T) -> Result<Place> {
        // SAFETY: by the caller's promise.
        unsafe { self.place_of(slot.expose_provenance(), size_of::<T>(), align_of::<T>()) }
    }

    /// # Safety
    ///
    /// As for [`place`](Self::place).
    #[inline(never)]
    unsafe fn place_of(&self, address: usize, size: usize, align: usize) -> Result<Place> {
        let (start, extent) = (self.start.load(Ordering::Relaxed), self.size.load(Ordering::Relaxed));
        if !contains(start, extent, address, size) || self.closed.load(Ordering::Relaxed) {
            refused("outside of the driver's data or the module's state");
            return Err(EINVAL);
        }
        if address & align.wrapping_sub(1) != 0 {
            refused("in a field that is not aligned: its type, or one around it, is packed");
            return Err(EINVAL);
        }
        self.registered.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: counted above.
        Ok(Place {
            registered: NonNull::from(&self.registered),
            address,
        })
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

/// Says why a registration was not made.
#[cold]
fn refused(why: &str) {
    #[cfg(target_os = "none")]
    crate::pr_err!("a registration would be made {why}");
    // On the host, where the tests of this are, there is no kernel to tell.
    #[cfg(not(target_os = "none"))]
    let _ = why;
}

#[cold]
fn still_registered() -> ! {
    #[cfg(target_os = "none")]
    {
        crate::pr_emerg!("a registration was not dropped");
        crate::panic::bug()
    }
    #[cfg(not(target_os = "none"))]
    panic!("a registration was not dropped")
}

#[cold]
fn moved(address: usize) {
    #[cfg(target_os = "none")]
    crate::pr_err!(
        "a registration was moved before it was dropped: it is undone at {:p}, where it was made",
        core::ptr::without_provenance::<u8>(address)
    );
    #[cfg(not(target_os = "none"))]
    let _ = address;
}

/// The place of one registration: a part of everything that C calls back.
///
/// # Invariants
///
/// It is counted once, in a counter that stays until it is dropped. `address` is where the
/// registration was made: that memory stays as long as the counter.
// The compiler refuses a packed type that contains one with `align` (E0588): what has a place is
// aligned, and is dropped where it is.
#[repr(align(8))]
pub(crate) struct Place {
    registered: NonNull<AtomicUsize>,
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
        moved(self.address);
        core::ptr::with_exposed_provenance_mut(self.address)
    }
}

// SAFETY: the counter is atomic.
unsafe impl Send for Place {}
// SAFETY: a shared one gives nothing away.
unsafe impl Sync for Place {}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant the counter is there.
        unsafe { self.registered.as_ref() }.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(extent: &Extent, address: usize, size: usize, align: usize) -> Result<Place> {
        // SAFETY: the extent outlives what is made of it here.
        unsafe { extent.place_of(address, size, align) }
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
        let place = unsafe { extent.place(slot) }.unwrap();
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
