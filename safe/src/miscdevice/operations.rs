// SPDX-License-Identifier: GPL-2.0-only
//! The callbacks that a driver writes for `struct file_operations`.
//!
//! C header: `include/linux/fs.h`.

use core::pin::Pin;

use pinned_init::PinInit;

use super::Call;
use crate::error::{Error, Result, code::EINVAL, code::ENODEV, code::ENOTTY};
use crate::ioctl;
use crate::macros::vtable;
use crate::mm::{Mapping, VmArea};
use crate::poll;
use crate::uaccess::{Reader, Writer};

/// The operations of a misc device's files: C's `struct file_operations`. An operation that a
/// driver does not write is NULL in the table. Then the kernel applies its default.
///
/// The type that implements this trait is the data of the operations. It is part of the
/// [`Registration`](super::Registration).
///
/// # Context
///
/// Each operation runs on the thread that makes the system call, and may sleep. No lock is held,
/// except where an operation's documentation names one. Several operations may run at the same
/// time, also on one file.
///
/// # Examples
/// ```
/// use linux_driver::ioctl::{self, _IOR};
/// use linux_driver::miscdevice::{self, Call};
/// use linux_driver::mm::{Mapping, VmArea};
/// use linux_driver::new_wait_queue;
/// use linux_driver::pci::Bar;
/// use linux_driver::poll::{self, EPOLLIN, EPOLLOUT};
/// use linux_driver::prelude::*;
/// use linux_driver::sync::atomic::{AtomicU32, Ordering};
/// use linux_driver::uaccess::{Reader, Writer};
/// use linux_driver::wait::WaitQueue;
///
/// const LAST: u32 = _IOR::<u32>(b'N', 0);
///
/// /// The data of the files: a number, the waiting readers, and registers that can be mapped.
/// #[pin_data]
/// struct Numbers {
///     last: AtomicU32,
///     #[pin]
///     changed: WaitQueue,
///     bar: Bar<0x1000>,
/// }
///
/// #[vtable]
/// impl miscdevice::Operations for Numbers {
/// /// The number that was last read through this file.
///     type File = AtomicU32;
///
///     fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<AtomicU32, Error> {
///         Ok(AtomicU32::new(0))
///     }
///
///     fn release(_this: Pin<&Self>, _call: &Call<'_>, file: Pin<&AtomicU32>) {
///         pr_debug!("closed at {}", file.load(Ordering::Relaxed));
///     }
///
///     fn read(
///         this: Pin<&Self>,
///         _call: &Call<'_>,
///         file: Pin<&AtomicU32>,
///         to: &mut Writer<'_>,
///         _offset: &mut i64,
///     ) -> Result<usize> {
///         let last = this.last.load(Ordering::Acquire);
///         file.store(last, Ordering::Relaxed);
///         to.write(&last)?;
///         Ok(size_of::<u32>())
///     }
///
///     fn write(
///         this: Pin<&Self>,
///         _call: &Call<'_>,
///         _file: Pin<&AtomicU32>,
///         from: &mut Reader<'_>,
///         _offset: &mut i64,
///     ) -> Result<usize> {
///         this.last.store(from.read()?, Ordering::Release);
///         this.changed.wake_up();
///         Ok(size_of::<u32>())
///     }
///
///     fn ioctl(
///         this: Pin<&Self>,
///         _call: &Call<'_>,
///         _file: Pin<&AtomicU32>,
///         cmd: u32,
///         argument: ioctl::Argument<'_>,
///     ) -> Result<u32> {
///         match cmd {
///             LAST => argument.write(&this.last.load(Ordering::Acquire)).map(|()| 0),
///             _ => Err(ENOTTY),
///         }
///     }
///
///     fn poll(
///         this: Pin<&Self>,
///         _call: &Call<'_>,
///         file: Pin<&AtomicU32>,
///         table: &mut poll::Table<'_>,
///     ) -> Result<poll::Events> {
///         table.wait(&this.changed)?;
///         let new = this.last.load(Ordering::Acquire) != file.load(Ordering::Relaxed);
///         Ok(if new { EPOLLIN | EPOLLOUT } else { EPOLLOUT })
///     }
///
///     fn mmap<'a>(
///         this: Pin<&Self>,
///         call: &Call<'_>,
///         _file: Pin<&AtomicU32>,
///         area: &mut VmArea<'a>,
///     ) -> Result<Mapping<'a>> {
///         area.iomap(call, &this.bar)
///     }
/// }
/// # fn main() {}
/// ```
#[vtable]
#[doc(alias = "file_operations")]
pub trait Operations: Send + Sync + Sized + 'static {
    /// The state of one open file. It is dropped once, when the file is finally closed, whether the
    /// device is still bound or not. A type of size 0 takes no memory.
    type File: Send + Sync + 'static;

    /// The mode of the node in `/dev` (`miscdevice.mode`). 0 means the kernel's default, which is
    /// 0600. A value with bits other than 0o7777 does not compile, because those bits are the type
    /// of the file.
    #[doc(alias = "miscdevice.mode")]
    const MODE: u16 = 0;

    /// Opens the device: returns an initialiser of the file's state.
    ///
    /// # Context
    ///
    /// May sleep, but only for a short time. `misc_mtx` is held, so all misc devices of the kernel
    /// wait. In this operation:
    ///
    /// - registering a device fails with `EDEADLK`;
    /// - a device whose registration is dropped stays registered;
    /// - waiting for another thread that registers or removes a device may never end.
    ///
    /// # Errors
    ///
    /// If the initialiser fails, the system call `open` fails with the same error.
    #[doc(alias = "file_operations.open")]
    fn open(this: Pin<&Self>, call: &Call<'_>) -> impl PinInit<Self::File, Error>;

    /// Handles the final close of a file while the device is bound. The file's state is dropped
    /// after this. If the device is no longer bound, this is not called, and only the state is
    /// dropped.
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "file_operations.release")]
    fn release(this: Pin<&Self>, call: &Call<'_>, file: Pin<&Self::File>) {
        let _ = (this, call, file);
    }

    /// Reads from the device: writes at most as many bytes to `to` as there is room for, and
    /// returns the number of valid bytes. 0 means the end of the file.
    ///
    /// `offset` is the position of the file, or for `pread` the offset that the program passed. It
    /// is not negative. The operation should advance it. The program cannot set the position:
    /// `lseek` on the file fails with `ESPIPE`.
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "file_operations.read")]
    fn read(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        to: &mut Writer<'_>,
        offset: &mut i64,
    ) -> Result<usize> {
        let _ = (this, call, file, to, offset);
        Err(EINVAL)
    }

    /// Writes to the device: reads the bytes in `from`, and returns how many of them were used.
    ///
    /// `offset` is the same as for [`read`](Self::read).
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "file_operations.write")]
    fn write(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        from: &mut Reader<'_>,
        offset: &mut i64,
    ) -> Result<usize> {
        let _ = (this, call, file, from, offset);
        Err(EINVAL)
    }

    /// Executes the command `cmd`. A return value above `i32::MAX` does not fit the `int` of the
    /// system call, which then fails with `EOVERFLOW`.
    ///
    /// Calls of 32-bit programs come here too, with `argument` as an address in the program: C's
    /// `compat_ptr_ioctl`. That is correct if the argument has the same layout in 32-bit programs.
    /// Otherwise write [`compat_ioctl`](Self::compat_ioctl).
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOTTY`] if the driver does not know `cmd`.
    #[doc(alias = "file_operations.unlocked_ioctl")]
    fn ioctl(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        cmd: u32,
        argument: ioctl::Argument<'_>,
    ) -> Result<u32> {
        let _ = (this, call, file, cmd, argument);
        Err(ENOTTY)
    }

    /// Executes the command `cmd` of a 32-bit program, for a driver whose arguments have another
    /// layout in such programs.
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "file_operations.compat_ioctl")]
    fn compat_ioctl(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        cmd: u32,
        argument: ioctl::Argument<'_>,
    ) -> Result<u32> {
        let _ = (this, call, file, cmd, argument);
        Err(ENOTTY)
    }

    /// Adds to `table` the wait queues that are woken when the events change, and returns the
    /// current events. It does not wait. When the device is unbound, user space learns that without
    /// the driver's help.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// Any error is reported as `EPOLLERR`.
    #[doc(alias = "file_operations.poll")]
    fn poll(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        table: &mut poll::Table<'_>,
    ) -> Result<poll::Events> {
        let _ = (this, call, file, table);
        Err(EINVAL)
    }

    /// Returns what the area maps.
    ///
    /// # Context
    ///
    /// May sleep. The `mmap_lock` of the process is held, so copying from or to its memory would
    /// deadlock. Nothing that this operation gets can do that.
    #[doc(alias = "file_operations.mmap")]
    fn mmap<'a>(
        this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&Self::File>,
        area: &mut VmArea<'a>,
    ) -> Result<Mapping<'a>> {
        let _ = (this, call, file, area);
        Err(ENODEV)
    }
}
