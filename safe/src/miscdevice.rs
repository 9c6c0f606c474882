// SPDX-License-Identifier: GPL-2.0-only
//! Miscellaneous character devices: `struct miscdevice` and its `struct file_operations`.
//!
//! C headers: `include/linux/miscdevice.h`, `include/linux/fs.h`; `drivers/char/misc.c`,
//! `fs/char_dev.c`.
//!
//! | here | C |
//! |---|---|
//! | [`Operations`] | `struct file_operations` |
//! | [`Operations::File`] | the data to which `file.private_data` points |
//! | [`Registration`] | `struct miscdevice`, `misc_register`, `misc_deregister` |
//! | [`Call`] | the `struct file` of an operation, and the device, which stays bound |
//!
//! # Open files outlive the binding
//!
//! User space may keep a file open for any time, and may pass it on. The driver may be unbound
//! meanwhile. When it is unbound:
//!
//! - no new operation begins: each one fails with [`ENODEV`], `poll` returns `EPOLLHUP | EPOLLERR`,
//!   and an access to a mapping raises SIGBUS;
//! - an operation that sleeps in a wait of its [`Call`] is woken, and the wait returns [`ENODEV`];
//! - unbinding waits until all operations have returned;
//! - the mappings are removed from the processes that have them;
//! - only then the data of the operations is dropped, and the resources of the device are released.
//!
//! The state of an open file is dropped when the file is finally closed, whether the device is
//! still bound or not. The module stays loaded until then: unloading it fails (`EWOULDBLOCK`), as
//! with a C driver. If a driver is bound to the device again, that is a new misc device. Files that
//! were open before continue to fail.
//!
//! Unbinding also waits for an operation that waits in another way: for something else, or in a
//! page fault that user space serves (FUSE, userfaultfd). As in C, the device is not taken away
//! from it. (A task that is killed leaves such a fault.)
//!
//! # Order
//!
//! The data of the operations is part of the registration, which is part of the driver's data.
//! Therefore it exists before the device can be opened, and it is dropped after the last operation
//! has returned.
//!
//! # Examples
//!
//! ```no_run
//! use linux_driver::device::Device;
//! use linux_driver::fs;
//! use linux_driver::ioctl::{self, _IOWR};
//! use linux_driver::miscdevice::{self, Call};
//! use linux_driver::prelude::*;
//! use linux_driver::sync::atomic::{AtomicU32, Ordering};
//!
//! /// A device that adds the numbers that it is given.
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
//! /// Called in `probe`, for a field `#[pin] misc: miscdevice::Registration<Adder>` of its data.
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
