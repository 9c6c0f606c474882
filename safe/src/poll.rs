// SPDX-License-Identifier: GPL-2.0-only
//! `poll`, `select` and `epoll`: waiting for events of a file.
//!
//! C headers: `include/linux/poll.h`, `include/uapi/linux/eventpoll.h`; `fs/select.c`,
//! `fs/eventpoll.c`.
//!
//! # Examples
//!
//! ```no_run
//! use linux_driver::miscdevice::{self, Call};
//! use linux_driver::poll::{self, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM};
//! use linux_driver::prelude::*;
//! use linux_driver::sync::atomic::{AtomicU32, Ordering};
//! use linux_driver::wait::WaitQueue;
//!
//! #[pin_data]
//! struct Nic {
//! /// The number of packets that can be read.
//!     packets: AtomicU32,
//!     #[pin]
//!     came: WaitQueue,
//! }
//!
//! impl Nic {
//! /// Called by the interrupt handler. The state must change before the wake-up.
//!     fn received(&self) {
//!         self.packets.fetch_add(1, Ordering::Release);
//!         self.came.wake_up();
//!     }
//! }
//!
//! #[vtable]
//! impl miscdevice::Operations for Nic {
//!     type File = ();
//!
//!     fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
//!         Ok(())
//!     }
//!
//!     fn poll(
//!         this: Pin<&Self>,
//!         _call: &Call<'_>,
//!         _file: Pin<&()>,
//!         table: &mut poll::Table<'_>,
//!     ) -> Result<poll::Events> {
//! // Add the queue before the check, so that a packet in between causes a wake-up.
//!         table.wait(&this.came)?;
//! // Writing never has to wait.
//!         let mut events = EPOLLOUT | EPOLLWRNORM;
//!         if this.packets.load(Ordering::Acquire) != 0 {
//!             events |= EPOLLIN | EPOLLRDNORM;
//!         }
//!         Ok(events)
//!     }
//! }
//! ```

use core::ops::{BitOr, BitOrAssign};

use linux_driver_sys as sys;

use crate::device::{Bound, Device};
use crate::error::{Result, code::EINVAL};
use crate::fs::File;
use crate::wait::WaitQueue;

/// Events of a file: C's `__poll_t`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[doc(alias = "__poll_t")]
pub struct Events(sys::__poll_t);

impl Events {
    /// No events.
    pub const NONE: Self = Self(0);

    /// Returns the events as C has them.
    pub(crate) const fn raw(self) -> sys::__poll_t {
        self.0
    }
}

macro_rules! events {
    ($($name:ident = $raw:ident: $doc:literal;)*) => { $(
        #[doc = $doc]
        pub const $name: Events = Events(sys::$raw);
    )* };
}

events! {
    EPOLLIN = LINUX_DRIVER_EPOLLIN: "There is something to read.";
    EPOLLPRI = LINUX_DRIVER_EPOLLPRI: "There is something urgent to read.";
    EPOLLOUT = LINUX_DRIVER_EPOLLOUT: "There is room to write.";
    EPOLLERR = LINUX_DRIVER_EPOLLERR: "There is an error; reported whether asked for or not.";
    EPOLLHUP = LINUX_DRIVER_EPOLLHUP: "The other end is gone; reported whether asked for or not.";
    EPOLLRDNORM = LINUX_DRIVER_EPOLLRDNORM: "There is something to read; goes with [`EPOLLIN`].";
    EPOLLWRNORM = LINUX_DRIVER_EPOLLWRNORM: "There is room to write; goes with [`EPOLLOUT`].";
    EPOLLRDHUP = LINUX_DRIVER_EPOLLRDHUP: "The other end writes no more.";
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The list of wait queues to which a `poll` operation adds: C's `poll_table`. They are woken when
/// the events of the file change.
#[doc(alias = "poll_table")]
#[doc(alias = "poll_table_struct")]
pub struct Table<'a> {
    raw: *mut sys::poll_table_struct,
    file: &'a File,
    dev: &'a Device<Bound>,
    /// The memory of the file's own state: its address and size.
    state: (usize, usize),
}

impl<'a> Table<'a> {
    /// Returns the table that C knows under this pointer.
    ///
    /// # Safety
    ///
    /// `raw` must be the argument of `poll` of `file`. The memory of the driver's data of `dev`,
    /// and the memory that `state` describes, must stay as long as the file is open.
    pub(crate) unsafe fn new(
        raw: *mut sys::poll_table_struct,
        file: &'a File,
        dev: &'a Device<Bound>,
        state: (usize, usize),
    ) -> Self {
        Self {
            raw,
            file,
            dev,
            state,
        }
    }

    /// Makes the caller of `poll` check the file again when `queue` is woken: C's `poll_wait`. It
    /// does not wait.
    ///
    /// Call it before you check the state from which you derive the events. Otherwise a change in
    /// between is lost.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the queue is neither in the driver's data nor in the file's state. An entry
    /// stays in the queue until the file is closed, which may be after the device was unbound. An
    /// allocation of its own (a box, an `Arc`) could be freed before that.
    ///
    /// # Panics
    ///
    /// This function does not panic. But if a `poll` operation panics after it, the operation's
    /// task ends while C still has entries of that task in the queue:
    ///
    /// - The entries of `epoll` are in memory of their own, and stay valid.
    /// - The entries of `poll` and `select` can be on the stack of the task, which is freed with
    ///   it. The next wake-up of the queue writes there.
    ///
    /// A system call may call the `poll` operation several times. The entries of the first call are
    /// then still in the queue. Therefore, if a `poll` operation must be safe against its own bugs,
    /// it must not contain anything that can panic: no indexing, and no arithmetic that can
    /// overflow.
    #[doc(alias = "poll_wait")]
    pub fn wait(&mut self, queue: &WaitQueue) -> Result {
        let queue: *mut sys::wait_queue_head = queue.as_raw();
        let size = size_of::<sys::wait_queue_head>();
        if !is_inside(queue.addr(), size, self.state) && !self.dev.holds(queue.addr(), size) {
            return Err(EINVAL);
        }
        // SAFETY: `poll_wait` requires:
        // - the table and the file of a call of `poll`, during that call: the caller of `new`
        //   promises that;
        // - an initialised queue that stays until the poller has removed its entries: that is when
        //   the file is closed at the latest (`eventpoll_release`, before `release`; `poll` and
        //   `select` have a reference to the file). The queue is pinned in memory that stays that
        //   long, as checked above and promised by the caller of `new`. Dropping a queue leaves its
        //   memory unchanged.
        unsafe { sys::linux_driver_poll_wait(self.file.as_raw(), queue, self.raw) };
        Ok(())
    }
}

fn is_inside(address: usize, size: usize, (start, room): (usize, usize)) -> bool {
    room.checked_sub(address.wrapping_sub(start))
        .is_some_and(|room| size <= room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_values_of_user_space() {
        // The values in <poll.h>.
        assert_eq!((EPOLLIN | EPOLLOUT).raw(), 5);
        assert_eq!((EPOLLERR | EPOLLHUP).raw(), 0x18);
        let mut events = Events::NONE;
        events |= EPOLLRDNORM;
        assert_eq!(events.raw(), 0x40);
    }

    #[test]
    fn memory_outside_is_not_inside() {
        assert!(is_inside(0x1000, 8, (0x1000, 8)) && is_inside(0x1008, 8, (0x1000, 16)));
        for (address, size) in [(0xfff, 1), (0x1009, 8), (0x1010, 1), (0, usize::MAX)] {
            assert!(
                !is_inside(address, size, (0x1000, 16)),
                "{address:#x} {size}"
            );
        }
    }
}
