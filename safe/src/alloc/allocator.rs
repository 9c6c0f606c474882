// SPDX-License-Identifier: GPL-2.0-only
//! Where memory comes from.
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
/// Memory of `realloc` is valid for reads and writes of the layout asked for until it is given to
/// `free` or, with success, to `realloc` again.
pub unsafe trait Allocator: sealed::Sealed + 'static {
    /// Memory of this layout, or that which `old` says brought to it: what fits of its contents is
    /// kept. On an error the old memory is as it was. `ENOMEM` if there is none.
    ///
    /// # Safety
    ///
    /// `old` is memory of this allocator that was not freed, with the layout that it has; the
    /// alignment is the same. The size of `layout` is not 0.
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
    /// It is memory of this allocator that was not freed; nothing uses it after this.
    #[doc(hidden)]
    unsafe fn free(memory: NonNull<u8>);
}

/// `kmalloc`: contiguous physical memory.
pub struct Kmalloc;
/// `vmalloc`: whole pages, contiguous for the CPU alone. Slower to get; there is more of it. Not
/// for contexts that may not sleep.
pub struct Vmalloc;
/// `kvmalloc`: `kmalloc`, or where that fails and one may sleep, `vmalloc`.
pub struct KVmalloc;

impl sealed::Sealed for Kmalloc {}
impl sealed::Sealed for Vmalloc {}
impl sealed::Sealed for KVmalloc {}

/// The size to ask for: `kmalloc` aligns to the size where that is a power of two, and to 8 bytes
/// (`ARCH_KMALLOC_MINALIGN`) in any case.
pub(super) const fn size_to_ask_for(size: usize, align: usize) -> Option<usize> {
    if align <= 8 {
        Some(size)
    } else if size > align {
        size.checked_next_power_of_two()
    } else {
        Some(align)
    }
}

// SAFETY: `kmalloc` promises memory of the size that is asked for, aligned to
// `ARCH_KMALLOC_MINALIGN` (8 here) and, where the size is a power of two, to the size
// (`Documentation/core-api/memory-allocation.rst`). All sizes that are asked for of one alignment
// above 8 are powers of two that are not less: where `krealloc` leaves the memory in its place, it
// is aligned still.
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
        // SAFETY: `krealloc` asks for NULL, or for memory of `kmalloc` that was not freed: by the
        // caller's promise it is memory of this allocator. `Flags` has only what `kmalloc` takes.
        // To sleep where one may not is a bug that the kernel reports.
        let memory = unsafe { sys::linux_driver_krealloc(old, size, flags.0) };
        NonNull::new(memory.cast()).ok_or(ENOMEM)
    }

    unsafe fn free(memory: NonNull<u8>) {
        // SAFETY: `kfree` asks for
        // - memory of `kmalloc` that was not freed, and is not used after this: by the caller's
        //   promise;
        // - a context that is no NMI, in which no code of a driver runs. With `PREEMPT_RT` it may
        //   sleep: to call it where one may not is a bug that the kernel reports.
        unsafe { sys::kfree(memory.as_ptr().cast()) };
    }
}

/// The largest alignment of memory in whole pages that is relied on.
const PAGE: usize = 4096;

/// New memory by `allocate`, with what fits of the old contents; the old memory is freed by
/// `kvfree`, as kernels before 6.12 have no `kvrealloc` that would do.
///
/// # Safety
///
/// As for [`Allocator::realloc`], for memory that `kvfree` frees. `allocate` gives as much as it is
/// asked for, or null.
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
        // SAFETY: both are valid for so many bytes; the new memory is apart from the old one.
        unsafe { core::ptr::copy_nonoverlapping(old.as_ptr(), memory.as_ptr(), length) };
        // SAFETY: `kvfree` asks for memory of `kmalloc` or `vmalloc` that was not freed, and is not
        // used after this: by the caller's promise, and since its contents were copied.
        unsafe { sys::kvfree(old.as_ptr().cast()) };
    }
    Ok(memory)
}

// SAFETY: `__vmalloc` gives whole pages, aligned to a page, as many as hold the size (rounded up);
// `kvfree` frees them.
unsafe impl Allocator for Vmalloc {
    unsafe fn realloc(
        old: Option<(NonNull<u8>, Layout)>,
        layout: Layout,
        flags: Flags,
    ) -> Result<NonNull<u8>> {
        // SAFETY: `__vmalloc` may be asked for any size: it fails for 0 and for more than there is.
        // It asks for a caller that may sleep, and is not in an interrupt (`BUG_ON`): elsewhere the
        // kernel reports it.
        let allocate = |size| unsafe { sys::linux_driver_vmalloc(size, flags.0) };
        // SAFETY: by the caller's promise.
        unsafe { copy(old, layout, allocate) }
    }

    unsafe fn free(memory: NonNull<u8>) {
        // SAFETY: `kvfree` asks for memory of `kmalloc` or `vmalloc` that was not freed, and is not
        // used after this: by the caller's promise it is of `__vmalloc`.
        unsafe { sys::kvfree(memory.as_ptr().cast()) };
    }
}

// SAFETY: `kvmalloc` gives memory of `kmalloc`, or whole pages of `vmalloc`, each aligned as said
// above; `kvfree` frees both.
unsafe impl Allocator for KVmalloc {
    unsafe fn realloc(
        old: Option<(NonNull<u8>, Layout)>,
        layout: Layout,
        flags: Flags,
    ) -> Result<NonNull<u8>> {
        // SAFETY: `kvmalloc` may be asked for any size: it fails for more than `INT_MAX`. Where the
        // flags do not let it sleep, it is `kmalloc` alone.
        let allocate = |size| unsafe { sys::linux_driver_kvmalloc(size, flags.0) };
        // SAFETY: by the caller's promise.
        unsafe { copy(old, layout, allocate) }
    }

    unsafe fn free(memory: NonNull<u8>) {
        // SAFETY: `kvfree` asks for memory of `kmalloc` or `vmalloc` that was not freed, and is not
        // used after this: by the caller's promise it is of `kvmalloc`.
        unsafe { sys::kvfree(memory.as_ptr().cast()) };
    }
}

/// The host's memory, for tests of what is built upon an allocator.
#[cfg(test)]
pub(super) mod host {
    use super::*;

    /// The host's own allocator, which is asked for no more than a megabyte here.
    pub(in crate::alloc) struct Host;

    impl sealed::Sealed for Host {}

    /// Before the memory stands its layout, in so many bytes, to which the memory is aligned.
    const HEADER: usize = 64;

    // SAFETY: so the host's allocator is.
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
            // SAFETY: the size is not 0.
            let start = NonNull::new(unsafe { std::alloc::alloc(whole) }).ok_or(ENOMEM)?;
            // SAFETY: the header is aligned and within the memory.
            unsafe { start.cast::<Layout>().write(whole) };
            // SAFETY: as above.
            let memory = unsafe { start.add(HEADER) };
            if let Some((old, old_layout)) = old {
                assert_eq!(old_layout.align(), layout.align());
                let length = old_layout.size().min(layout.size());
                // SAFETY: both are valid for so many bytes.
                unsafe { core::ptr::copy_nonoverlapping(old.as_ptr(), memory.as_ptr(), length) };
                // SAFETY: by the caller's promise.
                unsafe { Self::free(old) };
            }
            Ok(memory)
        }

        unsafe fn free(memory: NonNull<u8>) {
            // SAFETY: all memory that is given out stands behind a header.
            let start = unsafe { memory.sub(HEADER) };
            // SAFETY: it was written there.
            let whole = unsafe { start.cast::<Layout>().read() };
            // SAFETY: allocated with this layout.
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
