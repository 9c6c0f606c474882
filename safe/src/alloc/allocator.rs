// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's allocators.
//!
//! C headers: `include/linux/slab.h`, `include/linux/vmalloc.h`.

use core::alloc::Layout;
use core::ptr::NonNull;

use linux_driver_sys as sys;

use super::Flags;
use crate::error::{Result, code::ENOMEM};

mod sealed {
    pub trait Sealed {}
}

/// One of the kernel's allocators: [`Kmalloc`], [`Vmalloc`], [`KVmalloc`].
///
/// # Safety
///
/// Memory that `realloc` returns is valid for reads and writes of the requested layout, until it is
/// passed to `free` or, with success, to `realloc`.
pub unsafe trait Allocator: sealed::Sealed + 'static {
    /// Allocates memory of this layout, or resizes the memory `old` to it. The contents are kept as
    /// far as they fit. On an error the old memory stays as it is.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    ///
    /// # Safety
    ///
    /// `old` is memory of this allocator that was not freed, with its current layout. The alignment
    /// stays the same. The size of `layout` is not 0.
    #[doc(hidden)]
    unsafe fn realloc(
        old: Option<(NonNull<u8>, Layout)>,
        layout: Layout,
        flags: Flags,
    ) -> Result<NonNull<u8>>;

    /// Frees memory.
    ///
    /// # Safety
    ///
    /// The memory is from this allocator, was not freed, and is not used after this.
    #[doc(hidden)]
    unsafe fn free(memory: NonNull<u8>);
}

/// The allocator `kmalloc`: physically contiguous memory.
pub struct Kmalloc;
/// The allocator `vmalloc`: whole pages that are contiguous only for the CPU. It is slower than
/// `kmalloc`, and can return larger areas. Not for contexts that must not sleep.
pub struct Vmalloc;
/// The allocator `kvmalloc`: `kmalloc`, or `vmalloc` if that fails and the caller may sleep.
pub struct KVmalloc;

impl sealed::Sealed for Kmalloc {}
impl sealed::Sealed for Vmalloc {}
impl sealed::Sealed for KVmalloc {}

/// Returns the size to request from `kmalloc`. It aligns memory to its size if that is a power of
/// two, and to at least 8 bytes (`ARCH_KMALLOC_MINALIGN`).
pub(super) const fn size_to_ask_for(size: usize, align: usize) -> Option<usize> {
    if align <= 8 {
        Some(size)
    } else if size > align {
        size.checked_next_power_of_two()
    } else {
        Some(align)
    }
}

// SAFETY: `kmalloc` guarantees memory of the requested size, aligned to `ARCH_KMALLOC_MINALIGN` (8
// here) and, if the size is a power of two, to the size
// (`Documentation/core-api/memory-allocation.rst`). For an alignment above 8, all requested sizes
// are powers of two that are not less than the alignment. So memory that `krealloc` leaves at its
// address is still aligned.
unsafe impl Allocator for Kmalloc {
    unsafe fn realloc(
        old: Option<(NonNull<u8>, Layout)>,
        layout: Layout,
        flags: Flags,
    ) -> Result<NonNull<u8>> {
        let size = size_to_ask_for(layout.size(), layout.align()).ok_or(ENOMEM)?;
        let old = old.map_or(core::ptr::null(), |(memory, _)| {
            memory.as_ptr().cast_const().cast()
        });
        // SAFETY: `krealloc` requires
        // - NULL, or memory of `kmalloc` that was not freed: the caller promises memory of this
        //   allocator;
        // - flags that `kmalloc` accepts: `Flags` has no others;
        // - a context that the flags allow: to sleep in another one is a bug that the kernel
        //   reports.
        let memory = unsafe { sys::linux_driver_krealloc(old, size, flags.0) };
        NonNull::new(memory.cast()).ok_or(ENOMEM)
    }

    unsafe fn free(memory: NonNull<u8>) {
        // SAFETY: `kfree` requires
        // - memory of `kmalloc` that was not freed, and is not used after this: the caller promises
        //   both;
        // - a context that is not NMI: no code of a driver runs in NMI. With `PREEMPT_RT` it may
        //   sleep: to call it where that is not allowed is a bug that the kernel reports.
        unsafe { sys::kfree(memory.as_ptr().cast()) };
    }
}

/// The largest alignment that this module relies on for memory in whole pages.
const PAGE: usize = 4096;

/// Allocates new memory with `allocate`, copies the old contents as far as they fit, and frees the
/// old memory with `kvfree`. (Kernels before 6.12 have no suitable `kvrealloc`.)
///
/// # Safety
///
/// As for [`Allocator::realloc`], for memory that `kvfree` frees. `allocate` returns memory of the
/// size that it is asked for, or null.
unsafe fn copy(
    old: Option<(NonNull<u8>, Layout)>,
    layout: Layout,
    allocate: impl FnOnce(usize) -> *mut core::ffi::c_void,
) -> Result<NonNull<u8>> {
    let size = size_to_ask_for(layout.size(), layout.align()).ok_or(ENOMEM)?;
    if layout.align() > PAGE {
        return Err(ENOMEM);
    }
    let memory = NonNull::new(allocate(size).cast::<u8>()).ok_or(ENOMEM)?;
    if let Some((old, old_layout)) = old {
        let length = old_layout.size().min(layout.size());
        // SAFETY: both are valid for `length` bytes, and the new memory does not overlap the old.
        unsafe { core::ptr::copy_nonoverlapping(old.as_ptr(), memory.as_ptr(), length) };
        // SAFETY: `kvfree` requires memory of `kmalloc` or `vmalloc` that was not freed, and is not
        // used after this: the caller promises the first; the contents were copied.
        unsafe { sys::kvfree(old.as_ptr().cast()) };
    }
    Ok(memory)
}

// SAFETY: `__vmalloc` returns whole pages, aligned to a page, with at least the requested size.
// `kvfree` frees them.
unsafe impl Allocator for Vmalloc {
    unsafe fn realloc(
        old: Option<(NonNull<u8>, Layout)>,
        layout: Layout,
        flags: Flags,
    ) -> Result<NonNull<u8>> {
        // SAFETY: `__vmalloc` accepts any size: it fails for 0 and for more than there is. It
        // requires a caller that may sleep and is not in an interrupt (`BUG_ON`): the kernel
        // reports any other.
        let allocate = |size| unsafe { sys::linux_driver_vmalloc(size, flags.0) };
        // SAFETY: the caller promises the same, and `__vmalloc` returns memory of the requested
        // size, or null.
        unsafe { copy(old, layout, allocate) }
    }

    unsafe fn free(memory: NonNull<u8>) {
        // SAFETY: `kvfree` requires memory of `kmalloc` or `vmalloc` that was not freed, and is not
        // used after this: by the caller's promise it is memory of `__vmalloc`.
        unsafe { sys::kvfree(memory.as_ptr().cast()) };
    }
}

// SAFETY: `kvmalloc` returns memory of `kmalloc`, or whole pages of `vmalloc`, aligned as described
// above. `kvfree` frees both.
unsafe impl Allocator for KVmalloc {
    unsafe fn realloc(
        old: Option<(NonNull<u8>, Layout)>,
        layout: Layout,
        flags: Flags,
    ) -> Result<NonNull<u8>> {
        // SAFETY: `kvmalloc` accepts any size: it fails for more than `INT_MAX`. If the flags do
        // not allow it to sleep, it only tries `kmalloc`.
        let allocate = |size| unsafe { sys::linux_driver_kvmalloc(size, flags.0) };
        // SAFETY: the caller promises the same, and `kvmalloc` returns memory of the requested
        // size, or null.
        unsafe { copy(old, layout, allocate) }
    }

    unsafe fn free(memory: NonNull<u8>) {
        // SAFETY: `kvfree` requires memory of `kmalloc` or `vmalloc` that was not freed, and is not
        // used after this: by the caller's promise it is memory of `kvmalloc`.
        unsafe { sys::kvfree(memory.as_ptr().cast()) };
    }
}

/// The host's memory, for tests of the types that use an allocator.
#[cfg(test)]
pub(super) mod host {
    use super::*;

    /// The host's own allocator, limited to a megabyte for each request.
    pub(in crate::alloc) struct Host;

    impl sealed::Sealed for Host {}

    /// The size of the header before the memory, which holds its layout. The memory is aligned to
    /// this.
    const HEADER: usize = 64;

    // SAFETY: the host's allocator guarantees the same.
    unsafe impl Allocator for Host {
        unsafe fn realloc(
            old: Option<(NonNull<u8>, Layout)>,
            layout: Layout,
            _: Flags,
        ) -> Result<NonNull<u8>> {
            assert!(layout.size() > 0 && layout.align() <= HEADER);
            if layout.size() > 1 << 20 {
                return Err(ENOMEM);
            }
            let whole =
                Layout::from_size_align(layout.size() + HEADER, HEADER).map_err(|_| ENOMEM)?;
            // SAFETY: `alloc` requires a size that is not 0: it includes the header.
            let start = NonNull::new(unsafe { std::alloc::alloc(whole) }).ok_or(ENOMEM)?;
            // SAFETY: the header is aligned and inside of the memory.
            unsafe { start.cast::<Layout>().write(whole) };
            // SAFETY: as above.
            let memory = unsafe { start.add(HEADER) };
            if let Some((old, old_layout)) = old {
                assert_eq!(old_layout.align(), layout.align());
                let length = old_layout.size().min(layout.size());
                // SAFETY: both are valid for `length` bytes.
                unsafe { core::ptr::copy_nonoverlapping(old.as_ptr(), memory.as_ptr(), length) };
                // SAFETY: the caller promises the same.
                unsafe { Self::free(old) };
            }
            Ok(memory)
        }

        unsafe fn free(memory: NonNull<u8>) {
            // SAFETY: all memory that `realloc` returned has a header before it.
            let start = unsafe { memory.sub(HEADER) };
            // SAFETY: `realloc` wrote the layout there.
            let whole = unsafe { start.cast::<Layout>().read() };
            // SAFETY: the memory was allocated with this layout.
            unsafe { std::alloc::dealloc(start.as_ptr(), whole) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size_to_ask_for;

    #[test]
    fn an_alignment_above_that_of_kmalloc_takes_a_power_of_two() {
        assert_eq!(size_to_ask_for(3, 1), Some(3));
        assert_eq!(size_to_ask_for(24, 8), Some(24));
        assert_eq!(size_to_ask_for(16, 64), Some(64));
        assert_eq!(size_to_ask_for(64, 64), Some(64));
        assert_eq!(size_to_ask_for(192, 64), Some(256));
        assert_eq!(size_to_ask_for(isize::MAX as usize - 63, 64), Some(1 << 63));
        assert_eq!(size_to_ask_for(usize::MAX - 63, 64), None);
    }
}
