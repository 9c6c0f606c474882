// SPDX-License-Identifier: GPL-2.0-only
//! Makes a device file: a number that is written to it comes back as its factorial.
#![no_std]
#![forbid(unsafe_code)]

// ANCHOR: head
use linux_driver::device::Device;
use linux_driver::io::read_poll_timeout;
use linux_driver::miscdevice::{self, Call};
use linux_driver::new_mutex;
use linux_driver::pci::{self, Bar};
use linux_driver::prelude::*;
use linux_driver::sync::Mutex;
use linux_driver::uaccess::{Reader, Writer};

const FACTORIAL: usize = 0x08;
/// Bit 0 of the status register: the device computes.
const STATUS: usize = 0x20;
const STATUS_COMPUTING: u32 = 1 << 0;
const LENGTH: usize = 0x24;
// ANCHOR_END: head

// ANCHOR: data
/// The data of the file operations.
#[pin_data]
struct Factorial {
    bar: Bar<LENGTH>,
    /// The last result. It is held while the device computes: one computation at a time.
    #[pin]
    last: Mutex<u32>,
}
// ANCHOR_END: data

// ANCHOR: compute
impl Factorial {
    /// Has the device compute `n!`.
    fn compute(&self, dev: &Device<Bound>, n: u32) -> Result<u32> {
        let registers = self.bar.access(dev)?;
        registers.writel::<FACTORIAL>(n);
        let status = || registers.readl::<STATUS>();
        read_poll_timeout(
            status,
            |status| status & STATUS_COMPUTING == 0,
            1000,
            2_000_000,
        )?;
        Ok(registers.readl::<FACTORIAL>())
    }
}
// ANCHOR_END: compute

// ANCHOR: operations
#[vtable]
impl miscdevice::Operations for Factorial {
    type File = ();

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn write(
        this: Pin<&Self>,
        call: &Call<'_>,
        _file: Pin<&()>,
        from: &mut Reader<'_>,
        _offset: &mut i64,
    ) -> Result<usize> {
        let mut text = [0; 16];
        let length = from.read_up_to(&mut text)?;
        let text = str::from_utf8(&text[..length]).map_err(|_| EINVAL)?;
        let n = text.trim().parse().map_err(|_| EINVAL)?;
        // 13! does not fit into 32 bits.
        if n > 12 {
            return Err(EINVAL);
        }
        let mut last = this.last.lock();
        *last = this.compute(call.dev(), n)?;
        Ok(length)
    }

    fn read(
        this: Pin<&Self>,
        _call: &Call<'_>,
        _file: Pin<&()>,
        to: &mut Writer<'_>,
        offset: &mut i64,
    ) -> Result<usize> {
        let mut text = *b"          \n";
        let mut rest = *this.last.lock();
        for digit in text[..10].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let start = usize::try_from(*offset).map_err(|_| EINVAL)?;
        let count = to.write_up_to(text.get(start..).unwrap_or(&[]))?;
        *offset += count as i64;
        Ok(count)
    }
}
// ANCHOR_END: operations

// ANCHOR: driver
/// The data of a bound device.
#[pin_data]
struct Edu {
    #[pin]
    misc: miscdevice::Registration<Factorial>,
}

#[vtable]
impl pci::Driver for Edu {
    type IdInfo = ();
    const NAME: &'static CStr = c"edu_file";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![pci::DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            let bar = dev.iomap_region(0)?;
            let factorial = try_pin_init!(Factorial { bar, last <- new_mutex!(0) });
            Ok(try_pin_init!(Self {
                misc <- miscdevice::Registration::new(dev, c"edu-file", factorial),
            }))
        })
    }
}
// ANCHOR_END: driver

linux_driver::module_pci_driver! {
    type: Edu,
    license: "GPL",
    author: "A. Author",
    description: "Computes factorials with QEMU's edu device",
}
