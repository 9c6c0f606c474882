// SPDX-License-Identifier: GPL-2.0-only
//! `mmap`: maps memory of a device into user space.
//!
//! C header: `include/linux/mm.h`; `mm/memory.c`, `mm/mmap.c`.
//!
//! Pages are mapped by page faults. Each fault finds the device bound, or ends in SIGBUS. C drivers
//! often map all pages in `mmap` itself (`remap_pfn_range`). That would not be safe here: the
//! kernel links the area to its file only after `mmap` has returned. When the device goes away,
//! code that removes the mappings would miss one that is being made.
//!
//! # Examples
//! ```no_run
//! use linux_driver::miscdevice::{self, Call};
//! use linux_driver::mm::{Mapping, VmArea};
//! use linux_driver::pci::Bar;
//! use linux_driver::prelude::*;
//!
//! /// A device that user space drives directly: each queue has a page of doorbell registers.
//! struct Nic {
//!     queues: Bar<0x8000>,
//! }
//!
//! #[vtable]
//! impl miscdevice::Operations for Nic {
//!     type File = ();
//!
//!     fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
//!         Ok(())
//!     }
//!
//! /// The offset selects the queue: one page, but not the first, which belongs to the driver.
//!     fn mmap<'a>(
//!         this: Pin<&Self>,
//!         call: &Call<'_>,
//!         _file: Pin<&()>,
//!         area: &mut VmArea<'a>,
//!     ) -> Result<Mapping<'a>> {
//!         if area.page_offset() == 0 || area.pages() != 1 {
//!             return Err(EINVAL);
//!         }
//!         area.iomap(call, &this.queues)
//!     }
//! }
//! ```

use core::marker::PhantomData;

use linux_driver_sys as sys;

use crate::device::{Bound, Device};
use crate::error::{Result, code::EINVAL, code::EPERM};
use crate::pci;

/// An area of user space that is being made for a file, during a call of `mmap`: C's
/// `struct vm_area_struct`.
#[doc(alias = "vm_area_struct")]
pub struct VmArea<'a> {
    raw: *mut sys::vm_area_struct,
    _of_the_call: PhantomData<&'a mut ()>,
}

/// The memory that an area maps: the result of `mmap`.
///
/// # Invariants
///
/// The device owns the frames from `pfn` plus the offset of the area, one for each page of the
/// area. It owns them until the end of the binding in which the area was made.
pub struct Mapping<'a> {
    pfn: u64,
    writable: bool,
    _of_the_call: PhantomData<&'a mut ()>,
}

impl<'a> VmArea<'a> {
    /// Returns the area that C knows under this pointer.
    ///
    /// # Safety
    ///
    /// `raw` must be the argument of `mmap` of a file, for the call whose lifetime is `'a`.
    pub(crate) unsafe fn new(raw: *mut sys::vm_area_struct) -> Self {
        Self {
            raw,
            _of_the_call: PhantomData,
        }
    }

    /// Returns the number of pages in the area.
    #[doc(alias = "vma_pages")]
    pub fn pages(&self) -> usize {
        // SAFETY: the shim reads fields of the area. C does not change them while it calls `mmap`,
        // because it holds the `mmap_lock` for writing.
        unsafe { sys::linux_driver_vma_pages(self.raw) as usize }
    }

    /// Returns the offset that user space asked for, in pages: `vm_pgoff`.
    #[doc(alias = "vm_pgoff")]
    pub fn page_offset(&self) -> usize {
        // SAFETY: same preconditions as in `pages`.
        unsafe { sys::linux_driver_vma_pgoff(self.raw) as usize }
    }

    /// Returns true if user space may write to the area now. If it may not, `mprotect` can allow it
    /// later. That requires a file that was opened for writing, and a mapping that is not
    /// [read-only](Self::iomap_readonly).
    #[doc(alias = "VM_WRITE")]
    pub fn is_writable(&self) -> bool {
        self.flags() & sys::LINUX_DRIVER_VM_WRITE != 0
    }

    fn flags(&self) -> u64 {
        // SAFETY: same preconditions as in `pages`.
        unsafe { sys::linux_driver_vma_flags(self.raw) }
    }

    /// Maps a BAR without caching, starting at the page that user space asked for: C's
    /// `vm_iomap_memory` with `pgprot_noncached`. `mprotect` cannot make the area executable later
    /// (`VM_MAYEXEC`).
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if the area reaches beyond the end of the BAR;
    /// - [`EINVAL`] if the BAR does not consist of whole pages, because that would map its
    ///   neighbours too;
    /// - [`EINVAL`] for a private mapping;
    /// - [`EPERM`] for an executable mapping;
    /// - [`ENODEV`](crate::error::code::ENODEV) if the BAR belongs to another binding.
    #[doc(alias = "vm_iomap_memory")]
    pub fn iomap<const SIZE: usize>(
        &mut self,
        dev: &impl AsRef<Device<Bound>>,
        bar: &pci::Bar<SIZE>,
    ) -> Result<Mapping<'a>> {
        let (start, length) = bar.physical(dev.as_ref())?;
        let pages = whole_pages(start, length).ok_or(EINVAL)?;
        self.check(pages)?;
        // INVARIANT: `check` found that the whole area is inside the BAR, which belongs to the
        // binding.
        Ok(Mapping {
            pfn: start >> PAGE_SHIFT,
            writable: true,
            _of_the_call: PhantomData,
        })
    }

    /// Maps a BAR as [`iomap`](Self::iomap) does, but read-only: `mprotect` cannot make the area
    /// writable later (C drivers clear `VM_MAYWRITE`).
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`EPERM`] if the area is writable; otherwise the errors of [`iomap`](Self::iomap).
    #[doc(alias = "VM_MAYWRITE")]
    pub fn iomap_readonly<const SIZE: usize>(
        &mut self,
        dev: &impl AsRef<Device<Bound>>,
        bar: &pci::Bar<SIZE>,
    ) -> Result<Mapping<'a>> {
        if self.is_writable() {
            return Err(EPERM);
        }
        let mapping = self.iomap(dev, bar)?;
        Ok(Mapping {
            writable: false,
            ..mapping
        })
    }

    /// Checks that the area may map memory of `pages` pages.
    fn check(&self, pages: u64) -> Result {
        let flags = self.flags();
        // Without this flag the mapping is private, so writing to it would copy pages. `VM_SHARED`
        // is not the right flag: it is also off in a shared mapping of a file that was opened for
        // reading.
        if flags & sys::LINUX_DRIVER_VM_MAYSHARE == 0 {
            return Err(EINVAL);
        }
        if flags & sys::LINUX_DRIVER_VM_EXEC != 0 {
            return Err(EPERM);
        }
        if in_range(self.page_offset() as u64, self.pages() as u64, pages) {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    /// Sets up the area for `mapping`. Page faults fill it.
    ///
    /// # Safety
    ///
    /// `ops.fault` must insert pages only during the binding in which the area was made. The code
    /// that ends the binding must remove the pages before.
    pub(crate) unsafe fn set(self, mapping: &Mapping<'a>, ops: &'static sys::vm_operations_struct) {
        // SAFETY: the shim writes `vm_flags` and `vm_ops`. It requires:
        // - a call from the `mmap` operation of the area's file, with the `mmap_lock` held for
        //   writing and an area that is not linked yet (`mmap_region`): this is called only there;
        // - for `VM_PFNMAP`, that only `vmf_insert_pfn` inserts pages: the caller promises that of
        //   `ops`;
        // - an area that is not both private and writable (`is_cow_mapping`), which
        //   `vmf_insert_pfn` treats as a bug: `check` found that the area is shared.
        unsafe {
            sys::linux_driver_vma_set_pfnmap(self.raw, ops, mapping.pfn, true, mapping.writable)
        };
    }
}

/// `PAGE_SHIFT` of the architectures that have bindings.
const PAGE_SHIFT: u32 = 12;
const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

/// Returns the number of pages in memory that consists of whole pages.
fn whole_pages(start: u64, length: u64) -> Option<u64> {
    (start | length)
        .is_multiple_of(PAGE_SIZE)
        .then_some(length / PAGE_SIZE)
}

/// Returns true if `pages` pages from `offset` are inside `all` pages.
fn in_range(offset: u64, pages: u64, all: u64) -> bool {
    all.checked_sub(offset).is_some_and(|room| pages <= room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_must_end_inside_the_memory() {
        assert!(in_range(0, 256, 256) && in_range(255, 1, 256));
        for (offset, pages) in [
            (0, 257),
            (1, 256),
            (256, 1),
            (257, 0),
            (u64::MAX, 1),
            (1, u64::MAX),
        ] {
            assert!(!in_range(offset, pages, 256), "{offset} {pages}");
        }
    }

    #[test]
    fn memory_must_consist_of_whole_pages() {
        assert_eq!(whole_pages(0xfea0_0000, 0x2000), Some(2));
        assert_eq!(whole_pages(0xfea0_0100, 0x1000), None);
        assert_eq!(whole_pages(0xfea0_0000, 0x100), None);
    }
}
