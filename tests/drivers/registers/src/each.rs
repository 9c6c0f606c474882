// SPDX-License-Identifier: GPL-2.0-only
//! A function for each accessor, like those in C in tests/c-drivers/registers-c.
//! kbuild/tests/mmio.rs compares their instructions.

use linux_driver::io::{Mmio, Ports, Register};
use linux_driver::register;

use crate::{LENGTH, PORTS};

register! {
    /// A register at an offset of its own, because the compiler merges equal functions.
    Declared: u64 @ 0x80, rw {}
}

macro_rules! each {
    ($($read:ident, $write:ident, $type:ty;)*) => { $(
        #[inline(never)]
        fn $read(registers: &Mmio<LENGTH>) -> $type {
            registers.$read::<0x88>()
        }

        #[inline(never)]
        fn $write(registers: &Mmio<LENGTH>, value: $type) {
            registers.$write::<0x88>(value);
        }
    )* };
}

each! {
    readb, writeb, u8;
    readw, writew, u16;
    readl, writel, u32;
    readq, writeq, u64;
    readb_relaxed, writeb_relaxed, u8;
    readw_relaxed, writew_relaxed, u16;
    readl_relaxed, writel_relaxed, u32;
    readq_relaxed, writeq_relaxed, u64;
}

macro_rules! each_port {
    ($($read:ident, $write:ident, $type:ty;)*) => { $(
        #[inline(never)]
        fn $read(ports: &Ports<PORTS>) -> $type {
            ports.$read::<0x8>()
        }

        #[inline(never)]
        fn $write(ports: &Ports<PORTS>, value: $type) {
            ports.$write::<0x8>(value);
        }
    )* };
}

each_port! {
    inb, outb, u8;
    inw, outw, u16;
    inl, outl, u32;
}

#[inline(never)]
fn declared_read(registers: &Mmio<LENGTH>) -> u64 {
    registers.read::<Declared>().bits()
}

#[inline(never)]
fn declared_write(registers: &Mmio<LENGTH>, value: u64) {
    registers.write(Declared::from_bits(value));
}

/// Calls each function, so that the compiler keeps it. edu ignores accesses that it does not
/// support.
pub(crate) fn all(registers: &Mmio<LENGTH>) {
    writeb(registers, readb(registers));
    writew(registers, readw(registers));
    writel(registers, readl(registers));
    writeq(registers, readq(registers));
    writeb_relaxed(registers, readb_relaxed(registers));
    writew_relaxed(registers, readw_relaxed(registers));
    writel_relaxed(registers, readl_relaxed(registers));
    writeq_relaxed(registers, readq_relaxed(registers));
    declared_write(registers, declared_read(registers));
}

/// Calls each accessor of ports, so that the compiler keeps it. edu has no ports, so nobody calls
/// this.
pub(crate) fn all_ports(ports: &Ports<PORTS>) {
    outb(ports, inb(ports));
    outw(ports, inw(ports));
    outl(ports, inl(ports));
}
