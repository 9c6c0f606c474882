// SPDX-License-Identifier: GPL-2.0-only
//! The operations of the device.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::completion::Completion;
use linux_driver::device::Device;
use linux_driver::dma::Coherent;
use linux_driver::io::Mmio;
use linux_driver::irq::{self, IrqReturn};
use linux_driver::jiffies::Jiffies;
use linux_driver::pci::{self, Bar};
use linux_driver::prelude::*;
use linux_driver::sync::Mutex;
use linux_driver::{irq::Line, new_mutex};

use crate::regs;

/// The time in which the device must finish an operation.
const TIMEOUT_MS: u32 = 2000;

/// The registers of a device.
type Registers = Mmio<{ regs::LENGTH }>;

/// The data of the interrupt handler.
#[pin_data]
pub(crate) struct Interrupt {
    bar: Bar<{ regs::LENGTH }>,
    #[pin]
    done: Completion,
}

impl irq::Handler for Interrupt {
    fn handle(self: Pin<&Self>, dev: &Device<Bound>) -> IrqReturn {
        let Ok(registers) = self.bar.access(dev) else {
            return IrqReturn::None;
        };
        let status = registers.readl::<{ regs::INTERRUPT_STATUS }>();
        // If all bits are ones, the device is gone.
        if status == 0 || status == u32::MAX {
            return IrqReturn::None;
        }
        registers.writel::<{ regs::INTERRUPT_ACK }>(status);
        if status & regs::INTERRUPT_KNOWN != 0 {
            self.done.complete();
        }
        IrqReturn::Handled
    }
}

/// The device, as its file's operations use it.
#[pin_data]
pub(crate) struct Edu {
    #[pin]
    irq: irq::Registration<Interrupt>,
    #[pin]
    pub(crate) buffer: Coherent<u8>,
    /// Held during one computation or transfer. It protects the contents of the buffer.
    #[pin]
    pub(crate) lock: Mutex<()>,
    /// Set if the device timed out. After that, nobody waits for its results.
    lost: AtomicBool,
    pub(crate) runs: AtomicU32,
}

impl Edu {
    pub(crate) fn new<'a>(
        dev: &'a pci::Device<Core>,
        line: Line,
        bar: Bar<{ regs::LENGTH }>,
    ) -> impl PinInit<Self, Error> + 'a {
        let interrupt = try_pin_init!(Interrupt { bar, done <- Completion::new() });
        try_pin_init!(Self {
            buffer <- Coherent::zeroed_slice(dev, regs::MEMORY_LENGTH, GFP_KERNEL),
            irq <- irq::Registration::new(dev, line, irq::Flags::NONE, c"edu", interrupt),
            lock <- new_mutex!(()),
            lost: AtomicBool::new(false),
            runs: AtomicU32::new(0),
        })
        .pin_chain(move |this| {
            let result = this.factorial(dev.as_ref(), 10)?;
            say!(dev, "factorial({}) = {}", 10, result);
            Ok(())
        })
    }

    fn registers<'a>(&'a self, dev: &'a impl AsRef<Device<Bound>>) -> Result<&'a Registers> {
        self.irq.bar.access(dev)
    }

    /// Prepares to start an operation that ends with an interrupt.
    fn begin(&self) -> Result {
        if self.lost.load(Ordering::Relaxed) {
            return Err(EIO);
        }
        self.irq.done.reinit();
        Ok(())
    }

    /// Waits until the operation has ended. A signal does not interrupt the wait: the device would
    /// go on, and write to memory that has been freed.
    #[inline(never)]
    fn wait(&self) -> Result {
        let timeout = Jiffies::from_msecs(TIMEOUT_MS);
        if let Err(error) = self.irq.done.wait_for_completion_timeout(timeout) {
            self.lost.store(true, Ordering::Relaxed);
            return Err(error);
        }
        Ok(())
    }

    /// Stops the device's writes to memory, so that the buffer can be freed. Afterwards, no
    /// operation runs, none can start, and bus mastering is off.
    pub(crate) fn stop(&self, dev: &pci::Device<Core>) {
        let _lock = self.lock.lock();
        self.lost.store(true, Ordering::Relaxed);
        dev.clear_master();
    }

    /// Returns the device's identification register.
    pub(crate) fn id(&self, dev: &impl AsRef<Device<Bound>>) -> Result<u32> {
        Ok(self.registers(dev)?.readl::<{ regs::ID }>())
    }

    /// Makes the device compute `n!`. The result fits for `n` up to [`regs::FACTORIAL_MAX`].
    #[inline(never)]
    pub(crate) fn factorial(&self, dev: &Device<Bound>, n: u32) -> Result<u32> {
        let registers = self.registers(dev)?;
        let _lock = self.lock.lock();
        self.begin()?;
        registers.writel::<{ regs::STATUS }>(regs::STATUS_RAISE);
        registers.writel::<{ regs::FACTORIAL }>(n);
        self.wait()?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(registers.readl::<{ regs::FACTORIAL }>())
    }

    /// Makes the device raise an interrupt, and waits for it.
    pub(crate) fn interrupt(&self, dev: &Device<Bound>) -> Result {
        let registers = self.registers(dev)?;
        let _lock = self.lock.lock();
        self.begin()?;
        registers.writel::<{ regs::INTERRUPT_RAISE }>(1);
        self.wait()
    }

    /// Makes the device copy `count` bytes from its memory at `offset` to the buffer. The caller
    /// must hold the lock.
    pub(crate) fn fetch(&self, dev: &Device<Bound>, offset: usize, count: usize) -> Result {
        let from = regs::MEMORY | offset as u64;
        self.transfer(
            dev,
            from,
            self.buffer.dma_handle(),
            count,
            regs::DMA_FROM_DEVICE,
        )
    }

    /// Makes the device copy `count` bytes from the buffer to its memory at `offset`. The caller
    /// must hold the lock.
    pub(crate) fn store(&self, dev: &Device<Bound>, offset: usize, count: usize) -> Result {
        let to = regs::MEMORY | offset as u64;
        self.transfer(dev, self.buffer.dma_handle(), to, count, 0)
    }

    #[inline(never)]
    fn transfer(
        &self,
        dev: &Device<Bound>,
        source: u64,
        destination: u64,
        count: usize,
        direction: u32,
    ) -> Result {
        let registers = self.registers(dev)?;
        self.begin()?;
        registers.writeq::<{ regs::DMA_SOURCE }>(source);
        registers.writeq::<{ regs::DMA_DESTINATION }>(destination);
        registers.writeq::<{ regs::DMA_COUNT }>(count as u64);
        registers.writel::<{ regs::DMA_COMMAND }>(regs::DMA_RUN | regs::DMA_INTERRUPT | direction);
        self.wait()
    }
}

pub(crate) fn identify(dev: &pci::Device<Bound>, registers: &Registers) -> Result {
    let id = registers.readl::<{ regs::ID }>();
    if id & 0xffff != 0x00ed {
        dev_err!(dev, "not an edu device: its identification is {:#010x}", id);
        return Err(ENODEV);
    }
    say!(dev, "edu device, version {}.{}", id >> 24, id >> 16 & 0xff);
    Ok(())
}

pub(crate) fn check_alive(dev: &pci::Device<Bound>, registers: &Registers) -> Result {
    const PATTERN: u32 = 0x1234_abcd;
    registers.writel::<{ regs::LIVENESS }>(PATTERN);
    let answer = registers.readl::<{ regs::LIVENESS }>();
    if answer != !PATTERN {
        dev_err!(dev, "the device is not alive: it answers {:#010x}", answer);
        return Err(EIO);
    }
    Ok(())
}
