// SPDX-License-Identifier: GPL-2.0-only
//! Memory that devices read and write.
//!
//! C headers: `include/linux/dma-mapping.h`, `include/linux/dma-direction.h`;
//! `kernel/dma/mapping.c`; `Documentation/core-api/dma-api.rst`.
//!
//! | here | C |
//! |---|---|
//! | [`set_mask_and_coherent`], [`DmaMask`] | `dma_set_mask_and_coherent`, `DMA_BIT_MASK` |
//! | [`Coherent`] | `dma_alloc_coherent`; dropping it calls `dma_free_coherent` |
//! | [`Streaming`] | `dma_map_single`; dropping it calls `dma_unmap_single` |
//! | [`Streaming::sync_for_cpu`], [`Cpu`] | `dma_sync_single_for_cpu`, `dma_sync_single_for_device` |
//! | [`wmb`], [`rmb`] | `dma_wmb`, `dma_rmb` |
//!
//! There are no Rust references to memory that a device may write. The CPU reads and writes it in
//! words, each with one instruction, so there is no data race with the device or with another CPU.
//! A value larger than a word may be seen half written, as in C; the driver must use a lock or
//! order the accesses. The element types are those for which all bit patterns are valid
//! ([`FromBytes`](crate::bytes::FromBytes), [`IntoBytes`](crate::bytes::IntoBytes)).
//!
//! Both kinds of memory are part of the data of the device's driver. The bus's `remove` frees them
//! while the device is still bound, after the driver's own `remove` has told the device to stop.
//!
//! # Examples
//!
//! ```
//! # #![forbid(unsafe_code)]
//! use linux_driver::alloc::GFP_KERNEL;
//! use linux_driver::dma::{self, Coherent, DmaAddr, DmaMask, Field, ToDevice};
//! use linux_driver::pci::{self, Bar};
//! use linux_driver::prelude::*;
//! use linux_driver::bytes::{FromBytes, IntoBytes};
//!
//! /// A command, as the device reads it.
//! #[derive(FromBytes, IntoBytes)]
//! #[repr(C)]
//! struct Command {
//!     address: u64,
//!     length: u32,
//!     owner: u32,
//! }
//!
//! const OWNER: Field<Command, u32> = dma::field!(Command, owner);
//!
//! #[pin_data]
//! struct Nic {
//!     #[pin]
//!     ring: Coherent<Command>,
//!     #[pin]
//!     packet: dma::Streaming<ToDevice>,
//! }
//!
//! impl Nic {
//!     fn new<'a>(dev: &'a pci::Device<Core>) -> impl PinInit<Self, Error> + 'a {
//!         pin_init_scope(move || {
//!             dma::set_mask_and_coherent(dev, DmaMask::new::<32>())?;
//!             Ok(try_pin_init!(Self {
//!                 ring <- Coherent::zeroed_slice(dev, 64, GFP_KERNEL),
//!                 packet <- dma::Streaming::zeroed(dev, 1500, GFP_KERNEL),
//!             }))
//!         })
//!     }
//!
//!     /// Gives the first command to the device, which may read it once `owner` is set. So `owner`
//!     /// is written last.
//!     fn send(&self, length: u32) -> Result<DmaAddr> {
//!         self.ring.write(0, Command { address: self.packet.dma_handle(), length, owner: 0 })?;
//!         dma::wmb();
//!         self.ring.write_field(0, OWNER, 1)?;
//!         Ok(self.ring.dma_handle())
//!     }
//! }
//! ```

mod coherent;
mod field;
mod mask;
mod streaming;
mod user;
mod words;

pub use coherent::Coherent;
pub use field::{Field, Word};
pub use mask::{DmaMask, set_mask_and_coherent};
pub use streaming::{
    Bidirectional, Cpu, Direction, FromDevice, Readable, Streaming, ToDevice, Writable,
};

#[doc(inline)]
pub use crate::__dma_field as field;

/// An address with which a device accesses memory: C's `dma_addr_t`.
#[doc(alias = "dma_addr_t")]
pub type DmaAddr = linux_driver_sys::dma_addr_t;

/// Orders writes to coherent memory: the device sees everything written before this call before it
/// sees anything written after it.
///
/// # Context
///
/// Any.
///
/// C: `dma_wmb`.
#[doc(alias = "dma_wmb")]
#[inline(always)]
pub fn wmb() {
    crate::io::arch::dma_wmb();
}

/// Orders reads of coherent memory: everything read before this call is read before anything after
/// it.
///
/// # Context
///
/// Any.
///
/// C: `dma_rmb`.
#[doc(alias = "dma_rmb")]
#[inline(always)]
pub fn rmb() {
    crate::io::arch::dma_rmb();
}
