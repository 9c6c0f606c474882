// SPDX-License-Identifier: GPL-2.0-only
//! Memory that is mapped for a device, and is the CPU's in between.
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

/// Which way data goes: `enum dma_data_direction`.
#[doc(alias = "dma_data_direction")]
pub trait Direction: sealed::Sealed + 'static {}

/// What the CPU may read of: the device may have written it.
pub trait Readable: Direction {}

/// What the CPU may write to: the device may read it.
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
    /// Both: `DMA_BIDIRECTIONAL`.
    #[doc(alias = "DMA_BIDIRECTIONAL")]
    Bidirectional = DMA_BIDIRECTIONAL: Readable, Writable;
}

/// Bytes that are mapped for a device: C's `dma_map_single` when it is made, `dma_unmap_single`
/// when it is dropped.
///
/// It owns the memory, whole cache lines (`ARCH_DMA_MINALIGN`), which is the device's but for the
/// time between [`sync_for_cpu`](Self::sync_for_cpu) and when what that returns is dropped. It
/// stands in the data of the device's driver, where it stays; nowhere else is it made ([`EINVAL`]).
///
/// # Invariants
///
/// `memory` is `length` bytes of `kmalloc`, this value's own, mapped as `handle` for `device`. This
/// value lies in the data of the driver that is bound to `device`.
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
// SAFETY: a shared one gives its bytes to one at a time, by an atomic flag.
unsafe impl<D: Direction> Sync for Streaming<D> {}

impl<D: Direction> Streaming<D> {
    /// Maps `length` bytes, zeroed.
    ///
    /// `ENOMEM` if there is no memory, or none of the bus's to map it (`dma_mapping_error`);
    /// [`EINVAL`] outside of the data of the device's driver, and for no bytes. Context: as `flags`
    /// say.
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
            // What kmalloc() gives for a power of two is aligned to it: no cache line is shared
            // with others.
            let size = length
                .max(DMA_MINALIGN)
                .checked_next_power_of_two()
                .ok_or(ENOMEM)?;
            // SAFETY: any size and any flags may be asked for.
            let memory = unsafe { sys::linux_driver_kmalloc(size, (flags | __GFP_ZERO).raw()) };
            let memory = NonNull::new(memory.cast::<u8>()).ok_or(ENOMEM)?;
            let mut handle: DmaAddr = 0;
            // SAFETY: `dma_map_single` demands memory that is contiguous for the device, and
            // neither on the stack nor of `vmalloc`, and that the CPU leaves alone until it is
            // synced or unmapped (`core-api/dma-api.rst`): it is of `kmalloc`, at least so long,
            // and is reached through `Synced` alone. The device is bound, and this value goes
            // before it is unbound.
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
                // SAFETY: `kfree` asks for the address that `kmalloc` returned, once: it was
                // allocated above. Since `dma_map_single` failed no device has it.
                unsafe { sys::kfree(memory.as_ptr().cast()) };
                return Err(error);
            }
            // SAFETY: a device is there, so its address is not null.
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
        // SAFETY: on `Ok` the value is written; on `Err` nothing is that would have to be dropped.
        unsafe { pin_init_from_closure(init) }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none: never, since none are not mapped.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Where the device finds the bytes.
    pub fn dma_handle(&self) -> DmaAddr {
        self.handle
    }

    /// Takes the memory from the device: C's `dma_sync_single_for_cpu`. The device does not use it
    /// until what this returns is dropped, which is for the driver to see to: it has told the
    /// device so, or the device has said that it is done.
    ///
    /// Context: any.
    ///
    /// ```no_run
    /// use linux_driver::dma::{FromDevice, Streaming};
    /// use linux_driver::error::Result;
    ///
    /// /// What the device has received: it has interrupted to say so.
    /// fn received(packet: &Streaming<FromDevice>, to: &mut [u8]) -> Result {
    ///     packet.sync_for_cpu()?.read(0, to)
    ///     // The device's again.
    /// }
    /// ```
    #[doc(alias = "dma_sync_single_for_cpu")]
    #[doc(alias = "dma_sync_single_for_device")]
    pub fn sync_for_cpu(&self) -> Result<Cpu<'_, D>> {
        // What the last one who had it did with it comes before.
        if self.with_cpu.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        // SAFETY: `dma_sync_single_for_cpu` demands the address, size and direction of the mapping:
        // by the invariant they are. The device is bound.
        unsafe {
            sys::linux_driver_dma_sync_single_for_cpu(
                self.device.as_ptr(),
                self.handle,
                self.length,
                D::RAW,
            )
        };
        // INVARIANT: nobody else has it, by the flag.
        Ok(Cpu(self))
    }
}

impl<D: Direction> Drop for Streaming<D> {
    fn drop(&mut self) {
        // SAFETY: `dma_unmap_page_attrs` demands the address, size, direction and attributes of the
        // mapping, once: by the invariant they are this value's, which is dropped once. The device
        // is still bound: what lies in the data of its driver is dropped before.
        unsafe {
            sys::dma_unmap_page_attrs(self.device.as_ptr(), self.handle, self.length, D::RAW, 0)
        };
        // SAFETY: `kfree` demands memory of `kmalloc` that nobody uses: it is this value's, and was
        // unmapped above, after which no device may.
        unsafe { sys::kfree(self.memory.as_ptr().cast()) };
    }
}

/// The memory of a [`Streaming`] while it is the CPU's. It is the device's again when this is
/// dropped: C's `dma_sync_single_for_device`.
///
/// # Invariants
///
/// The flag of the [`Streaming`] is set for this value: there is no other.
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

    /// Copies what the device has written from `offset` on. [`EINVAL`] if it is not so long.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result
    where
        D: Readable,
    {
        let from = self.at(offset, to.len())?;
        // SAFETY: so many bytes are there, by the check. Words of one instruction: a device that
        // does not keep to what it was told is no data race.
        unsafe { words::copy_out(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies to `offset` and on what the device is to read. [`EINVAL`] if there is not so much
    /// room.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result
    where
        D: Writable,
    {
        let to = self.at(offset, from.len())?;
        // SAFETY: there is room for so many bytes, by the check; nobody else has the memory.
        unsafe { words::copy_in(to, from.as_ptr(), from.len()) };
        Ok(())
    }
}

impl<D: Direction> Drop for Cpu<'_, D> {
    fn drop(&mut self) {
        // SAFETY: `dma_sync_single_for_device` demands the address, size and direction of the
        // mapping, and that the CPU is done with it: by the invariant they are, and this is the end
        // of the one value that reached the bytes.
        unsafe {
            sys::linux_driver_dma_sync_single_for_device(
                self.0.device.as_ptr(),
                self.0.handle,
                self.0.length,
                D::RAW,
            )
        };
        // The next one who has it sees what was done with it.
        self.0.with_cpu.store(false, Ordering::Release);
    }
}
