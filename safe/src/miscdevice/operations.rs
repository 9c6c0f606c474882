// SPDX-License-Identifier: GPL-2.0-only
//! What a driver writes: the callbacks of `struct file_operations`.
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

/// The operations of a misc device's files: C's `struct file_operations`. What a driver does not
/// write is NULL in the table, and the kernel does what it does without.
///
/// The implementor is what the operations work on; it lies in the
/// [`Registration`](super::Registration). All are called on the thread of who makes the system
/// call, may sleep, and hold no lock but where it is said. Several run at the same time, on one
/// file too.
///
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
/// /// What the files work on: a number, who waits for the next one, and the registers that can be mapped.
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
///     /// What this file has read last.
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
///     fn read(this: Pin<&Self>, _call: &Call<'_>, file: Pin<&AtomicU32>, to: &mut Writer<'_>, _: &mut i64) -> Result<usize> {
///         let last = this.last.load(Ordering::Acquire);
///         file.store(last, Ordering::Relaxed);
///         to.write(&last)?;
///         Ok(size_of::<u32>())
///     }
///
///     fn write(this: Pin<&Self>, _call: &Call<'_>, _: Pin<&AtomicU32>, from: &mut Reader<'_>, _: &mut i64) -> Result<usize> {
///         this.last.store(from.read()?, Ordering::Release);
///         this.changed.wake_up();
///         Ok(size_of::<u32>())
///     }
///
///     fn ioctl(this: Pin<&Self>, _: &Call<'_>, _: Pin<&AtomicU32>, cmd: u32, argument: ioctl::Argument<'_>) -> Result<u32> {
///         match cmd {
///             LAST => argument.write(&this.last.load(Ordering::Acquire)).map(|()| 0),
///             _ => Err(ENOTTY),
///         }
///     }
///
///     fn poll(this: Pin<&Self>, _: &Call<'_>, file: Pin<&AtomicU32>, table: &mut poll::Table<'_>) -> Result<poll::Events> {
///         table.wait(&this.changed)?;
///         let new = this.last.load(Ordering::Acquire) != file.load(Ordering::Relaxed);
///         Ok(if new { EPOLLIN | EPOLLOUT } else { EPOLLOUT })
///     }
///
///     fn mmap<'a>(this: Pin<&Self>, call: &Call<'_>, _: Pin<&AtomicU32>, area: &mut VmArea<'a>) -> Result<Mapping<'a>> {
///         area.iomap(call, &this.bar)
///     }
/// }
/// # fn main() {}
/// ```
#[vtable]
#[doc(alias = "file_operations")]
pub trait Operations: Send + Sync + Sized + 'static {
    /// The state of one open file. It is dropped, once, when the file is closed at last, whether
    /// the device is bound then or not. One of no size takes no memory.
    type File: Send + Sync + 'static;

    /// The mode of the node in `/dev` (`miscdevice.mode`); 0 is the kernel's default, 0600. It does
    /// not compile with other bits than those of 0o7777: they would be the file's type.
    #[doc(alias = "miscdevice.mode")]
    const MODE: u16 = 0;

    /// A process opens the device: makes the state of the file. An error makes `open` fail with it.
    ///
    /// Context: may sleep, but shortly: all of the kernel's misc devices wait with it (`misc_mtx`).
    /// To make a device fails here with `EDEADLK`, and one whose registration is dropped here
    /// stays. To wait here for another thread that makes or removes a device may be to wait for
    /// ever.
    #[doc(alias = "file_operations.open")]
    fn open(this: Pin<&Self>, call: &Call<'_>) -> impl PinInit<Self::File, Error>;

    /// The file was closed at last, while the device is bound. Its state is dropped next; that is
    /// all that happens if the device is not bound any more. Context: may sleep.
    #[doc(alias = "file_operations.release")]
    fn release(this: Pin<&Self>, call: &Call<'_>, file: Pin<&Self::File>) {
        let _ = (this, call, file);
    }

    /// `read`: writes at most as many bytes as there is room for, and returns how many are of use;
    /// 0 is the end.
    ///
    /// `offset` is the file's position, which the operation moves, or what `pread` was given. It is
    /// not negative. The file cannot be positioned by `lseek` (`ESPIPE`). Context: may sleep.
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

    /// `write`: reads what it is given, and returns how many bytes of it were taken.
    ///
    /// `offset` as in [`read`](Self::read). Context: may sleep.
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

    /// `ioctl`: does what `cmd` says, or fails with [`ENOTTY`]. What it returns on success fits an
    /// `int`; `EOVERFLOW` goes out in the place of what does not.
    ///
    /// Calls of 32-bit programs come here too, with the address of their argument: C's
    /// `compat_ptr_ioctl`. That is right where the argument has the same layout for them; else
    /// write [`compat_ioctl`](Self::compat_ioctl). Context: may sleep.
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

    /// `ioctl` of a 32-bit program, for a driver whose arguments have another layout for them.
    /// Context: may sleep.
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

    /// `poll`: names the queues that tell of changes, in `table`, and says which events there are
    /// now. It does not wait.
    ///
    /// An error is `EPOLLERR`. That the device goes is told without the driver's doing. Context:
    /// may sleep.
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

    /// `mmap`: says what the area shows.
    ///
    /// Context: may sleep; under the `mmap_lock` of the process, so that copying from or to its
    /// memory here would wait for ever (there is no way to).
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
