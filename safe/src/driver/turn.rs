// SPDX-License-Identifier: GPL-2.0-only
//! Whose turn it is among the callbacks that have a device as [`Core`](crate::device::Core) or
//! [`Exclusive`](crate::device::Exclusive).
//!
//! The device's lock orders most of them. `xen-pcifront` calls the error handlers of a PCI driver
//! without that lock, from a work item (`pcifront_do_aer` in `drivers/pci/xen-pcifront.c`, 6.1 to
//! 7.3): beside `remove`, beside `suspend`, or when another driver is bound already. So each device
//! of a driver with error handlers stands in a list of this module's own from the end of `probe` to
//! the beginning of `remove`. A callback looks the device up there and takes its turn; `remove`
//! takes the device out of the list and waits for those who were let in.
//!
//! The list says what `driver_data` cannot: without the device's lock, that may be another
//! driver's.
//!
//! [`try_reset_function`](crate::pci::Device::try_reset_function) has C call handlers from
//! anywhere, under the device's lock. It takes the turn before that, and does not wait for it: a
//! handler that `xen-pcifront` called may wait for the caller.
//!
//! A callback that is called by another of the same device, on the same thread, has its turn
//! already: `suspend` may reset the device, which calls `reset_prepare`.

use core::any::TypeId;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use linux_driver_sys as sys;
use pinned_init::{pin_data, pin_init};

use super::binding::data;
use crate::alloc::{GFP_KERNEL, KBox};
use crate::error::Result;
use crate::task;
use crate::wait::WaitQueue;

/// Who has the turn, who waits for it, and whether there still is one.
struct State {
    /// The task whose turn it is; 0 if it is nobody's.
    owner: AtomicUsize,
    /// How many were let in and are not out again: those who wait for their turn, and the one who
    /// has it.
    users: AtomicU32,
    /// Nobody gets a turn any more.
    ended: AtomicBool,
}

impl State {
    const fn new() -> Self {
        Self {
            owner: AtomicUsize::new(0),
            users: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        }
    }

    /// Whether it is this task's turn. No other task can make it so, or end it.
    fn is_of(&self, task: usize) -> bool {
        self.owner.load(Ordering::Relaxed) == task
    }

    /// Counts somebody in who is to wait for a turn.
    fn count_in(&self) {
        // As many as there are threads, at most.
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the turn if it is free; `None` if it is not, `Some(false)` if there are no turns any
    /// more.
    fn take(&self, task: usize) -> Option<bool> {
        if self.ended.load(Ordering::Relaxed) {
            return Some(false);
        }
        // What the one before did comes before what this one does.
        let taken = self
            .owner
            .compare_exchange(0, task, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then_some(true)
    }

    /// Gives up the turn, if it was taken, and counts out.
    fn leave(&self, has_turn: bool) {
        if has_turn {
            self.owner.store(0, Ordering::Release);
        }
        self.users.fetch_sub(1, Ordering::Release);
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether all are out.
    fn is_empty(&self) -> bool {
        self.users.load(Ordering::Acquire) == 0
    }
}

/// A device in the list.
#[pin_data]
struct Entry {
    next: AtomicPtr<Entry>,
    dev: *mut sys::device,
    /// The type of the driver's data, and where it is.
    of: TypeId,
    data: AtomicPtr<()>,
    state: State,
    /// Those who wait for their turn, and the one that waits until all are out.
    #[pin]
    queue: WaitQueue,
}

/// The devices of this module's drivers that have error handlers. [`Listing`] guards it, and what
/// stands in it.
static DEVICES: AtomicPtr<Entry> = AtomicPtr::new(null_mut());

/// The lock of the list, held.
///
/// # Invariants
///
/// This thread has locked `linux_driver_turns`.
struct Listing(PhantomData<*mut ()>);

impl Listing {
    fn lock() -> Self {
        // SAFETY: `mutex_lock` demands a task that may sleep, and that this task does not have the
        // mutex: callbacks that have `Core` or `Exclusive` may sleep, and no code of a driver's
        // runs while a `Listing` is there.
        unsafe { sys::linux_driver_turns_lock() };
        // INVARIANT: locked above.
        Self(PhantomData)
    }

    /// The entry of a device. It stays in the list, and its memory there, as long as the list is
    /// locked.
    fn find(&self, dev: *mut sys::device) -> Option<&Entry> {
        let mut next = DEVICES.load(Ordering::Relaxed);
        // SAFETY: who takes an entry out of the list has the lock, and frees it after that.
        while let Some(entry) = unsafe { next.as_ref() } {
            if entry.dev == dev {
                return Some(entry);
            }
            next = entry.next.load(Ordering::Relaxed);
        }
        None
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        // SAFETY: `mutex_unlock` demands that the task that unlocks has locked: by the type's
        // invariant, on this thread.
        unsafe { sys::linux_driver_turns_unlock() };
    }
}

/// A turn: no other callback of this device's driver that takes one runs as long as this is there.
/// It stays on its thread.
///
/// # Invariants
///
/// `Some` is an entry into which this value was counted, on this thread, whose turn it is.
pub(crate) struct Turn(Option<NonNull<Entry>>, PhantomData<*mut ()>);

impl Turn {
    /// For a callback that has `Core`: waits for the turn, where the device has error handlers.
    ///
    /// # Safety
    ///
    /// The device's lock is held, so that an entry of this device neither comes nor goes.
    pub(crate) unsafe fn under_lock(dev: *mut sys::device) -> Self {
        if DEVICES.load(Ordering::Relaxed).is_null() {
            // Under the device's lock its own entry would be seen.
            return Self(None, PhantomData);
        }
        let let_in = Listing::lock().find(dev).map(let_in);
        // An entry cannot end under the device's lock: there is a turn.
        let_in
            .and_then(Self::wait)
            .unwrap_or(Self(None, PhantomData))
    }

    /// For an error handler, with the device's lock or without: waits for the turn, and returns the
    /// driver's data; `None` if the device is not bound to a driver with this data, or is being
    /// unbound. Context: may sleep.
    ///
    /// # Safety
    ///
    /// `dev` is the address of a device, or was. `'a` ends before the turn does.
    pub(crate) unsafe fn of_handler<'a, T: 'static>(
        dev: *mut sys::device,
    ) -> Option<(Self, Pin<&'a T>)> {
        let (let_in, data) = {
            let listing = Listing::lock();
            let entry = listing
                .find(dev)
                .filter(|entry| entry.of == TypeId::of::<T>())?;
            (let_in(entry), entry.data.load(Ordering::Relaxed))
        };
        let data: *const T = data.cast();
        let turn = Self::wait(let_in)?;
        // SAFETY: `begin` was given initialised data of this type, which is pinned, and dropped
        // after `end` has returned: that waits until this turn is over.
        let data = unsafe { &*data };
        // SAFETY: the data is pinned, by the promise of `begin`.
        Some((turn, unsafe { Pin::new_unchecked(data) }))
    }

    /// Takes the turn for a caller outside of the callbacks, or returns `None`: somebody else has
    /// it. Context: may sleep.
    ///
    /// A device that is in no list, or whose turn this task has already, needs none.
    pub(crate) fn try_take(dev: *mut sys::device) -> Option<Self> {
        let listing = Listing::lock();
        let task = task::current();
        let Some(entry) = listing.find(dev).filter(|entry| !entry.state.is_of(task)) else {
            return Some(Self(None, PhantomData));
        };
        // One that is in the list was not ended: `end` takes it out under the list's lock.
        if entry.state.take(task) != Some(true) {
            return None;
        }
        entry.state.count_in();
        // INVARIANT: counted, and taken.
        Some(Self(Some(NonNull::from(entry)), PhantomData))
    }

    /// Waits for the turn; `None` if the device is taken out of the list first.
    fn wait(entry: LetIn) -> Option<Self> {
        let Some(entry) = entry.0 else {
            // INVARIANT: nothing was counted. Who has the turn called us, and so has it until we
            // are done.
            return Some(Self(None, PhantomData));
        };
        let task = task::current();
        // SAFETY: who frees an entry waits for those who were counted in, and then for the list's
        // lock, which `leave` holds.
        let there = unsafe { entry.as_ref() };
        let mut has_turn = false;
        there.queue.wait_event(|| match there.state.take(task) {
            Some(taken) => {
                has_turn = taken;
                true
            }
            None => false,
        });
        if has_turn {
            // INVARIANT: counted by `let_in`, and taken.
            return Some(Self(Some(entry), PhantomData));
        }
        leave(entry, false);
        None
    }
}

/// Somebody who is to wait for a turn, or has it already.
///
/// # Invariants
///
/// `Some` is an entry into which this value was counted.
struct LetIn(Option<NonNull<Entry>>);

/// Lets this task in, unless it has the turn. The list is locked.
fn let_in(entry: &Entry) -> LetIn {
    if entry.state.is_of(task::current()) {
        return LetIn(None);
    }
    entry.state.count_in();
    // INVARIANT: counted above.
    LetIn(Some(NonNull::from(entry)))
}

/// Gives up a turn, or the wait for one.
fn leave(entry: NonNull<Entry>, has_turn: bool) {
    // Who waits for us frees the entry when it has had this lock.
    let _listing = Listing::lock();
    // SAFETY: this caller is counted in the entry, and not out before the line below; after that,
    // the lock keeps the entry.
    let entry = unsafe { entry.as_ref() };
    entry.state.leave(has_turn);
    entry.queue.wake_up_all();
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(entry) = self.0 {
            leave(entry, true);
        }
    }
}

/// How many calls of error handlers have begun, and how many have ended.
struct Calls {
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Calls {
    const fn new() -> Self {
        Self {
            begun: AtomicU32::new(0),
            ended: AtomicU32::new(0),
        }
    }

    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.ended.fetch_add(1, Ordering::Release);
    }

    fn were_any(&self) -> bool {
        self.begun.load(Ordering::Relaxed) != 0
    }

    /// Whether all that had begun when this was called have ended.
    fn have_ended(&self) -> bool {
        // In this order: a call that begins in between counts as one that has not ended.
        let ended = self.ended.load(Ordering::Acquire);
        self.begun.load(Ordering::Relaxed) == ended
    }
}

/// The calls of the error handlers of this module's drivers.
static CALLS: Calls = Calls::new();

/// A call of an error handler: made first in it, and dropped last.
pub(crate) struct HandlerCall(());

impl HandlerCall {
    pub(crate) fn begin() -> Self {
        CALLS.begin();
        Self(())
    }
}

impl Drop for HandlerCall {
    fn drop(&mut self) {
        CALLS.end();
    }
}

/// Waits until each error handler that was called has returned, and has left the module's code. For
/// whoever has unregistered a driver, before the module goes. Context: may sleep.
///
/// A handler that was called without the device's lock ends its turn, or finds that there is none,
/// with [`Listing`]'s mutex. That is the module's memory, which `mutex_unlock` may still use when
/// somebody else has the mutex already (`Documentation/locking/mutex-design.rst` of 6.12), and the
/// handler then returns through the module's code.
pub(crate) fn handlers_have_returned() {
    if !CALLS.were_any() {
        return;
    }
    while !CALLS.have_ended() {
        // SAFETY: `msleep` demands a task that may sleep, as whoever unregisters a driver does.
        unsafe { sys::msleep(1) };
    }
    // What is left of a handler that has counted itself out does not give up the CPU of its own
    // will.
    // SAFETY: `synchronize_rcu_tasks` demands a task that may sleep, as above.
    unsafe { sys::linux_driver_synchronize_rcu_tasks() };
}

/// The memory of a device's entry, before it is in the list.
pub(crate) struct NewTurns(Pin<KBox<Entry>>);

impl NewTurns {
    /// Makes an entry for a device that is being bound. `ENOMEM`. Context: may sleep.
    pub(crate) fn new<T: 'static>(dev: *mut sys::device) -> Result<Self> {
        let entry = pin_init!(Entry {
            next: AtomicPtr::new(null_mut()),
            dev,
            of: TypeId::of::<T>(),
            data: AtomicPtr::new(null_mut()),
            state: State::new(),
            queue <- crate::new_wait_queue!("turns"),
        });
        Ok(Self(KBox::pin_init(entry, GFP_KERNEL)?))
    }

    /// Puts the device into the list: from now on its callbacks take turns, and error handlers find
    /// its data.
    ///
    /// # Safety
    ///
    /// The device's lock is held. `probe` has made data of the type `T` that the entry was made
    /// with. [`end`] is called under the device's lock before the data is dropped.
    pub(crate) unsafe fn begin<T: 'static>(self) {
        let entry = KBox::into_raw(self.0);
        // SAFETY: the entry is there; nobody else has it yet.
        let there = unsafe { &*entry };
        // SAFETY: by the caller's promise the device is bound to the driver with this data, under
        // the device's lock.
        if let Some(data) = unsafe { data::<T>(there.dev) } {
            there
                .data
                .store((&raw const *data).cast_mut().cast(), Ordering::Relaxed);
        }
        let _listing = Listing::lock();
        there
            .next
            .store(DEVICES.load(Ordering::Relaxed), Ordering::Relaxed);
        DEVICES.store(entry, Ordering::Relaxed);
    }
}

/// Takes the device out of the list, and returns when nobody has a turn any more, or waits for one.
/// Context: may sleep.
///
/// # Safety
///
/// The device's lock is held; this thread has no turn. `begin` came before, and this is called once
/// after it.
pub(crate) unsafe fn end(dev: *mut sys::device) {
    let listing = Listing::lock();
    let mut place = &DEVICES;
    let entry = loop {
        let entry = place.load(Ordering::Relaxed);
        // SAFETY: entries stay while the list is locked.
        let Some(there) = (unsafe { entry.as_ref() }) else {
            return;
        };
        if there.dev == dev {
            place.store(there.next.load(Ordering::Relaxed), Ordering::Relaxed);
            there.state.end();
            break entry;
        }
        place = &there.next;
    };
    drop(listing);
    // SAFETY: this is who frees the entry, below.
    let there = unsafe { &*entry };
    there.queue.wake_up_all();
    there.queue.wait_event(|| there.state.is_empty());
    // The last one out may still be about to wake us.
    drop(Listing::lock());
    // SAFETY: the entry is from `KBox::into_raw`; it is in no list, nobody is counted in it, and
    // who counted itself out has let go of the list's lock since.
    drop(unsafe { KBox::from_raw(entry) });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threads that take turns beside one that ends them: never two at once, none after the end.
    #[test]
    fn one_has_its_turn_at_a_time_and_none_after_the_end() {
        let (state, inside, turns) = (State::new(), AtomicU32::new(0), AtomicU32::new(0));
        let gone = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for task in 1..=4 {
                let (state, inside, turns, gone) = (&state, &inside, &turns, &gone);
                scope.spawn(move || {
                    loop {
                        state.count_in();
                        let has_turn = loop {
                            match state.take(task) {
                                Some(taken) => break taken,
                                None => std::thread::yield_now(),
                            }
                        };
                        if has_turn {
                            assert_eq!(
                                inside.fetch_add(1, Ordering::SeqCst),
                                0,
                                "two have their turn"
                            );
                            assert!(state.is_of(task) && !state.is_of(task + 1));
                            assert!(!gone.load(Ordering::SeqCst), "a turn after all were out");
                            std::thread::yield_now();
                            turns.fetch_add(1, Ordering::Relaxed);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                        state.leave(has_turn);
                        if !has_turn {
                            break;
                        }
                    }
                });
            }
            // However slow the machine is: some have had their turn when it ends.
            while turns.load(Ordering::Relaxed) <= 4 {
                std::thread::yield_now();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            state.end();
            // One that is let in after this gets no turn: in the kernel it does not find the entry.
            while !state.is_empty() {
                std::thread::yield_now();
            }
            gone.store(true, Ordering::SeqCst);
        });
        assert!(turns.load(Ordering::Relaxed) > 4);
    }

    #[test]
    fn calls_have_ended_when_as_many_ended_as_began() {
        let calls = Calls::new();
        assert!(!calls.were_any() && calls.have_ended());
        calls.begin();
        calls.begin();
        calls.end();
        assert!(calls.were_any() && !calls.have_ended());
        calls.end();
        assert!(calls.were_any() && calls.have_ended());
    }

    #[test]
    fn a_turn_that_was_waited_for_is_not_had_when_it_ends() {
        let state = State::new();
        state.count_in();
        assert_eq!(state.take(1), Some(true));
        state.count_in();
        assert_eq!(state.take(2), None);
        state.end();
        assert_eq!(state.take(2), Some(false));
        state.leave(false);
        assert!(!state.is_empty() && state.is_of(1));
        state.leave(true);
        assert!(state.is_empty() && !state.is_of(1));
    }
}
