// SPDX-License-Identifier: GPL-2.0-only
//! The data of one open file: `file.private_data`.

use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};

use linux_driver_sys as sys;

use super::{Operations, Registration};
use crate::alloc::{GFP_KERNEL_ACCOUNT, KBox};
use crate::error::{Error, Result};

/// The list of a device's open files, for files that can be mapped. It is next to the gate, and
/// like the gate it may be used after the registration was dropped.
///
/// # Invariants
///
/// The list ends. Its members are [`Link`]s of open files. Each of them removes itself from the
/// list before it is freed.
pub(super) struct Files(*mut Link);

// SAFETY: only the holder of the list's lock uses what is behind the pointer.
unsafe impl Send for Files {}

/// A member of [`Files`].
pub(super) struct Link {
    file: *mut sys::file,
    next: *mut Link,
    previous: *mut Link,
}

impl Files {
    /// Returns an empty list.
    pub(super) const fn new() -> Self {
        Self(null_mut())
    }

    /// Adds a link.
    ///
    /// # Safety
    ///
    /// The link must be in no list, and must stay where it is until it is removed. Its file must be
    /// open until then.
    unsafe fn add(&mut self, link: *mut Link) {
        let next = self.0;
        // SAFETY: the caller promises that the link exists.
        unsafe { (*link).next = next };
        if !next.is_null() {
            // SAFETY: by the type's invariant the first member exists.
            unsafe { (*next).previous = link };
        }
        self.0 = link;
    }

    /// Removes a link.
    ///
    /// # Safety
    ///
    /// The link must be in this list.
    unsafe fn remove(&mut self, link: *mut Link) {
        // SAFETY: the caller promises that the link exists.
        let next = unsafe { (*link).next };
        // SAFETY: as above.
        let previous = unsafe { (*link).previous };
        if !next.is_null() {
            // SAFETY: by the type's invariant the neighbours of a member exist.
            unsafe { (*next).previous = previous };
        }
        if previous.is_null() {
            self.0 = next;
        } else {
            // SAFETY: as above.
            unsafe { (*previous).next = next };
        }
    }

    /// Unmaps every page that is mapped of these files.
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "unmap_mapping_range")]
    pub(super) fn unmap(&mut self) {
        let mut link = self.0;
        while !link.is_null() {
            // SAFETY: by the type's invariant the link exists.
            let file = unsafe { (*link).file };
            // SAFETY: by the type's invariant the file is open. `do_dentry_open` sets `f_mapping`
            // before it calls `open`, where the link is made. It does not change later.
            let mapping = unsafe { (*file).f_mapping };
            // SAFETY: `unmap_mapping_range` requires a mapping that stays until it returns, and a
            // caller that may sleep. An open file keeps its inode, which contains the mapping. The
            // callers of this function may sleep. A length of 0 means the whole mapping. Other
            // mappings through this node would be of an earlier device with the same number. That
            // device is gone, so it has no pages mapped.
            unsafe { sys::unmap_mapping_range(mapping, 0, 0, 1) };
            // SAFETY: as above.
            link = unsafe { (*link).next };
        }
    }
}

/// The data to which `file.private_data` points, if a file has data of its own.
struct Open<T: Operations> {
    registration: *const Registration<T>,
    link: Link,
    state: T::File,
}

/// Returns true if a file has data of its own: a state, or pages that must be unmapped. Otherwise
/// `private_data` keeps the value that `misc_open` stored.
const fn has_own<T: Operations>() -> bool {
    size_of::<T::File>() != 0 || T::HAS_MMAP
}

/// The registration and the state of an open file.
pub(super) struct Parts<T: Operations> {
    /// Its gate exists as long as the file is open. Everything else in it may be used only inside
    /// the gate.
    pub(super) registration: *const Registration<T>,
    /// Exists until [`release`].
    pub(super) state: NonNull<T::File>,
}

/// Returns the registration and the state of a file.
///
/// # Safety
///
/// `open` of this type must have made the file, and the file must be open.
#[inline(always)]
pub(super) unsafe fn parts<T: Operations>(file: *mut sys::file) -> Parts<T> {
    // SAFETY: the caller promises that the file is open. After `open` has returned, C leaves
    // `private_data` to the file's operations. Only `open` writes it, so nothing writes it now.
    let private = unsafe { (*file).private_data };
    if has_own::<T>() {
        let open: *mut Open<T> = private.cast();
        // SAFETY: `open` stored a pointer to an `Open`, which exists until `release`.
        let registration = unsafe { (*open).registration };
        // SAFETY: as above. Only the address is taken.
        let state = unsafe { &raw mut (*open).state };
        // SAFETY: the address of a field of an existing value is not NULL.
        let state = unsafe { NonNull::new_unchecked(state) };
        Parts {
            registration,
            state,
        }
    } else {
        Parts {
            registration: Registration::from_private(private),
            // A value of size 0 may have any address.
            state: NonNull::dangling(),
        }
    }
}

/// Allocates a file's own data and initialises its state with `init`.
///
/// # Safety
///
/// Only the operation `open`, which `misc_open` calls for the file, may call this. `init` must
/// initialise the state or return an error. On `Ok` the file becomes open, and [`release`] must be
/// called for it.
#[inline(always)]
pub(super) unsafe fn open<T: Operations>(
    registration: *const Registration<T>,
    file: *mut sys::file,
    init: impl FnOnce(*mut T::File) -> Result,
) -> Result {
    if !has_own::<T>() {
        return init(NonNull::dangling().as_ptr());
    }
    // SAFETY: `MaybeUninit` needs no initialisation.
    let nothing = unsafe {
        pinned_init::pin_init_from_closure(|_: *mut MaybeUninit<Open<T>>| Ok::<(), Error>(()))
    };
    // User space can open any number of files, so the memory is charged to the caller's memory
    // cgroup.
    let memory = KBox::pin_init(nothing, GFP_KERNEL_ACCOUNT)?;
    let open: *mut Open<T> = KBox::into_raw(memory).cast();
    // SAFETY: the memory exists. Only the address of the field is taken.
    if let Err(error) = init(unsafe { &raw mut (*open).state }) {
        // SAFETY: `kfree` requires an address that `kmalloc` returned, once. `KBox::into_raw`
        // returned it, and nothing else has it yet. The memory holds no value.
        unsafe { sys::kfree(open.cast()) };
        return Err(error);
    }
    // SAFETY: the memory exists. Only the address of the field is taken.
    let field = unsafe { &raw mut (*open).registration };
    // SAFETY: the field is valid for writes.
    unsafe { field.write(registration) };
    let (next, previous) = (null_mut(), null_mut());
    // SAFETY: the memory exists. Only the address of the field is taken.
    let link = unsafe { &raw mut (*open).link };
    // SAFETY: the field is valid for writes.
    unsafe {
        link.write(Link {
            file,
            next,
            previous,
        })
    };
    // SAFETY: `misc_open` leaves `private_data` to the operations when it calls `open`. Until
    // `open` returns, nothing else uses the file.
    unsafe { (*file).private_data = open.cast() };
    if T::HAS_MMAP {
        // SAFETY: the files can be mapped. The registration's memory exists: the caller promises a
        // call by `misc_open`, which holds `misc_mtx`, and `misc_deregister` takes that lock before
        // the registration goes away.
        let mut files = unsafe { Registration::files_of(registration) }.lock();
        // SAFETY: the link stays until `release`, which removes it, and the file is open until
        // then.
        unsafe { files.add(link) };
    }
    Ok(())
}

/// Drops the state of a file and frees its own data.
///
/// # Safety
///
/// [`open`] must have made the file's own data. This may be called only once for it, while no
/// operation of the file runs. The memory of the registration must exist.
#[inline(always)]
pub(super) unsafe fn release<T: Operations>(file: *mut sys::file) {
    // SAFETY: the caller promises that `open` made the file's data.
    let Parts {
        registration,
        state,
    } = unsafe { parts::<T>(file) };
    if T::HAS_MMAP {
        // SAFETY: the files can be mapped. The list and its lock exist, even if the registration
        // was dropped.
        let files = unsafe { Registration::files_of(registration) };
        // SAFETY: with `mmap`, a file has an `Open`.
        let open: *mut Open<T> = unsafe { (*file).private_data }.cast();
        // SAFETY: the memory exists. Only the address of the field is taken.
        let link = unsafe { &raw mut (*open).link };
        // SAFETY: `open` added the link to this list.
        unsafe { files.lock().remove(link) };
    }
    // SAFETY: `open` initialised the state. The caller promises that no operation uses it, and that
    // this is called once.
    unsafe { state.drop_in_place() };
    if has_own::<T>() {
        // SAFETY: the caller promises that the file exists and that none of its operations runs.
        let open = unsafe { (*file).private_data };
        // SAFETY: `kfree` requires an address that `kmalloc` returned, once. `open` got it from
        // `KBox::into_raw`. The caller promises that nothing uses it any more.
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
                // SAFETY: the link is in the list.
                unsafe { files.remove(link(i)) };
                left.retain(|&file| file != i + 1);
                let mut found = Vec::new();
                let mut link = files.0;
                while !link.is_null() {
                    // SAFETY: the link is a member of the list.
                    found.push(unsafe { (*link).file }.addr());
                    // SAFETY: as above.
                    link = unsafe { (*link).next };
                }
                assert_eq!(found, left, "{order:?}");
            }
        }
    }
}
