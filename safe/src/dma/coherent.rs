// SPDX-License-Identifier: GPL-2.0-only
//! Memory that the CPU and a device see alike at any time.
//!
//! C header: `include/linux/dma-mapping.h`; `kernel/dma/mapping.c`.

use core::marker::PhantomPinned;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_init_from_closure};

use super::field::{Field, Word};
use super::{DmaAddr, words};
use crate::alloc::{__GFP_NOWARN, __GFP_ZERO, Flags};
use crate::bytes::{FromBytes, IntoBytes};
use crate::device::{Bound, Device};
use crate::error::{Error, Result, code::EINVAL, code::ENOMEM};
use crate::place::Counted;

/// `DMA_ATTR_NO_WARN` of `include/linux/dma-mapping.h`: no message if it fails.
const DMA_ATTR_NO_WARN: core::ffi::c_ulong = sys::DMA_ATTR_NO_WARN as core::ffi::c_ulong;

/// Coherent memory of a device's, for one `T` or several: C's `dma_alloc_coherent` when it is made,
/// `dma_free_coherent` when it is dropped.
///
/// It stands in the data of the device's driver, where it stays; nowhere else is it made
/// ([`EINVAL`]).
///
/// # Invariants
///
/// `cpu` and `handle` are of one allocation for `device`, of `count` times `T`, aligned to a page,
/// which is this value's and holds values of `T`. This value lies in the data of the driver that is
/// bound to `device`. The memory is accessed by words of one instruction alone.
#[doc(alias = "dma_alloc_coherent")]
#[doc(alias = "dma_free_coherent")]
#[doc(alias = "dma_alloc_attrs")]
#[doc(alias = "dma_free_attrs")]
pub struct Coherent<T> {
    cpu: NonNull<T>,
    count: usize,
    handle: DmaAddr,
    device: NonNull<sys::device>,
    _pin: PhantomPinned,
    _counted: Counted,
}

// SAFETY: it owns plain memory of a `T: Send`; `dma_free_attrs` demands a context with interrupts
// on and no particular thread.
unsafe impl<T: Send> Send for Coherent<T> {}
// SAFETY: accesses are words of one instruction, which do not race.
unsafe impl<T: Send> Sync for Coherent<T> {}

impl<T: FromBytes + IntoBytes + 'static> Coherent<T> {
    /// Memory for one `T`, zeroed. Else as [`zeroed_slice`](Self::zeroed_slice).
    pub fn zeroed(device: &impl AsRef<Device<Bound>>, flags: Flags) -> impl PinInit<Self, Error> {
        Self::zeroed_slice(device, 1, flags)
    }

    /// Memory for `count` times `T`, zeroed.
    ///
    /// `ENOMEM` if there is none that the device can reach; [`EINVAL`] outside of the data of the
    /// device's driver, for no bytes at all, and for a `T` that is aligned to more than a page.
    /// Context: as `flags` say. It is freed where one may sleep.
    pub fn zeroed_slice(
        device: &impl AsRef<Device<Bound>>,
        count: usize,
        flags: Flags,
    ) -> impl PinInit<Self, Error> {
        const {
            assert!(
                align_of::<T>() <= 4096,
                "coherent memory is aligned to a page, not to more"
            )
        };
        let init = move |slot: *mut Self| {
            let device = device.as_ref();
            let size = size_of::<T>().checked_mul(count).ok_or(ENOMEM)?;
            if size == 0 {
                return Err(EINVAL);
            }
            if size > isize::MAX.cast_unsigned() {
                return Err(ENOMEM);
            }
            let place = device.place(slot)?;
            let mut handle: DmaAddr = 0;
            // As C's dma_alloc_coherent() does.
            let attrs = if flags.contains(__GFP_NOWARN) {
                DMA_ATTR_NO_WARN
            } else {
                0
            };
            let flags = (flags | __GFP_ZERO).raw();
            // SAFETY: `dma_alloc_attrs` demands a device that stays until the memory is freed, and
            // a context that the flags allow (`core-api/dma-api.rst`): the device is bound, and
            // this value goes before it is unbound; the caller promises the context. The handle is
            // a place that can be written.
            let cpu = unsafe {
                sys::dma_alloc_attrs(device.as_raw(), size, &raw mut handle, flags, attrs)
            };
            let cpu = NonNull::new(cpu.cast::<T>()).ok_or(ENOMEM)?;
            // SAFETY: a device is there, so its address is not null.
            let device = unsafe { NonNull::new_unchecked(device.as_raw()) };
            let value = Self {
                cpu,
                count,
                handle,
                device,
                _pin: PhantomPinned,
                _counted: place.count(),
            };
            // INVARIANT: allocated above, zeroed, which is a value of a `FromBytes`.
            // SAFETY: the slot is valid for writes, as an initialiser's is.
            unsafe { slot.write(value) };
            Ok(())
        };
        // SAFETY: on `Ok` the value is written; on `Err` nothing is that would have to be dropped.
        unsafe { pin_init_from_closure(init) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none: never, since none are not allocated.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes they have.
    pub fn size(&self) -> usize {
        // It was checked when they were allocated.
        size_of::<T>().wrapping_mul(self.count)
    }

    /// Where the device finds the first one.
    pub fn dma_handle(&self) -> DmaAddr {
        self.handle
    }

    /// Where the device finds the one of this number; [`EINVAL`] if there is none.
    pub fn dma_handle_of(&self, index: usize) -> Result<DmaAddr> {
        self.at(index, 1)?;
        // Within the allocation, whose last address the device can reach.
        Ok(self
            .handle
            .wrapping_add(size_of::<T>().wrapping_mul(index) as DmaAddr))
    }

    /// The address of `count` of them from `index` on.
    #[inline]
    pub(super) fn at(&self, index: usize, count: usize) -> Result<*mut T> {
        if self
            .count
            .checked_sub(index)
            .is_some_and(|room| count <= room)
        {
            Ok(self.cpu.as_ptr().wrapping_add(index))
        } else {
            Err(EINVAL)
        }
    }

    /// Reads one; [`EINVAL`] if there is none of this number. It may be read in several words.
    #[inline]
    pub fn read(&self, index: usize) -> Result<T> {
        let from = self.at(index, 1)?;
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the memory holds a `T` there, by the invariant; the value is apart from it.
        unsafe { words::copy_out(from.cast(), value.as_mut_ptr().cast(), size_of::<T>()) };
        // SAFETY: all its bytes were written, and any bytes are a value of a `FromBytes`.
        Ok(unsafe { value.assume_init() })
    }

    /// Writes one; [`EINVAL`] if there is none of this number. It may be written in several words.
    #[inline]
    pub fn write(&self, index: usize, value: T) -> Result {
        let to = self.at(index, 1)?;
        // SAFETY: the memory has room for a `T` there; all bytes of an `IntoBytes` are initialised.
        unsafe { words::copy_in(to.cast(), (&raw const value).cast(), size_of::<T>()) };
        Ok(())
    }

    /// Reads a field, by one instruction; [`EINVAL`] if there is none of this number.
    #[inline]
    pub fn read_field<W: Word>(&self, index: usize, field: Field<T, W>) -> Result<W> {
        let address = self.at(index, 1)?.wrapping_byte_add(field.offset());
        // SAFETY: by the field's invariant a `W` is there, aligned.
        Ok(unsafe { W::load(address.cast()) })
    }

    /// Writes a field, by one instruction; [`EINVAL`] if there is none of this number.
    #[inline]
    pub fn write_field<W: Word>(&self, index: usize, field: Field<T, W>, value: W) -> Result {
        let address = self.at(index, 1)?.wrapping_byte_add(field.offset());
        // SAFETY: by the field's invariant a `W` is there, aligned.
        unsafe { W::store(address.cast(), value) };
        Ok(())
    }

    /// Copies from `index` on to `to`; [`EINVAL`] if there are not so many.
    pub fn copy_to_slice(&self, index: usize, to: &mut [T]) -> Result {
        let from = self.at(index, to.len())?;
        // SAFETY: so many are there, by the check; any bytes are a value of a `FromBytes`; the
        // slice is apart from the memory.
        unsafe { words::copy_out(from.cast(), to.as_mut_ptr().cast(), size_of_val(to)) };
        Ok(())
    }

    /// Copies `from` to `index` and on; [`EINVAL`] if there are not so many.
    pub fn copy_from_slice(&self, index: usize, from: &[T]) -> Result {
        let to = self.at(index, from.len())?;
        // SAFETY: there is room for so many, by the check; all bytes of an `IntoBytes` are
        // initialised.
        unsafe { words::copy_in(to.cast(), from.as_ptr().cast(), size_of_val(from)) };
        Ok(())
    }
}

impl<T> Drop for Coherent<T> {
    // Once for a module: the data that it lies in is dropped where `probe` fails, at each of its
    // steps, and in `remove`.
    #[inline(never)]
    fn drop(&mut self) {
        let size = size_of::<T>().wrapping_mul(self.count);
        // SAFETY: `dma_free_attrs` demands the device, size, addresses and attributes that
        // `dma_alloc_attrs` was given or returned, and interrupts that are on
        // (`core-api/dma-api.rst`). By the invariant they are this value's; it lies in the data of
        // a driver, which is dropped where one may sleep, before the device is unbound.
        unsafe {
            sys::dma_free_attrs(
                self.device.as_ptr(),
                size,
                self.cpu.as_ptr().cast(),
                self.handle,
                0,
            )
        };
    }
}
