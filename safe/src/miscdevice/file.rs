// SPDX-License-Identifier: GPL-2.0-only
//! What belongs to one open file: `file.private_data`.

use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};

use linux_driver_sys as sys;

use super::{Operations, Registration};
use crate::alloc::{GFP_KERNEL_ACCOUNT, KBox};
use crate::error::{Error, Result};

/// The files of a device that can be mapped, in a list. It is the gate's neighbour, and memory as
/// that is.
///
/// # Invariants
///
/// The list ends; its members are [`Link`]s of open files, each of which takes itself out before it
/// goes.
pub(super) struct Files(*mut Link);

// SAFETY: what is behind the pointer is the list's own, whoever holds the lock that the list is in.
unsafe impl Send for Files {}

/// A member of [`Files`].
pub(super) struct Link {
    file: *mut sys::file,
    next: *mut Link,
    previous: *mut Link,
}

impl Files {
    /// None.
    pub(super) const fn new() -> Self {
        Self(null_mut())
    }

    /// # Safety
    ///
    /// The link stays where it is until it is removed; it is in no list. Its file is open until
    /// then.
    unsafe fn add(&mut self, link: *mut Link) {
        let next = self.0;
        // SAFETY: the link is there, by the caller's promise.
        unsafe { (*link).next = next };
        if !next.is_null() {
            // SAFETY: by the invariant the first member is there.
            unsafe { (*next).previous = link };
        }
        self.0 = link;
    }

    /// # Safety
    ///
    /// The link is in this list.
    unsafe fn remove(&mut self, link: *mut Link) {
        // SAFETY: the link is there, by the caller's promise.
        let next = unsafe { (*link).next };
        // SAFETY: as above.
        let previous = unsafe { (*link).previous };
        if !next.is_null() {
            // SAFETY: by the invariant a member's neighbour is there.
            unsafe { (*next).previous = previous };
        }
        if previous.is_null() {
            self.0 = next;
        } else {
            // SAFETY: as above.
            unsafe { (*previous).next = next };
        }
    }

    /// Takes every page away that is mapped of these files. Context: may sleep.
    #[doc(alias = "unmap_mapping_range")]
    pub(super) fn unmap(&mut self) {
        let mut link = self.0;
        while !link.is_null() {
            // SAFETY: by the invariant it is there.
            let file = unsafe { (*link).file };
            // SAFETY: by the invariant the file is open: `do_dentry_open` sets `f_mapping` before
            // it calls `open`, where the link is made, and nobody changes it later.
            let mapping = unsafe { (*file).f_mapping };
            // SAFETY: `unmap_mapping_range` asks for a mapping that stays until it returns, and for
            // a caller that may sleep: an open file keeps its inode, in which the mapping is, and
            // this function's callers may sleep. A length of 0 stands for all of it: what else is
            // mapped through this node is of a device that had its number before and is gone, and
            // so has no pages.
            unsafe { sys::unmap_mapping_range(mapping, 0, 0, 1) };
            // SAFETY: as above.
            link = unsafe { (*link).next };
        }
    }
}

/// What `file.private_data` points to, where a file has something of its own.
struct Open<T: Operations> {
    registration: *const Registration<T>,
    link: Link,
    state: T::File,
}

/// Whether a file has something of its own: a state, or pages that have to be taken away. Otherwise
/// `private_data` stays what `misc_open` made it.
const fn has_own<T: Operations>() -> bool {
    size_of::<T::File>() != 0 || T::HAS_MMAP
}

/// An open file's registration and state.
pub(super) struct Parts<T: Operations> {
    /// Its gate is there as long as the file is open; all else of it while one is inside the gate.
    pub(super) registration: *const Registration<T>,
    /// It is there until [`release`].
    pub(super) state: NonNull<T::File>,
}

/// # Safety
///
/// `open` of this type made the file, which is open.
#[inline(always)]
pub(super) unsafe fn parts<T: Operations>(file: *mut sys::file) -> Parts<T> {
    // SAFETY: by the caller's promise the file is there. Once `open` has returned, C leaves
    // `private_data` to the file's operations, of which only `open` writes it: nobody does so now.
    let private = unsafe { (*file).private_data };
    if has_own::<T>() {
        let open: *mut Open<T> = private.cast();
        // SAFETY: `open` put one there, which stays until `release`.
        let registration = unsafe { (*open).registration };
        // SAFETY: as above; only the address is taken.
        let state = unsafe { &raw mut (*open).state };
        // SAFETY: the address of a field of what is there is not null.
        let state = unsafe { NonNull::new_unchecked(state) };
        Parts {
            registration,
            state,
        }
    } else {
        Parts {
            registration: Registration::from_private(private),
            // A value of no size is anywhere.
            state: NonNull::dangling(),
        }
    }
}

/// Makes a file's own part with what `init` writes into it.
///
/// # Safety
///
/// `misc_open` calls `open` of the registration for the file. `init` initialises the state, or
/// returns an error. On `Ok` the file is open, and [`release`] is called for it.
#[inline(always)]
pub(super) unsafe fn open<T: Operations>(
    registration: *const Registration<T>,
    file: *mut sys::file,
    init: impl FnOnce(*mut T::File) -> Result,
) -> Result {
    if !has_own::<T>() {
        return init(NonNull::dangling().as_ptr());
    }
    // SAFETY: memory that may hold anything is initialised by nothing.
    let nothing = unsafe {
        pinned_init::pin_init_from_closure(|_: *mut MaybeUninit<Open<T>>| Ok::<(), Error>(()))
    };
    // User space opens as often as it likes: it is counted against who does.
    let memory = KBox::pin_init(nothing, GFP_KERNEL_ACCOUNT)?;
    let open: *mut Open<T> = KBox::into_raw(memory).cast();
    // SAFETY: the memory is there; only the field's address is taken.
    if let Err(error) = init(unsafe { &raw mut (*open).state }) {
        // SAFETY: `kfree` asks for an address that `kmalloc` returned, once: `KBox::into_raw` gave
        // it, and nobody else has it yet. It holds no value.
        unsafe { sys::kfree(open.cast()) };
        return Err(error);
    }
    // SAFETY: the memory is there; only the field's address is taken.
    let place = unsafe { &raw mut (*open).registration };
    // SAFETY: valid for writes.
    unsafe { place.write(registration) };
    let (next, previous) = (null_mut(), null_mut());
    // SAFETY: the memory is there; only the field's address is taken.
    let link = unsafe { &raw mut (*open).link };
    // SAFETY: valid for writes.
    unsafe {
        link.write(Link {
            file,
            next,
            previous,
        })
    };
    // SAFETY: `misc_open` leaves `private_data` to the operations, from its call of `open` on;
    // until that returns nobody else has the file.
    unsafe { (*file).private_data = open.cast() };
    if T::HAS_MMAP {
        // SAFETY: by the caller's promise `misc_open` calls, under `misc_mtx`, which
        // `misc_deregister` takes before the registration goes; the files can be mapped.
        let mut files = unsafe { Registration::files_of(registration) }.lock();
        // SAFETY: the link stays until `release`, which removes it, and the file is open until
        // then.
        unsafe { files.add(link) };
    }
    Ok(())
}

/// Drops the state of a file.
///
/// # Safety
///
/// [`open`] made the file's own part; this is called once for it, with no operation of it running.
/// The memory of the registration is there.
#[inline(always)]
pub(super) unsafe fn release<T: Operations>(file: *mut sys::file) {
    // SAFETY: `open` made it.
    let Parts {
        registration,
        state,
    } = unsafe { parts::<T>(file) };
    if T::HAS_MMAP {
        // SAFETY: the list and its lock are memory that is there, whether the registration was
        // dropped or not; the files can be mapped.
        let files = unsafe { Registration::files_of(registration) };
        // SAFETY: with `mmap` a file has an `Open`.
        let open: *mut Open<T> = unsafe { (*file).private_data }.cast();
        // SAFETY: the memory is there; only the field's address is taken.
        let link = unsafe { &raw mut (*open).link };
        // SAFETY: `open` added it to this list.
        unsafe { files.lock().remove(link) };
    }
    // SAFETY: `open` initialised the state; by the caller's promise no operation uses it, and this
    // is called once.
    unsafe { state.drop_in_place() };
    if has_own::<T>() {
        // SAFETY: by the caller's promise the file is there, and no operation of it runs.
        let open = unsafe { (*file).private_data };
        // SAFETY: `kfree` asks for an address that `kmalloc` returned, once: `open` took it from
        // `KBox::into_raw`, and by the caller's promise nobody has it any more.
        unsafe { sys::kfree(open) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_leave_the_list_in_any_order() {
        for order in [
            [0, 1, 2],
            [2, 1, 0],
            [1, 0, 2],
            [1, 2, 0],
            [0, 2, 1],
            [2, 0, 1],
        ] {
            let mut links = [1, 2, 3].map(|number: usize| Link {
                file: core::ptr::without_provenance_mut(number),
                next: null_mut(),
                previous: null_mut(),
            });
            let links = links.as_mut_ptr();
            let link = |i: usize| links.wrapping_add(i);
            let mut files = Files::new();
            for i in 0..3 {
                // SAFETY: the links stay until the end of the test.
                unsafe { files.add(link(i)) };
            }
            let mut left = vec![3, 2, 1];
            for i in order {
                // SAFETY: it is in the list.
                unsafe { files.remove(link(i)) };
                left.retain(|&file| file != i + 1);
                let mut found = Vec::new();
                let mut link = files.0;
                while !link.is_null() {
                    // SAFETY: a member of the list.
                    found.push(unsafe { (*link).file }.addr());
                    // SAFETY: as above.
                    link = unsafe { (*link).next };
                }
                assert_eq!(found, left, "{order:?}");
            }
        }
    }
}
