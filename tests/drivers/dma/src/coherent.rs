// SPDX-License-Identifier: GPL-2.0-only
//! Coherent memory.

use core::pin::Pin;

use linux_driver::dma::{self, Field};
use linux_driver::pci;
use linux_driver::prelude::*;

use crate::{Descriptor, Dma, error};

const OWNER: Field<Descriptor, u8> = dma::field!(Descriptor, owner);
const LENGTH: Field<Descriptor, u32> = dma::field!(Descriptor, length);

/// Returns a descriptor whose contents depend on the number.
fn descriptor(number: u32) -> Descriptor {
    Descriptor {
        address: u64::from(number).wrapping_mul(0x0123_4567_89ab_cdef),
        length: number,
        flags: 0x5aa5,
        owner: number as u8,
        tag: 0xff,
    }
}

pub(crate) fn try_out(dev: &pci::Device<Bound>, this: &Pin<&mut Dma>) -> Result {
    let (ring, bytes) = (&this.ring, &this.bytes);
    for (index, number) in (0..ring.len()).zip(0u32..) {
        ring.write(index, descriptor(number))?;
    }
    this.edu.take(dev, ring.dma_handle(), ring.size() as u64)?;
    this.edu
        .give(dev, bytes.dma_handle(), bytes.size() as u64)?;
    // The device has copied the bytes of the ring to other memory. Each byte is compared.
    let mut same = bytes.size() == ring.size();
    let mut piece = [0u8; 16];
    for (index, number) in (0..ring.len()).zip(0u32..) {
        bytes.copy_to_slice(index.wrapping_mul(16), &mut piece)?;
        same &= linux_driver::bytes::IntoBytes::as_bytes(&descriptor(number)) == piece;
    }
    // The device then copies them back to the ring, except those that are changed here.
    ring.write(7, descriptor(0))?;
    bytes.copy_from_slice(16, b"another one here")?;
    this.edu
        .take(dev, bytes.dma_handle(), bytes.size() as u64)?;
    this.edu.give(dev, ring.dma_handle(), ring.size() as u64)?;
    same &= ring.read(7)? == descriptor(7) && ring.read(1)?.length == u32::from_le_bytes(*b"one ");
    same &= ring.read(127)? == descriptor(127);
    let low = [
        ring.dma_handle(),
        bytes.dma_handle(),
        ring.dma_handle_of(127)?,
    ]
    .iter()
    .all(|handle| *handle < 1 << 28);
    dev_info!(
        dev,
        "coherent: within 28 bits: {}, to the device and back: {}",
        low,
        same
    );

    let mut two = [descriptor(0); 2];
    dev_info!(
        dev,
        "coherent: past the end: {}, {}, {} and {}",
        error(ring.read(128)),
        error(ring.write(usize::MAX, two[0])),
        error(ring.copy_to_slice(127, &mut two)),
        error(ring.dma_handle_of(128)),
    );

    ring.write_field(9, OWNER, 0x77)?;
    ring.write_field(9, LENGTH, 0x0102_0304)?;
    let expected = Descriptor {
        owner: 0x77,
        length: 0x0102_0304,
        ..descriptor(9)
    };
    let alone = ring.read(9)? == expected
        && ring.read_field(9, OWNER)? == 0x77
        && ring.read(10)? == descriptor(10);
    dev_info!(dev, "coherent: a field by itself: {}", alone);
    Ok(())
}
