// SPDX-License-Identifier: GPL-2.0-only
//! Where a registration stands.
//!
//! C keeps pointers to what is registered with it, and calls it back, until it is unregistered. Rust lets a value be leaked:
//! its `drop`, and with it the unregistering, then never comes. So what registers something with C is made in two places
//! only, both of which are dropped in place by us and by nobody else: the data of a bound device, which goes in the bus's
//! `remove`, before anything that is bound goes; and the module's state, which goes when the module does. An initialiser
//! that runs anywhere else fails with [`EINVAL`](crate::error::code::EINVAL).

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A counter of the registrations that stand in one place, and the extent of the place.
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

    /// That a registration of `size` bytes stands at this address; `None` if that is outside, or the place is [closed](Self::close).
    ///
    /// # Safety
    ///
    /// The extent stays where it is until what it returns is dropped, or [`end`](Self::end) was called.
    pub(crate) unsafe fn place(&self, address: usize, size: usize) -> Option<Place> {
        let (start, extent) = (self.start.load(Ordering::Relaxed), self.size.load(Ordering::Relaxed));
        if !contains(start, extent, address, size) || self.closed.load(Ordering::Relaxed) {
            return None;
        }
        self.registered.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: counted above.
        Some(Place(NonNull::from(&self.registered)))
    }

    /// Whether something of `size` bytes lies here, be it being dropped or not.
    pub(crate) fn contains(&self, address: usize, size: usize) -> bool {
        contains(
            self.start.load(Ordering::Relaxed),
            self.size.load(Ordering::Relaxed),
            address,
            size,
        )
    }

    /// What stands here is about to be dropped: from now on nothing is registered here. What was made in a part that was
    /// dropped already would never be dropped.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// What stood here was dropped. A registration that was not (one in a `MaybeUninit`, say) is a bug from which there is no
    /// way back: C would call into memory that is gone.
    #[inline]
    pub(crate) fn end(&self) {
        self.close();
        if self.registered.load(Ordering::Relaxed) != 0 {
            still_registered();
        }
    }
}

#[cold]
fn still_registered() -> ! {
    // On the host, where the tests of this are, there is no kernel to tell.
    #[cfg(target_os = "none")]
    {
        crate::pr_emerg!("a registration was not dropped");
        crate::panic::bug()
    }
    #[cfg(not(target_os = "none"))]
    panic!("a registration was not dropped")
}

/// That a registration stands where it will be dropped for sure: a part of everything that C calls back.
///
/// # Invariants
///
/// It is counted once, in a counter that stays until it is dropped.
pub(crate) struct Place(NonNull<AtomicUsize>);

// SAFETY: the counter is atomic.
unsafe impl Send for Place {}
// SAFETY: a shared one gives nothing away.
unsafe impl Sync for Place {}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant the counter is there.
        unsafe { self.0.as_ref() }.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(extent: &Extent, address: usize, size: usize) -> bool {
        // SAFETY: the extent outlives what is made of it here.
        unsafe { extent.place(address, size) }.is_none()
    }

    #[test]
    fn what_lies_outside_is_refused() {
        let extent = Extent::new(0x1000, 0x100);
        assert!(!refused(&extent, 0x1000, 0x100));
        assert!(!refused(&extent, 0x10f8, 8));
        for (address, size) in [
            (0xff8, 8),
            (0xffc, 8),
            (0x10f9, 8),
            (0x1100, 1),
            (0x1000, 0x101),
            (0x1000, usize::MAX),
            (0, 0),
        ] {
            assert!(refused(&extent, address, size), "{address:#x} {size}");
        }
    }

    #[test]
    fn nothing_is_made_where_all_is_dropped() {
        let extent = Extent::new(0x1000, 0x100);
        // SAFETY: the extent outlives it.
        let place = unsafe { extent.place(0x1000, 8) }.unwrap();
        extent.close();
        assert!(refused(&extent, 0x1008, 8));
        drop(place);
        extent.end();
        assert!(refused(&extent, 0x1000, 8));
        // A file that is polled meanwhile has its queue there.
        assert!(extent.contains(0x1000, 8) && !extent.contains(0x1000, 0x101));
    }

    #[test]
    #[should_panic(expected = "was not dropped")]
    fn what_was_not_dropped_is_found() {
        let extent = Extent::new(0x1000, 0x100);
        // SAFETY: the extent outlives it.
        core::mem::forget(unsafe { extent.place(0x1000, 8) }.unwrap());
        extent.end();
    }

    #[test]
    fn a_place_counts_until_it_is_dropped() {
        let extent = Extent::new(0x1000, 0x100);
        // SAFETY: the extent outlives it.
        let place = unsafe { extent.place(0x1000, 1) }.unwrap();
        assert_eq!(extent.registered.load(Ordering::Relaxed), 1);
        drop(place);
        assert_eq!(extent.registered.load(Ordering::Relaxed), 0);
        extent.end();
    }
}
