// SPDX-License-Identifier: GPL-2.0-only
//! Memory that is mapped for a device, and that the CPU can access between transfers.
//!
//! C headers: `include/linux/dma-mapping.h`, `include/linux/dma-direction.h`;
//! `kernel/dma/mapping.c`.

use core::marker::{PhantomData, PhantomPinned};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_init_from_closure};

use super::{DmaAddr, words};
use crate::alloc::{__GFP_ZERO, Flags};
use crate::device::{Bound, Device};
use crate::error::{Error, Result, code::EBUSY, code::EINVAL, code::ENOMEM, to_result};
use crate::io::arch::DMA_MINALIGN;
use crate::place::Counted;

mod sealed {
    pub trait Sealed {
        const RAW: core::ffi::c_uint;
    }
}

/// The direction of a transfer: `enum dma_data_direction`.
#[doc(alias = "dma_data_direction")]
pub trait Direction: sealed::Sealed + 'static {}

/// A direction in which the device may write, so that the CPU may read.
pub trait Readable: Direction {}

/// A direction in which the device may read, so that the CPU may write.
pub trait Writable: Direction {}

macro_rules! directions {
    ($($(#[$doc:meta])* $name:ident = $raw:ident: $($can:ident),*;)*) => { $(
        $(#[$doc])*
        pub struct $name(());
        impl sealed::Sealed for $name {
            const RAW: core::ffi::c_uint = sys::$raw;
        }
        impl Direction for $name {}
        $(impl $can for $name {})*
    )* };
}

directions! {
    /// From memory to the device: `DMA_TO_DEVICE`.
    #[doc(alias = "DMA_TO_DEVICE")]
    ToDevice = DMA_TO_DEVICE: Writable;
    /// From the device to memory: `DMA_FROM_DEVICE`.
    #[doc(alias = "DMA_FROM_DEVICE")]
    FromDevice = DMA_FROM_DEVICE: Readable;
    /// In both directions: `DMA_BIDIRECTIONAL`.
    #[doc(alias = "DMA_BIDIRECTIONAL")]
    Bidirectional = DMA_BIDIRECTIONAL: Readable, Writable;
}

/// Bytes that are mapped for a device. Making it calls C's `dma_map_single`, dropping it
/// `dma_unmap_single`.
///
/// It owns the memory, in whole cache lines (`ARCH_DMA_MINALIGN`). The memory is the device's,
/// except between [`sync_for_cpu`](Self::sync_for_cpu) and the drop of the value which that
/// returns.
///
/// It must be a field of the data of the device's driver, and stays there. Making it anywhere else
/// fails with [`EINVAL`].
///
/// # Invariants
///
/// `memory` is an allocation of `kmalloc` of at least `length` bytes, owned by this value and
/// mapped as `handle` for `device`. This value is in the data of the driver that is bound to
/// `device`.
#[doc(alias = "dma_map_single")]
#[doc(alias = "dma_unmap_single")]
#[doc(alias = "dma_map_page_attrs")]
#[doc(alias = "dma_unmap_page_attrs")]
#[doc(alias = "dma_mapping_error")]
pub struct Streaming<D: Direction> {
    memory: NonNull<u8>,
    length: usize,
    handle: DmaAddr,
    device: NonNull<sys::device>,
    with_cpu: AtomicBool,
    _direction: PhantomData<D>,
    _pin: PhantomPinned,
    _counted: Counted,
}

// SAFETY: it owns plain memory, which may be unmapped and freed on any thread.
unsafe impl<D: Direction> Send for Streaming<D> {}
// SAFETY: a shared reference gives access to the bytes to one caller at a time, through an atomic
// flag.
unsafe impl<D: Direction> Sync for Streaming<D> {}

impl<D: Direction> Streaming<D> {
    /// Allocates and maps `length` zeroed bytes.
    ///
    /// # Context
    ///
    /// As `flags` say.
    ///
    /// # Errors
    ///
    /// * `ENOMEM` if there is no memory, or if it cannot be mapped (`dma_mapping_error`).
    /// * [`EINVAL`] if the value is not in the data of the device's driver, or if `length` is 0.
    pub fn zeroed(
        device: &impl AsRef<Device<Bound>>,
        length: usize,
        flags: Flags,
    ) -> impl PinInit<Self, Error> {
        let init = move |slot: *mut Self| {
            let device = device.as_ref();
            if length == 0 {
                return Err(EINVAL);
            }
            let place = device.place(slot)?;
            // For a power of two, `kmalloc` returns memory that is aligned to it. So the memory
            // shares no cache line with another allocation.
            let size = length
                .max(DMA_MINALIGN)
                .checked_next_power_of_two()
                .ok_or(ENOMEM)?;
            // SAFETY: `kmalloc` accepts any size and any flags.
            let memory = unsafe { sys::linux_driver_kmalloc(size, (flags | __GFP_ZERO).raw()) };
            let memory = NonNull::new(memory.cast::<u8>()).ok_or(ENOMEM)?;
            let mut handle: DmaAddr = 0;
            // SAFETY: `dma_map_single` requires
            // - memory that is contiguous for the device, neither on the stack nor from `vmalloc`
            //   (`core-api/dma-api.rst`): it is from `kmalloc`, and has at least `length` bytes;
            // - that the CPU does not access it until it is synced or unmapped: it is reached only
            //   through `Cpu`;
            // - a device that exists until it is unmapped: the device is bound, and this value is
            //   dropped before it is unbound.
            let mapped = unsafe {
                sys::linux_driver_dma_map_single(
                    device.as_raw(),
                    memory.as_ptr().cast(),
                    length,
                    D::RAW,
                    &raw mut handle,
                )
            };
            if let Err(error) = to_result(mapped) {
                // SAFETY: `kfree` requires the address that `kmalloc` returned, once: it was
                // allocated above. `dma_map_single` failed, so no device has the address.
                unsafe { sys::kfree(memory.as_ptr().cast()) };
                return Err(error);
            }
            // SAFETY: the address of a device that exists is not null.
            let device = unsafe { NonNull::new_unchecked(device.as_raw()) };
            let value = Self {
                memory,
                length,
                handle,
                device,
                with_cpu: AtomicBool::new(false),
                _direction: PhantomData,
                _pin: PhantomPinned,
                _counted: place.count(),
            };
            // INVARIANT: allocated and mapped above.
            // SAFETY: the slot is valid for writes, as an initialiser's is.
            unsafe { slot.write(value) };
            Ok(())
        };
        // SAFETY: on `Ok` the value is initialised; on `Err` nothing in it needs to be dropped.
        unsafe { pin_init_from_closure(init) }
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns whether there are no bytes. Always false: a mapping without bytes fails.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the device's address of the bytes.
    pub fn dma_handle(&self) -> DmaAddr {
        self.handle
    }

    /// Takes the memory from the device: C's `dma_sync_single_for_cpu`. The device must not use it
    /// until the returned value is dropped. The driver is responsible for that: it has told the
    /// device so, or the device has reported that it is done.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// `EBUSY` if another caller has taken the memory already.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use linux_driver::dma::{FromDevice, Streaming};
    /// use linux_driver::error::Result;
    ///
    /// /// Copies the received data, after the device's interrupt has reported it.
    /// fn received(packet: &Streaming<FromDevice>, to: &mut [u8]) -> Result {
    ///     packet.sync_for_cpu()?.read(0, to)
    ///     // The memory is the device's again.
    /// }
    /// ```
    #[doc(alias = "dma_sync_single_for_cpu")]
    #[doc(alias = "dma_sync_single_for_device")]
    pub fn sync_for_cpu(&self) -> Result<Cpu<'_, D>> {
        // The previous owner's accesses happen before this one's.
        if self.with_cpu.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        // SAFETY: `dma_sync_single_for_cpu` requires the address, the size and the direction of a
        // mapping, and a device that exists: by the invariant they are this mapping's, and the
        // device is bound.
        unsafe {
            sys::linux_driver_dma_sync_single_for_cpu(
                self.device.as_ptr(),
                self.handle,
                self.length,
                D::RAW,
            )
        };
        // INVARIANT: the flag was clear, and is set for this value.
        Ok(Cpu(self))
    }
}

impl<D: Direction> Drop for Streaming<D> {
    fn drop(&mut self) {
        // SAFETY: `dma_unmap_page_attrs` requires the address, the size, the direction and the
        // attributes of a mapping, once, and a device that exists. By the invariant they are this
        // value's, which is dropped once. The device is still bound: the data of its driver is
        // dropped before it is unbound.
        unsafe {
            sys::dma_unmap_page_attrs(self.device.as_ptr(), self.handle, self.length, D::RAW, 0)
        };
        // SAFETY: `kfree` requires memory of `kmalloc` that is not used: this value owns it, and no
        // device may use it after it was unmapped above.
        unsafe { sys::kfree(self.memory.as_ptr().cast()) };
    }
}

/// The memory of a [`Streaming`] while the CPU may access it. Dropping this value gives the memory
/// back to the device: C's `dma_sync_single_for_device`.
///
/// # Invariants
///
/// The flag of the [`Streaming`] is set for this value, so there is no other value for it.
#[must_use = "the memory is the device's again when this is dropped"]
pub struct Cpu<'a, D: Direction>(&'a Streaming<D>);

impl<D: Direction> Cpu<'_, D> {
    fn at(&self, offset: usize, length: usize) -> Result<*mut u8> {
        if self
            .0
            .length
            .checked_sub(offset)
            .is_some_and(|room| length <= room)
        {
            Ok(self.0.memory.as_ptr().wrapping_add(offset))
        } else {
            Err(EINVAL)
        }
    }

    /// Copies bytes that the device has written, from `offset` on.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are fewer than `to.len()` bytes from `offset` on.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result
    where
        D: Readable,
    {
        let from = self.at(offset, to.len())?;
        // SAFETY: `copy_out` requires that many bytes, and a separate target: `at` has checked the
        // range. It reads words of one instruction, so a device that still writes causes no data
        // race.
        unsafe { words::copy_out(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies `from` to the memory from `offset` on, for the device to read.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are fewer than `from.len()` bytes from `offset` on.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result
    where
        D: Writable,
    {
        let to = self.at(offset, from.len())?;
        // SAFETY: `copy_in` requires memory for that many bytes, and initialised ones: `at` has
        // checked the range, and no other code has access to the memory.
        unsafe { words::copy_in(to, from.as_ptr(), from.len()) };
        Ok(())
    }
}

impl<D: Direction> Drop for Cpu<'_, D> {
    fn drop(&mut self) {
        // SAFETY: `dma_sync_single_for_device` requires
        // - the address, the size and the direction of a mapping: by the invariant they are this
        //   mapping's;
        // - that the CPU no longer accesses the memory: this value was the only one that could
        //   reach the bytes, and it ends here.
        unsafe {
            sys::linux_driver_dma_sync_single_for_device(
                self.0.device.as_ptr(),
                self.0.handle,
                self.0.length,
                D::RAW,
            )
        };
        // The next owner sees everything that this one did.
        self.0.with_cpu.store(false, Ordering::Release);
    }
}
