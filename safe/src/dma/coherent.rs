// SPDX-License-Identifier: GPL-2.0-only
//! Memory that the CPU and a device can access at the same time.
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

/// `DMA_ATTR_NO_WARN` of `include/linux/dma-mapping.h`: suppresses the message if an allocation
/// fails.
const DMA_ATTR_NO_WARN: core::ffi::c_ulong = sys::DMA_ATTR_NO_WARN as core::ffi::c_ulong;

/// Coherent memory of a device, for one `T` or several. Making it calls C's `dma_alloc_coherent`,
/// dropping it `dma_free_coherent`.
///
/// It must be a field of the data of the device's driver, and stays there. Making it anywhere else
/// fails with [`EINVAL`].
///
/// # Invariants
///
/// `cpu` and `handle` are the addresses of one allocation for `device`. The allocation has `count`
/// elements of type `T`, is aligned to a page, is owned by this value and holds values of `T`. This
/// value is in the data of the driver that is bound to `device`. The memory is accessed only in
/// words of one instruction.
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

// SAFETY: it owns plain memory of a `T: Send`. `dma_free_attrs` requires enabled interrupts, but no
// particular thread.
unsafe impl<T: Send> Send for Coherent<T> {}
// SAFETY: shared accesses are words of one instruction, so they cause no data race.
unsafe impl<T: Send> Sync for Coherent<T> {}

impl<T: FromBytes + IntoBytes + 'static> Coherent<T> {
    /// Allocates zeroed memory for one `T`. Otherwise as [`zeroed_slice`](Self::zeroed_slice).
    pub fn zeroed(device: &impl AsRef<Device<Bound>>, flags: Flags) -> impl PinInit<Self, Error> {
        Self::zeroed_slice(device, 1, flags)
    }

    /// Allocates zeroed memory for `count` elements of type `T`.
    ///
    /// A `T` with an alignment of more than a page is a compile error.
    ///
    /// # Context
    ///
    /// As `flags` say. Dropping it requires a context that may sleep.
    ///
    /// # Errors
    ///
    /// * `ENOMEM` if there is no memory that the device can reach.
    /// * [`EINVAL`] if the value is not in the data of the device's driver, or if the size is zero.
    pub fn zeroed_slice(
        device: &impl AsRef<Device<Bound>>,
        count: usize,
        flags: Flags,
    ) -> impl PinInit<Self, Error> {
        const {
            assert!(
                align_of::<T>() <= 4096,
                "coherent memory is aligned to a page: T must not need more"
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
            // As C's `dma_alloc_coherent` does.
            let attrs = if flags.contains(__GFP_NOWARN) {
                DMA_ATTR_NO_WARN
            } else {
                0
            };
            let flags = (flags | __GFP_ZERO).raw();
            // SAFETY: `dma_alloc_attrs` requires
            // - a device that exists until the memory is freed (`core-api/dma-api.rst`): the device
            //   is bound, and this value is dropped before it is unbound;
            // - a context that the flags allow: the caller promises it;
            // - a handle that may be written: it is a local variable.
            let cpu = unsafe {
                sys::dma_alloc_attrs(device.as_raw(), size, &raw mut handle, flags, attrs)
            };
            let cpu = NonNull::new(cpu.cast::<T>()).ok_or(ENOMEM)?;
            // SAFETY: the address of a device that exists is not null.
            let device = unsafe { NonNull::new_unchecked(device.as_raw()) };
            let value = Self {
                cpu,
                count,
                handle,
                device,
                _pin: PhantomPinned,
                _counted: place.count(),
            };
            // INVARIANT: allocated above and zeroed; zeroes are a valid value of a `FromBytes`.
            // SAFETY: the slot is valid for writes, as an initialiser's is.
            unsafe { slot.write(value) };
            Ok(())
        };
        // SAFETY: on `Ok` the value is initialised; on `Err` nothing in it needs to be dropped.
        unsafe { pin_init_from_closure(init) }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether there are no elements. Always false: an allocation without elements fails.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> usize {
        // Does not overflow: the size was checked when the memory was allocated.
        size_of::<T>().wrapping_mul(self.count)
    }

    /// Returns the device's address of the first element.
    pub fn dma_handle(&self) -> DmaAddr {
        self.handle
    }

    /// Returns the device's address of an element.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `index` is out of range.
    pub fn dma_handle_of(&self, index: usize) -> Result<DmaAddr> {
        self.at(index, 1)?;
        // Does not wrap: it is within the allocation, whose last address the device can reach.
        Ok(self
            .handle
            .wrapping_add(size_of::<T>().wrapping_mul(index) as DmaAddr))
    }

    /// Returns the CPU's address of `count` elements from `index` on. [`EINVAL`] if they are out of
    /// range.
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

    /// Reads an element. One that is larger than a word is read in several words, and the device
    /// may write to it in between.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `index` is out of range.
    #[inline]
    pub fn read(&self, index: usize) -> Result<T> {
        let from = self.at(index, 1)?;
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `copy_out` requires memory that may be read in words, and a separate target: by
        // the invariant the memory holds a `T`, and the value is a local variable.
        unsafe { words::copy_out(from.cast(), value.as_mut_ptr().cast(), size_of::<T>()) };
        // SAFETY: all bytes of the value were written, and all bit patterns of a `FromBytes` are
        // valid.
        Ok(unsafe { value.assume_init() })
    }

    /// Writes an element. One that is larger than a word is written in several words, and the
    /// device may read it in between.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `index` is out of range.
    #[inline]
    pub fn write(&self, index: usize, value: T) -> Result {
        let to = self.at(index, 1)?;
        // SAFETY: `copy_in` requires memory for a `T`, and initialised bytes: `at` has checked the
        // index, and all bytes of an `IntoBytes` are initialised.
        unsafe { words::copy_in(to.cast(), (&raw const value).cast(), size_of::<T>()) };
        Ok(())
    }

    /// Reads a field of an element with one instruction.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `index` is out of range.
    #[inline]
    pub fn read_field<W: Word>(&self, index: usize, field: Field<T, W>) -> Result<W> {
        let address = self.at(index, 1)?.wrapping_byte_add(field.offset());
        // SAFETY: by the field's invariant an aligned `W` is at this address.
        Ok(unsafe { W::load(address.cast()) })
    }

    /// Writes a field of an element with one instruction.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `index` is out of range.
    #[inline]
    pub fn write_field<W: Word>(&self, index: usize, field: Field<T, W>, value: W) -> Result {
        let address = self.at(index, 1)?.wrapping_byte_add(field.offset());
        // SAFETY: by the field's invariant an aligned `W` is at this address.
        unsafe { W::store(address.cast(), value) };
        Ok(())
    }

    /// Copies elements from `index` on to `to`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are fewer than `to.len()` elements from `index` on.
    pub fn copy_to_slice(&self, index: usize, to: &mut [T]) -> Result {
        let from = self.at(index, to.len())?;
        // SAFETY: `copy_out` requires that many elements, and a separate target: `at` has checked
        // the range, and no reference to the memory exists. All bit patterns of a `FromBytes` are
        // valid.
        unsafe { words::copy_out(from.cast(), to.as_mut_ptr().cast(), size_of_val(to)) };
        Ok(())
    }

    /// Copies `from` to the elements from `index` on.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are fewer than `from.len()` elements from `index` on.
    pub fn copy_from_slice(&self, index: usize, from: &[T]) -> Result {
        let to = self.at(index, from.len())?;
        // SAFETY: `copy_in` requires memory for that many elements, and initialised bytes: `at` has
        // checked the range, and all bytes of an `IntoBytes` are initialised.
        unsafe { words::copy_in(to.cast(), from.as_ptr().cast(), size_of_val(from)) };
        Ok(())
    }
}

impl<T> Drop for Coherent<T> {
    // Not inlined, so that it is in each module only once: `probe` drops the data at each step that
    // can fail, and `remove` drops it as well.
    #[inline(never)]
    fn drop(&mut self) {
        let size = size_of::<T>().wrapping_mul(self.count);
        // SAFETY: `dma_free_attrs` requires
        // - the device, the size, the addresses and the attributes that `dma_alloc_attrs` was given
        //   or returned: by the invariant they are this value's;
        // - enabled interrupts (`core-api/dma-api.rst`): a driver's data is dropped in a context
        //   that may sleep, before the device is unbound.
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
