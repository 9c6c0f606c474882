// SPDX-License-Identifier: GPL-2.0-only
//! Streaming mappings.

use core::pin::Pin;

use linux_driver::pci;
use linux_driver::prelude::*;

use crate::{Dma, edu, error};

pub(crate) fn try_out(dev: &pci::Device<Bound>, this: &Pin<&mut Dma>) -> Result {
    let mut cpu = this.to.sync_for_cpu()?;
    for offset in 0..edu::SIZE {
        cpu.write(offset, &[(offset ^ offset >> 8) as u8])?;
    }
    dev_info!(
        dev,
        "streaming: taken twice: {}, past the end: {} and {}",
        error(this.to.sync_for_cpu()),
        error(cpu.write(edu::SIZE, &[0])),
        error(cpu.write(usize::MAX, &[0, 0])),
    );
    drop(cpu);
    this.edu.take(dev, this.to.dma_handle(), edu::SIZE as u64)?;
    this.edu
        .give(dev, this.from.dma_handle(), edu::SIZE as u64)?;
    let cpu = this.from.sync_for_cpu()?;
    let mut same = true;
    for offset in 0..edu::SIZE {
        let mut byte = [0];
        cpu.read(offset, &mut byte)?;
        same &= byte == [(offset ^ offset >> 8) as u8];
    }
    drop(cpu);

    // A buffer that CPU and device both write: the device copies the first half to the second one.
    let mut cpu = this.both.sync_for_cpu()?;
    cpu.write(0, b"what is written once is there twice, 50 bytes long")?;
    drop(cpu);
    this.edu.take(dev, this.both.dma_handle(), 50)?;
    this.edu
        .give(dev, this.both.dma_handle().wrapping_add(50), 50)?;
    let cpu = this.both.sync_for_cpu()?;
    let mut all = [0; 100];
    cpu.read(0, &mut all)?;
    let twice =
        all == *b"what is written once is there twice, 50 bytes longwhat is written once is there twice, 50 bytes long";
    dev_info!(
        dev,
        "streaming: to the device and back: {}, in place: {}",
        same,
        twice
    );
    Ok(())
}
