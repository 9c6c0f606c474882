// SPDX-License-Identifier: GPL-2.0-only
//! Turns: mutual exclusion between the callbacks that have a device as
//! [`Core`](crate::device::Core) or [`Exclusive`](crate::device::Exclusive).
//!
//! For most of them the device's lock does this. But `xen-pcifront` calls the error handlers of a
//! PCI driver from a work item without that lock (`pcifront_do_aer` in
//! `drivers/pci/xen-pcifront.c`, 6.1 to 7.3). They can run in parallel with `remove` or `suspend`,
//! or when another driver is bound already.
//!
//! So this module has its own list of devices: those whose driver has error handlers, from the end
//! of `probe` to the start of `remove`. A callback looks its device up in the list and takes a
//! turn. `remove` takes the device out of the list and waits for the callbacks that were let in.
//!
//! `driver_data` cannot replace the list: without the device's lock, it may be another driver's.
//!
//! [`try_reset_function`](crate::pci::Device::try_reset_function) may be called from anywhere. It
//! makes C call handlers under the device's lock, so it takes the turn first. If the turn is not
//! free, it fails instead of waiting: a handler that `xen-pcifront` called may have the turn and
//! wait for the caller.
//!
//! A callback may be called by another callback of the same device, on the same thread. It then has
//! the turn already: `suspend` may reset the device, which calls `reset_prepare`.

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

/// The state of a device's turns: the owner of the turn, the number of users, and whether turns
/// have ended.
struct State {
    /// The task that has the turn; 0 if the turn is free.
    owner: AtomicUsize,
    /// The number of users: the tasks that wait for the turn, and the one that has it.
    users: AtomicU32,
    /// No task gets a turn any more.
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

    /// Returns whether this task has the turn. No other task can change the result.
    fn is_of(&self, task: usize) -> bool {
        self.owner.load(Ordering::Relaxed) == task
    }

    /// Counts a task that is about to wait for the turn.
    fn count_in(&self) {
        // Cannot overflow: there are at most as many users as threads.
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the turn if it is free, and returns `Some(true)`. Returns `None` if another task has
    /// the turn, and `Some(false)` if turns have ended.
    fn take(&self, task: usize) -> Option<bool> {
        if self.ended.load(Ordering::Relaxed) {
            return Some(false);
        }
        // The previous owner's accesses happen before this owner's.
        let taken = self
            .owner
            .compare_exchange(0, task, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then_some(true)
    }

    /// Gives up the turn if this task has it (`has_turn`). The task is then a user no longer.
    fn leave(&self, has_turn: bool) {
        if has_turn {
            self.owner.store(0, Ordering::Release);
        }
        self.users.fetch_sub(1, Ordering::Release);
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Returns whether no user is left.
    fn is_empty(&self) -> bool {
        self.users.load(Ordering::Acquire) == 0
    }
}

/// An entry of the list: a device.
#[pin_data]
struct Entry {
    next: AtomicPtr<Entry>,
    dev: *mut sys::device,
    /// The type of the driver's data. `data` is the address of the driver's data.
    of: TypeId,
    data: AtomicPtr<()>,
    state: State,
    /// The tasks that wait for the turn, and the one that waits until no user is left.
    #[pin]
    queue: WaitQueue,
}

/// The list of devices whose drivers, in this module, have error handlers. [`Listing`] guards the
/// list and its entries.
static DEVICES: AtomicPtr<Entry> = AtomicPtr::new(null_mut());

/// The guard of the list's lock.
///
/// # Invariants
///
/// This thread has locked `linux_driver_turns`.
struct Listing(PhantomData<*mut ()>);

impl Listing {
    fn lock() -> Self {
        // SAFETY: `mutex_lock` requires
        // - a task that may sleep: callbacks that have `Core` or `Exclusive` may;
        // - that this task does not hold the mutex: no code of a driver runs while a `Listing`
        //   exists.
        unsafe { sys::linux_driver_turns_lock() };
        // INVARIANT: this thread locked it above.
        Self(PhantomData)
    }

    /// Returns the entry of a device. The entry stays in the list, and its memory allocated, while
    /// the list is locked.
    fn find(&self, dev: *mut sys::device) -> Option<&Entry> {
        let mut next = DEVICES.load(Ordering::Relaxed);
        // SAFETY: the list is locked. An entry is taken out of the list under the lock, and is
        // freed after that, so entries in the list are allocated.
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
        // SAFETY: `mutex_unlock` requires that this task has locked the mutex. By the type's
        // invariant this thread has, and the type is not `Send`.
        unsafe { sys::linux_driver_turns_unlock() };
    }
}

/// A turn. While this value exists, no other callback that takes turns runs for this device's
/// driver. The value stays on its thread.
///
/// # Invariants
///
/// `Some` is an entry in which this value is counted, and whose turn this thread has.
pub(crate) struct Turn(Option<NonNull<Entry>>, PhantomData<*mut ()>);

impl Turn {
    /// Waits for the turn, for a callback that has `Core`. Returns at once if the device has no
    /// error handlers.
    ///
    /// # Safety
    ///
    /// The device's lock is held, so that the device's entry is neither added nor removed.
    pub(crate) unsafe fn under_lock(dev: *mut sys::device) -> Self {
        if DEVICES.load(Ordering::Relaxed).is_null() {
            // An entry of this device would be visible here, because it is added under the device's
            // lock.
            return Self(None, PhantomData);
        }
        let let_in = Listing::lock().find(dev).map(let_in);
        // The entry cannot end while the device's lock is held, so this gets the turn.
        let_in
            .and_then(Self::wait)
            .unwrap_or(Self(None, PhantomData))
    }

    /// Waits for the turn and returns the driver's data, for an error handler that may run without
    /// the device's lock. Returns `None` if the device is not bound to a driver with data of type
    /// `T`, or is being unbound.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Safety
    ///
    /// `dev` is the address of a device that exists, or has existed. `'a` ends before the turn
    /// does.
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
        // SAFETY: `begin` was given initialised data of this type. The data is dropped only after
        // `end` has returned, and `end` waits until this turn is over.
        let data = unsafe { &*data };
        // SAFETY: `begin` requires pinned data.
        Some((turn, unsafe { Pin::new_unchecked(data) }))
    }

    /// Takes the turn for a caller that is not one of the callbacks. Returns `None` if another task
    /// has the turn. If the device is not in the list, or if this task has the turn already, the
    /// call succeeds without taking a turn.
    ///
    /// # Context
    ///
    /// May sleep.
    pub(crate) fn try_take(dev: *mut sys::device) -> Option<Self> {
        let listing = Listing::lock();
        let task = task::current();
        let Some(entry) = listing.find(dev).filter(|entry| !entry.state.is_of(task)) else {
            return Some(Self(None, PhantomData));
        };
        // Turns of an entry that is in the list have not ended: `end` takes it out under the list's
        // lock.
        if entry.state.take(task) != Some(true) {
            return None;
        }
        entry.state.count_in();
        // INVARIANT: counted and taken above.
        Some(Self(Some(NonNull::from(entry)), PhantomData))
    }

    /// Waits for the turn. Returns `None` if the device is taken out of the list first.
    fn wait(entry: LetIn) -> Option<Self> {
        let Some(entry) = entry.0 else {
            // INVARIANT: nothing was counted. The callback that has the turn called this one, and
            // keeps the turn until this one has returned.
            return Some(Self(None, PhantomData));
        };
        let task = task::current();
        // SAFETY: the task that frees the entry first waits until no user is left, and this one is
        // counted. It then waits for the list's lock, which `leave` holds.
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
            // INVARIANT: counted by `let_in`, and the turn was taken.
            return Some(Self(Some(entry), PhantomData));
        }
        leave(entry, false);
        None
    }
}

/// A task that is about to wait for the turn, or that has the turn already.
///
/// # Invariants
///
/// `Some` is an entry in which this value is counted.
struct LetIn(Option<NonNull<Entry>>);

/// Counts this task, unless it has the turn already. The list is locked.
fn let_in(entry: &Entry) -> LetIn {
    if entry.state.is_of(task::current()) {
        return LetIn(None);
    }
    entry.state.count_in();
    // INVARIANT: counted above.
    LetIn(Some(NonNull::from(entry)))
}

/// Gives up the turn, or the wait for it.
fn leave(entry: NonNull<Entry>, has_turn: bool) {
    // The task that waits for users to leave frees the entry only after it has held this lock.
    let _listing = Listing::lock();
    // SAFETY: this task is counted in the entry until `leave` below; after that the lock keeps the
    // entry allocated.
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

/// The number of calls of error handlers that have started, and the number that have ended.
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

    /// Returns whether all calls that had started before this have ended.
    fn have_ended(&self) -> bool {
        // The order matters: a call that starts in between counts as one that has not ended.
        let ended = self.ended.load(Ordering::Acquire);
        self.begun.load(Ordering::Relaxed) == ended
    }
}

/// The calls of the error handlers of all drivers of this module.
static CALLS: Calls = Calls::new();

/// A running call of an error handler. It is the first value that the handler makes, and the last
/// that it drops.
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

/// Waits until each error handler that was called has returned and has left the module's code. Must
/// be called after a driver was unregistered, before the module is unloaded.
///
/// A handler may have been called without the device's lock. Its last access to this module's
/// memory is [`Listing`]'s mutex: it ends its turn under that mutex, or finds under it that it has
/// no turn. `mutex_unlock` may still access the mutex when another task has it already
/// (`Documentation/locking/mutex-design.rst` of 6.12). After that, the handler returns through the
/// module's code.
///
/// # Context
///
/// May sleep.
pub(crate) fn handlers_have_returned() {
    if !CALLS.were_any() {
        return;
    }
    while !CALLS.have_ended() {
        // SAFETY: `msleep` requires a task that may sleep: a driver is unregistered in such a task.
        unsafe { sys::msleep(1) };
    }
    // After a handler has counted itself as ended, the rest of its code does not give up the CPU
    // voluntarily.
    // SAFETY: `synchronize_rcu_tasks` requires a task that may sleep, as above.
    unsafe { sys::linux_driver_synchronize_rcu_tasks() };
}

/// The entry of a device, before it is in the list.
pub(crate) struct NewTurns(Pin<KBox<Entry>>);

impl NewTurns {
    /// Allocates an entry for a device that is being bound.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
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

    /// Adds the device to the list. From here on its callbacks take turns, and error handlers find
    /// its data.
    ///
    /// # Safety
    ///
    /// The device's lock is held. `probe` has made data of the type `T` that the entry was made
    /// with. [`end`] is called under the device's lock before the data is dropped.
    pub(crate) unsafe fn begin<T: 'static>(self) {
        let entry = KBox::into_raw(self.0);
        // SAFETY: the entry is allocated, and no other reference to it exists yet.
        let there = unsafe { &*entry };
        // SAFETY: by the caller's promise the device is bound to the driver whose data is `T`, and
        // its lock is held.
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

/// Takes the device out of the list. Returns when no task has the turn or waits for it.
///
/// # Context
///
/// May sleep.
///
/// # Safety
///
/// The device's lock is held, and this thread has no turn. `begin` was called for the device
/// before, and this is the only call after it.
pub(crate) unsafe fn end(dev: *mut sys::device) {
    let listing = Listing::lock();
    let mut link = &DEVICES;
    let entry = loop {
        let entry = link.load(Ordering::Relaxed);
        // SAFETY: entries stay allocated while the list is locked.
        let Some(there) = (unsafe { entry.as_ref() }) else {
            return;
        };
        if there.dev == dev {
            link.store(there.next.load(Ordering::Relaxed), Ordering::Relaxed);
            there.state.end();
            break entry;
        }
        link = &there.next;
    };
    drop(listing);
    // SAFETY: only this function frees the entry, below.
    let there = unsafe { &*entry };
    there.queue.wake_up_all();
    there.queue.wait_event(|| there.state.is_empty());
    // The last task to leave may still be in `wake_up_all`, under the lock.
    drop(Listing::lock());
    // SAFETY: `from_raw` requires the pointer that `KBox::into_raw` returned, and that no reference
    // to the entry is left. The entry is in no list, no task is counted in it, and the last one has
    // released the list's lock.
    drop(unsafe { KBox::from_raw(entry) });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Several threads take turns while another thread ends them: never two have a turn at once,
    /// and none after the end.
    #[test]
    fn one_thread_has_the_turn_at_a_time_and_none_after_the_end() {
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
                                "two threads have the turn"
                            );
                            assert!(state.is_of(task) && !state.is_of(task + 1));
                            assert!(!gone.load(Ordering::SeqCst), "a turn after all users left");
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
            // On any machine, however slow, some threads have had a turn when it ends.
            while turns.load(Ordering::Relaxed) <= 4 {
                std::thread::yield_now();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            state.end();
            // A thread that is let in after this gets no turn. In the kernel it does not find the
            // entry.
            while !state.is_empty() {
                std::thread::yield_now();
            }
            gone.store(true, Ordering::SeqCst);
        });
        assert!(turns.load(Ordering::Relaxed) > 4);
    }

    #[test]
    fn calls_have_ended_when_as_many_ended_as_started() {
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
    fn a_waiting_task_gets_no_turn_after_the_end() {
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
