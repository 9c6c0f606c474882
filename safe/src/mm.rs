// SPDX-License-Identifier: GPL-2.0-only
//! `mmap`: memory of a device in an area of user space.
//!
//! C header: `include/linux/mm.h`; `mm/memory.c`, `mm/mmap.c`.
//!
//! Pages come by faults, each of which finds the device bound or ends in SIGBUS. C drivers often
//! map all pages in `mmap` itself (`remap_pfn_range`); the kernel links the area to its file only
//! after `mmap` has returned, so that who takes the mappings away as the device goes would miss one
//! that is being made.
//!
//! ```no_run
//! use linux_driver::miscdevice::{self, Call};
//! use linux_driver::mm::{Mapping, VmArea};
//! use linux_driver::pci::Bar;
//! use linux_driver::prelude::*;
//!
//! /// A device that user space drives by itself: each queue has a page of registers, where its bell is rung.
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
//!     /// The offset says which queue: one page, and not the first, which is the driver's own.
//!     fn mmap<'a>(this: Pin<&Self>, call: &Call<'_>, _file: Pin<&()>, area: &mut VmArea<'a>) -> Result<Mapping<'a>> {
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

/// An area of user space that is being made for a file: C's `struct vm_area_struct`, in a call of
/// `mmap`.
#[doc(alias = "vm_area_struct")]
pub struct VmArea<'a> {
    raw: *mut sys::vm_area_struct,
    _of_the_call: PhantomData<&'a mut ()>,
}

/// What an area is to show: what `mmap` returns.
///
/// # Invariants
///
/// The frames from `pfn + offset of the area` on are the device's, as many as the area has pages,
/// as long as the binding is that the area was made in.
pub struct Mapping<'a> {
    pfn: u64,
    writable: bool,
    _of_the_call: PhantomData<&'a mut ()>,
}

impl<'a> VmArea<'a> {
    /// # Safety
    ///
    /// `raw` is what `mmap` of a file was called with, for the call whose life is `'a`.
    pub(crate) unsafe fn new(raw: *mut sys::vm_area_struct) -> Self {
        Self {
            raw,
            _of_the_call: PhantomData,
        }
    }

    /// How many pages it has.
    #[doc(alias = "vma_pages")]
    pub fn pages(&self) -> usize {
        // SAFETY: the shim reads fields of the area, which C does not change while it calls `mmap`,
        // with the `mmap_lock` held for writing.
        unsafe { sys::linux_driver_vma_pages(self.raw) as usize }
    }

    /// The offset that user space asked for, in pages: `vm_pgoff`.
    #[doc(alias = "vm_pgoff")]
    pub fn page_offset(&self) -> usize {
        // SAFETY: as in `pages`.
        unsafe { sys::linux_driver_vma_pgoff(self.raw) as usize }
    }

    /// Whether user space may write, now. Where it may not, `mprotect` can let it later, if the
    /// file was opened for writing and what is shown is not [read only](Self::iomap_readonly).
    #[doc(alias = "VM_WRITE")]
    pub fn is_writable(&self) -> bool {
        self.flags() & sys::LINUX_DRIVER_VM_WRITE != 0
    }

    fn flags(&self) -> u64 {
        // SAFETY: as in `pages`.
        unsafe { sys::linux_driver_vma_flags(self.raw) }
    }

    /// Shows a BAR, from the page that user space asked for on, without caching: as C's
    /// `vm_iomap_memory` with `pgprot_noncached`. Nor can it be executed later (`VM_MAYEXEC`).
    ///
    /// [`EINVAL`] if the area reaches beyond the BAR, if the BAR is not made of whole pages (its
    /// neighbours would be seen), or for a private mapping; [`EPERM`] for one that is executable;
    /// [`ENODEV`](crate::error::code::ENODEV) if the BAR is of another binding. Context: any.
    #[doc(alias = "vm_iomap_memory")]
    pub fn iomap<const SIZE: usize>(
        &mut self,
        dev: &impl AsRef<Device<Bound>>,
        bar: &pci::Bar<SIZE>,
    ) -> Result<Mapping<'a>> {
        let (start, length) = bar.physical(dev.as_ref())?;
        let pages = whole_pages(start, length).ok_or(EINVAL)?;
        self.check(pages)?;
        // INVARIANT: `check` says that all of the area lies in the BAR, which is the binding's.
        Ok(Mapping {
            pfn: start >> PAGE_SHIFT,
            writable: true,
            _of_the_call: PhantomData,
        })
    }

    /// As [`iomap`](Self::iomap), to be read only, now and later: `mprotect` does not make the area
    /// writable (C drivers clear `VM_MAYWRITE`). [`EPERM`] if it is writable already, too.
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

    /// That the area can show something of so many pages.
    fn check(&self, pages: u64) -> Result {
        let flags = self.flags();
        // Without this flag the mapping is private: writing to it would make copies. (`VM_SHARED`
        // is off, too, in a shared mapping of a file that was opened for reading.)
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

    /// Makes it an area of what `mapping` says, filled by faults.
    ///
    /// # Safety
    ///
    /// `ops.fault` puts pages in only while the binding is that the area was made in, and whoever
    /// ends the binding takes the pages away before.
    pub(crate) unsafe fn set(self, mapping: &Mapping<'a>, ops: &'static sys::vm_operations_struct) {
        // SAFETY: `vm_flags` and `vm_ops` may be written by the `mmap` operation of the area's
        // file, which has the `mmap_lock` for writing and an area that is not linked yet
        // (`mmap_region`): this is called in it. `VM_PFNMAP` asks for pages that only
        // `vmf_insert_pfn` puts in, as the caller promises of `ops`, and for an area that is not
        // private and writable (`is_cow_mapping`, which `vmf_insert_pfn` takes for a bug): it is
        // shared, as `check` found.
        unsafe {
            sys::linux_driver_vma_set_pfnmap(self.raw, ops, mapping.pfn, true, mapping.writable)
        };
    }
}

/// `PAGE_SHIFT` of the architectures that there are bindings for.
const PAGE_SHIFT: u32 = 12;
const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

/// How many pages memory has that is made of whole ones.
fn whole_pages(start: u64, length: u64) -> Option<u64> {
    (start | length)
        .is_multiple_of(PAGE_SIZE)
        .then_some(length / PAGE_SIZE)
}

/// Whether `pages` from `offset` on lie among `all`.
fn in_range(offset: u64, pages: u64, all: u64) -> bool {
    all.checked_sub(offset).is_some_and(|room| pages <= room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_reaches_to_the_end_and_no_further() {
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
    fn neighbours_are_not_shown() {
        assert_eq!(whole_pages(0xfea0_0000, 0x2000), Some(2));
        assert_eq!(whole_pages(0xfea0_0100, 0x1000), None);
        assert_eq!(whole_pages(0xfea0_0000, 0x100), None);
    }
}
