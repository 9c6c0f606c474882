// SPDX-License-Identifier: GPL-2.0-only
//! The gate between the operations of open files and the end of the binding.
//!
//! An open file lives as long as user space wants. Its operations use the device, which goes when the driver is unbound. So each
//! operation passes the gate, which counts who is inside; closing it lets nobody in any more, wakes those who sleep inside, and
//! waits until all are out.
//!
//! That is one count for each device, as kernfs has one for each file of sysfs. A single SRCU domain for all would make the
//! removal of one device wait for what is asleep in another: debugfs began so, and came to count by file instead. A sleeping
//! lock, held by readers while they sleep in the driver, would make every further operation wait as soon as somebody wants to
//! close.

use core::sync::atomic::{AtomicUsize, Ordering};

use pinned_init::{PinInit, pin_data, pin_init};

use crate::wait::WaitQueue;

/// The bit that says that the gate is closed. Below it are counted those who are inside: less than there are threads, times the
/// calls that one thread can be in at once (a fault while it copies), and so never as many.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// It is memory and nothing more: it can be used after its owner was dropped, for as long as its memory stays.
#[pin_data]
pub(crate) struct Gate {
    state: AtomicUsize,
    /// Those who wait inside, each on a queue of the driver's and on this one; who polls a file; and who closes.
    #[pin]
    queue: WaitQueue,
}

impl Gate {
    /// An open gate with nobody inside.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state: AtomicUsize::new(0),
            queue <- crate::new_wait_queue!("miscdevice_gate"),
        })
    }

    /// Goes in, unless the gate is closed.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Pass<'_>> {
        // A closed gate is not written to: else those who try would keep the one that closes from ever seeing it empty.
        if self.is_closed() {
            return None;
        }
        let pass = Pass(self);
        // What is done inside comes after this, and what was done by who made the device before.
        (self.state.fetch_add(1, Ordering::Acquire) & CLOSED == 0).then_some(pass)
    }

    /// Whether it is closed. Who is inside is to come to an end then.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// What is woken when the gate is closed.
    pub(crate) fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// Lets nobody in any more, wakes who waits inside, and returns when all are out. Context: may sleep.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::Relaxed);
        // Who is about to sleep has put itself into the queue before it looked whether the gate is closed.
        self.queue.wake_up_all();
        // What those inside did comes before what comes after this.
        self.queue.wait_event(|| self.state.load(Ordering::Acquire) == CLOSED);
    }
}

/// Somebody inside.
pub(crate) struct Pass<'a>(&'a Gate);

impl<'a> Pass<'a> {
    pub(crate) fn gate(&self) -> &'a Gate {
        self.0
    }
}

impl Drop for Pass<'_> {
    #[inline]
    fn drop(&mut self) {
        // What was done inside comes before this.
        if self.0.state.fetch_sub(1, Ordering::Release) == CLOSED + 1 {
            last_out(self.0);
        }
    }
}

#[cold]
fn last_out(gate: &Gate) {
    gate.queue.wake_up_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gate whose queue is never used.
    fn state(state: usize) -> core::mem::MaybeUninit<Gate> {
        let mut gate = core::mem::MaybeUninit::<Gate>::zeroed();
        // SAFETY: the memory is the gate's; all-zero is a queue that C has not touched, and an integer.
        unsafe { (*gate.as_mut_ptr()).state = AtomicUsize::new(state) };
        gate
    }

    #[test]
    fn a_gate_counts_who_is_inside_and_turns_away_when_closed() {
        let gate = state(0);
        // SAFETY: initialised above.
        let gate = unsafe { gate.assume_init_ref() };
        let (first, second) = (gate.enter().unwrap(), gate.enter().unwrap());
        assert_eq!(gate.state.load(Ordering::Relaxed), 2);
        gate.state.fetch_or(CLOSED, Ordering::Relaxed);
        assert!(gate.is_closed() && gate.enter().is_none());
        drop(first);
        // The last would wake the one that closes, by a function of the kernel's.
        core::mem::forget(second);
        assert_eq!(gate.state.load(Ordering::Relaxed), CLOSED + 1);
    }
}
