// SPDX-License-Identifier: GPL-2.0-only
//! A misc device with every operation, for each of the `edu` devices. It is a pipe with room for
//! some bytes, and it maps the registers.
//!
//! The guest's command `misc` calls all operations. The command `misc-held` holds files open while
//! the driver is unbound.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::bytes::{FromBytes, IntoBytes};
use linux_driver::device;
use linux_driver::ioctl::{self, _IO, _IOR, _IOW, _IOWR};
use linux_driver::jiffies::Jiffies;
use linux_driver::miscdevice::{self, Call, Name};
use linux_driver::mm::{Mapping, VmArea};
use linux_driver::pci::{self, Bar, DeviceId};
use linux_driver::poll::{EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM, Events, Table};
use linux_driver::prelude::*;
use linux_driver::sync::atomic::{AtomicU32, Ordering};
use linux_driver::sync::{Arc, Mutex};
use linux_driver::uaccess::{Reader, Writer};
use linux_driver::wait::WaitQueue;
use linux_driver::workqueue::{self, DelayedWork, DelayedWorkItem};
use linux_driver::{new_delayed_work, new_mutex, new_wait_queue};

/// Returns the value of the device's register 0.
const MISC_ID: u32 = _IOR::<u32>(b'M', 0);
/// Adds two numbers.
const MISC_ADD: u32 = _IOWR::<Sum>(b'M', 1);
/// Sleeps until a signal or the end of the device: nobody ever wakes it.
const MISC_SLEEP: u32 = _IO(b'M', 2);
/// Takes a string of up to 15 bytes, and returns its length.
const MISC_TEXT: u32 = _IOW::<[u8; 16]>(b'M', 3);
/// Returns the number of bytes that this file has written.
const MISC_WRITTEN: u32 = _IO(b'M', 4);
/// Takes values of 1, 2, 4, 8 and 3 bytes, none of them aligned, and returns them in reverse order.
const MISC_TURN: u32 = _IOWR::<[u8; 18]>(b'M', 5);

#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Sum {
    a: u32,
    b: u32,
    sum: u64,
}

/// The number of bytes that a device stores.
const ROOM: u32 = 64;

/// The bytes that were written and not read yet.
struct Pipe {
    bytes: [u8; ROOM as usize],
    length: usize,
}

/// The data of the operations.
#[pin_data(PinnedDrop)]
struct Shared {
    number: u32,
    bar: Arc<Bar<0x100>>,
    #[pin]
    pipe: Mutex<Pipe>,
    /// The number of stored bytes. Wait conditions use it, because they must not sleep.
    length: AtomicU32,
    #[pin]
    changed: WaitQueue,
    files: AtomicU32,
}

/// The state of an open file.
struct Opened {
    device: u32,
    number: u32,
    written: AtomicU32,
}

impl Drop for Opened {
    fn drop(&mut self) {
        pr_info!("misc_test{}: file {} dropped", self.device, self.number);
    }
}

#[pinned_drop]
impl PinnedDrop for Shared {
    fn drop(self: Pin<&mut Self>) {
        pr_info!("misc_test{}: dropped", self.number);
    }
}

#[vtable]
impl miscdevice::Operations for Shared {
    type File = Opened;
    const MODE: u16 = 0o640;

    fn open(this: Pin<&Self>, call: &Call<'_>) -> impl PinInit<Opened, Error> {
        pin_init_scope(move || {
            // O_NOCTTY: refused, to test an `open` that fails.
            if call.file().flags() & 0o400 != 0 {
                return Err(EBUSY);
            }
            let number = this.files.fetch_add(1, Ordering::Relaxed);
            Ok(Opened {
                device: this.number,
                number,
                written: AtomicU32::new(0),
            })
        })
    }

    fn release(this: Pin<&Self>, call: &Call<'_>, file: Pin<&Opened>) {
        dev_info!(
            call.dev(),
            "misc_test{}: file {} released",
            this.number,
            file.number
        );
    }

    fn read(
        this: Pin<&Self>,
        call: &Call<'_>,
        _file: Pin<&Opened>,
        to: &mut Writer<'_>,
        _offset: &mut i64,
    ) -> Result<usize> {
        loop {
            let mut pipe = this.pipe.lock();
            if pipe.length > 0 {
                let count = pipe.length.min(to.len());
                to.write_slice(pipe.bytes.get(..count).ok_or(EIO)?)?;
                pipe.bytes.copy_within(count.., 0);
                pipe.length -= count;
                this.length.store(pipe.length as u32, Ordering::Release);
                drop(pipe);
                this.changed.wake_up_interruptible();
                return Ok(count);
            }
            drop(pipe);
            if call.file().is_nonblocking() {
                return Err(EAGAIN);
            }
            call.wait_event_interruptible(&this.changed, || {
                this.length.load(Ordering::Acquire) > 0
            })?;
        }
    }

    fn write(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Opened>,
        from: &mut Reader<'_>,
        _offset: &mut i64,
    ) -> Result<usize> {
        loop {
            let mut pipe = this.pipe.lock();
            let start = pipe.length;
            if start < pipe.bytes.len() || from.is_empty() {
                let count = from.read_up_to(pipe.bytes.get_mut(start..).ok_or(EIO)?)?;
                pipe.length += count;
                this.length.store(pipe.length as u32, Ordering::Release);
                drop(pipe);
                file.written.fetch_add(count as u32, Ordering::Relaxed);
                this.changed.wake_up_interruptible();
                return Ok(count);
            }
            drop(pipe);
            if call.file().is_nonblocking() {
                return Err(EAGAIN);
            }
            call.wait_event_interruptible(&this.changed, || {
                this.length.load(Ordering::Acquire) < ROOM
            })?;
        }
    }

    fn ioctl(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Opened>,
        cmd: u32,
        argument: ioctl::Argument<'_>,
    ) -> Result<u32> {
        match cmd {
            MISC_ID => {
                let id = this.bar.access(call)?.readl::<0>();
                argument.write(&id)?;
                Ok(0)
            }
            MISC_ADD => {
                let (mut sum, mut answer): (Sum, _) = argument.read_write()?;
                sum.sum = u64::from(sum.a) + u64::from(sum.b);
                answer.write(&sum)?;
                Ok(0)
            }
            MISC_SLEEP => {
                call.wait_event_interruptible(&this.changed, || false)?;
                Ok(0)
            }
            MISC_TEXT => {
                let mut text = [0; 16];
                let text = argument
                    .slice(text.len())
                    .reader()
                    .read_c_str(&mut text)?
                    .count_bytes();
                Ok(text as u32)
            }
            MISC_TURN => {
                let (mut from, mut to) = argument.slice(18).reader_writer();
                let byte: u8 = from.read()?;
                let (two, four, eight): (u16, u32, u64) =
                    (from.read()?, from.read()?, from.read()?);
                let three: [u8; 3] = from.read()?;
                if !from.is_empty() {
                    return Err(EIO);
                }
                to.write(&three)?;
                to.write(&eight)?;
                to.write(&four)?;
                to.write(&two)?;
                to.write(&byte)?;
                Ok(to.len() as u32)
            }
            MISC_WRITTEN => Ok(file.written.load(Ordering::Relaxed)),
            _ => Err(ENOTTY),
        }
    }

    fn poll(
        this: Pin<&Self>,
        _call: &Call<'_>,
        _file: Pin<&Opened>,
        table: &mut Table<'_>,
    ) -> Result<Events> {
        table.wait(&this.changed)?;
        let length = this.length.load(Ordering::Acquire);
        let mut events = Events::NONE;
        if length > 0 {
            events |= EPOLLIN | EPOLLRDNORM;
        }
        if length < ROOM {
            events |= EPOLLOUT | EPOLLWRNORM;
        }
        Ok(events)
    }

    fn mmap<'a>(
        this: Pin<&Self>,
        call: &Call<'_>,
        _file: Pin<&Opened>,
        area: &mut VmArea<'a>,
    ) -> Result<Mapping<'a>> {
        // The third page is mapped read-only.
        if area.page_offset() == 2 {
            return area.iomap_readonly(call, &this.bar);
        }
        area.iomap(call, &this.bar)
    }
}

/// The numbers that are in use, one bit each.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// A number that is reserved for one device until it is dropped.
struct Number(u32);

impl Number {
    fn new() -> Result<Self> {
        (0..32)
            .find(|number| NUMBERS.fetch_or(1 << number, Ordering::Relaxed) & 1 << number == 0)
            .map(Self)
            .ok_or(EBUSY)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        NUMBERS.fetch_and(!(1 << self.0), Ordering::Relaxed);
    }
}

/// A work item that reads from the device repeatedly, until the device is removed.
struct Ticks {
    bar: Arc<Bar<0x100>>,
    number: u32,
    ran: AtomicU32,
}

impl DelayedWorkItem for Ticks {
    fn run(work: &DelayedWork<Self>, dev: &device::Device<Bound>) {
        // The value does not matter, because a device that was pulled out returns anything. The
        // access to the BAR must succeed.
        let Ok(registers) = work.bar.access(dev) else {
            dev_err!(dev, "work of a device that is not bound");
            return;
        };
        let _ = registers.readl::<0>();
        work.ran.fetch_add(1, Ordering::Relaxed);
        work.queue(Jiffies::new(1));
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        let ran = self.ran.load(Ordering::Relaxed) > 0;
        pr_info!("misc_test{}: work dropped, it ran: {}", self.number, ran);
    }
}

#[pin_data]
struct Misc {
    #[pin]
    ticks: DelayedWork<Ticks>,
    #[pin]
    misc: miscdevice::Registration<Shared>,
    number: Number,
}

#[vtable]
impl pci::Driver for Misc {
    type IdInfo = ();
    const NAME: &'static CStr = c"misc";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let number = Number::new()?;
            let bar = Arc::new(dev.iomap_region(0)?, GFP_KERNEL)?;
            let of = number.0;
            let bound: &device::Device<Bound> = dev.as_ref();
            let ticks = Ticks {
                bar: bar.clone(),
                number: of,
                ran: AtomicU32::new(0),
            };
            let ticks = new_delayed_work!(bound, ticks, on: workqueue::system_unbound()).pin_chain(
                |work| {
                    work.queue(Jiffies::new(0));
                    Ok(())
                },
            );
            Ok(try_pin_init!(Self {
                ticks <- ticks,
                misc <- miscdevice::Registration::new(bound, Name::numbered(c"misc_test", of), shared(of, bar)),
                number,
            }))
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(
            dev,
            "misc_test{}: remove, files opened: {}",
            this.number.0,
            this.misc.files.load(Ordering::Relaxed)
        );
    }
}

fn shared(number: u32, bar: Arc<Bar<0x100>>) -> impl PinInit<Shared, Error> {
    try_pin_init!(Shared {
        number,
        bar,
        pipe <- new_mutex!(Pipe { bytes: [0; ROOM as usize], length: 0 }),
        length: AtomicU32::new(0),
        changed <- new_wait_queue!(),
        files: AtomicU32::new(0),
    })
}

linux_driver::module_pci_driver! {
    type: Misc,
    license: "GPL",
    author: "The linux-driver developers",
    description: "A misc device with every operation",
}
