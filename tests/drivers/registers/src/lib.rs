// SPDX-License-Identifier: GPL-2.0-only
//! Reads and writes registers in every possible way.
#![no_std]
#![forbid(unsafe_code)]

mod each;

use linux_driver::io::{Mmio, Register};
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;
use linux_driver::register;

/// The number of bytes of BAR 0 that are used.
const LENGTH: usize = 0x100;

/// The number of ports that a BAR of ports would have.
const PORTS: usize = 0x10;

register! {
    /// Identification.
    Id: u32 @ 0x00, ro {
        major: 31:24,
        minor: 23:16,
        magic: 15:0,
    }
    /// Reads as the complement of the value that was written last.
    Liveness: u32 @ 0x04, rw {}
    /// The start address of a DMA transfer.
    DmaSource: u64 @ 0x80, rw {
        all: 63:0,
    }
    /// A value for tests of fields. It is not a register of edu.
    Fields: u8 @ 0x20, rw {
        number: 6:3,
        on: 7,
        low: 2:0,
    }
}

struct Registers;

#[vtable]
impl pci::Driver for Registers {
    type IdInfo = ();
    const NAME: &'static CStr = c"registers";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let bar = dev.iomap_region(0)?;
            try_out(dev, bar.access(dev)?)?;
            each::all(bar.access(dev)?);
            match dev.request_region(0) {
                Ok(ports) => each::all_ports(ports.access(dev)?),
                Err(error) => dev_info!(dev, "memory as ports: {}", error),
            }
            Ok(Registers)
        })
    }
}

fn try_out(dev: &pci::Device<Bound>, registers: &Mmio<LENGTH>) -> Result {
    let id = registers.read::<Id>();
    registers.write(Liveness::from_bits(0x1234_abcd));
    let alive = registers.read::<Liveness>().bits() == !0x1234_abcd && id.magic() == 0xed;
    dev_info!(dev, "edu {}.{}, alive: {}", id.major(), id.minor(), alive);

    registers.write_relaxed(Liveness::from_bits(7));
    let alive = registers.read_relaxed::<Liveness>().bits() == !7;
    dev_info!(
        dev,
        "relaxed: {:#x}, alive: {}",
        registers.read_relaxed::<Id>().bits(),
        alive
    );

    registers.write(DmaSource::ZERO.with_all::<0x1234_5678_9abc_def0>());
    let first = registers.read::<DmaSource>().all();
    registers.write_relaxed(DmaSource::from_bits(0x0fed_cba9_8765_4321));
    dev_info!(
        dev,
        "64 bits: {:#x}, relaxed: {:#x}",
        first,
        registers.read_relaxed::<DmaSource>().all()
    );

    // The register reads as the complement of the last value. Writing the complement of that again
    // leaves what is read unchanged.
    registers.update(|liveness: Liveness| Liveness::from_bits(!liveness.bits()));
    if registers.read::<Liveness>().bits() != !7 {
        return Err(EIO);
    }
    let past = registers.try_readl(registers.len()).err();
    dev_info!(
        dev,
        "by offset: {:#x}, past the end: {}",
        registers.try_readl(0)?,
        past.unwrap_or(EALREADY)
    );

    let fields = Fields::ZERO
        .with_on(true)
        .with_number::<0>()
        .try_with_low(5)?;
    let refused = fields.try_with_number(16).err().unwrap_or(EALREADY);
    let number = Fields::from_bits(0xaf).number();
    dev_info!(
        dev,
        "fields: {}, then {:#x}, refused: {}",
        number,
        fields.bits(),
        refused
    );

    let mut copy = [0; 4];
    registers.memcpy_fromio(&mut copy, 0)?;
    let past = registers
        .memcpy_fromio(&mut copy, registers.len() - 3)
        .err();
    let after = registers.memcpy_toio(usize::MAX, &copy).err();
    dev_info!(
        dev,
        "copied: {:#x}, past the end: {} and {}",
        u32::from_le_bytes(copy),
        past.unwrap_or(EALREADY),
        after.unwrap_or(EALREADY),
    );
    Ok(())
}

linux_driver::module_pci_driver! {
    type: Registers,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Reads and writes registers in each way",
}
