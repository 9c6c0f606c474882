// SPDX-License-Identifier: GPL-2.0-only
//! Miscellaneous character devices: `struct miscdevice` and its `struct file_operations`.
//!
//! C headers: `include/linux/miscdevice.h`, `include/linux/fs.h`; `drivers/char/misc.c`,
//! `fs/char_dev.c`.
//!
//! | here | C |
//! |---|---|
//! | [`Operations`] | `struct file_operations` |
//! | [`Operations::File`] | what `file.private_data` points to |
//! | [`Registration`] | `struct miscdevice`, `misc_register`, `misc_deregister` |
//! | [`Call`] | the `struct file` of an operation, and the device of a driver that is bound |
//!
//! # Open files outlive the binding
//!
//! User space keeps a file open as long as it likes, and may pass it on; the driver is unbound
//! whenever the core says so. From then on:
//!
//! - no operation begins: each fails with [`ENODEV`], `poll` says `EPOLLHUP | EPOLLERR`, and
//!   touching a mapping is SIGBUS;
//! - one that sleeps in a wait of [`Call`]'s is woken, and gets [`ENODEV`]; unbinding waits until
//!   all operations have returned;
//! - what was mapped is taken away from the processes that mapped it;
//! - and only then goes what the operations work on, and what the device had.
//!
//! The state of an open file is dropped when the file is closed at last, with or without a device.
//! The module stays for as long: to unload it fails (`EWOULDBLOCK`), as with a C driver. A device
//! that is bound anew is another one: files that were open stay dead.
//!
//! An operation that waits for something else than [`Call`]'s waits, or in a fault that user space
//! serves (FUSE, userfaultfd), makes the unbinding wait: as in C, nothing takes the device from
//! under it. (A task that is killed gets out of such faults.)
//!
//! # Order
//!
//! What the operations use lies in the registration, which lies in the driver's data: it is there
//! before the device can be opened, and goes after the last operation has returned.
//!
//! ```no_run
//! use linux_driver::device::Device;
//! use linux_driver::fs;
//! use linux_driver::ioctl::{self, _IOWR};
//! use linux_driver::miscdevice::{self, Call};
//! use linux_driver::prelude::*;
//! use linux_driver::sync::atomic::{AtomicU32, Ordering};
//!
//! /// A device that adds up what it is given.
//! struct Adder {
//!     sum: AtomicU32,
//! }
//!
//! const ADD: u32 = _IOWR::<u32>(b'A', 0);
//!
//! #[vtable]
//! impl miscdevice::Operations for Adder {
//!     type File = ();
//!
//!     fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
//!         Ok(())
//!     }
//!
//!     fn ioctl(
//!         this: Pin<&Self>,
//!         _call: &Call<'_>,
//!         _file: Pin<&()>,
//!         cmd: u32,
//!         argument: ioctl::Argument<'_>,
//!     ) -> Result<u32> {
//!         match cmd {
//!             ADD => {
//!                 let (number, mut answer): (u32, _) = argument.read_write()?;
//!                 let sum = this.sum.fetch_add(number, Ordering::Relaxed).wrapping_add(number);
//!                 answer.write(&sum)?;
//!                 Ok(0)
//!             }
//!             _ => Err(ENOTTY),
//!         }
//!     }
//! }
//!
//! /// In `probe`, for a field `#[pin] misc: miscdevice::Registration<Adder>` of the driver's data.
//! fn register(dev: &Device<Bound>) -> impl PinInit<miscdevice::Registration<Adder>, Error> {
//!     miscdevice::Registration::new(dev, c"adder", Adder { sum: AtomicU32::new(0) })
//! }
//! # let _ = register;
//! ```
//!
//! [`ENODEV`]: crate::error::code::ENODEV

mod call;
mod file;
mod gate;
mod name;
mod operations;
mod registration;
mod table;

pub use call::Call;
pub use name::Name;
pub use operations::Operations;
pub use registration::Registration;
