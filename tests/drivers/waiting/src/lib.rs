// SPDX-License-Identifier: GPL-2.0-only
//! One work item waits, and another one wakes it. Further items would wait for themselves.
#![no_std]
#![forbid(unsafe_code)]

mod itself;
mod self_wake;

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::completion::Completion;
use linux_driver::device;
use linux_driver::jiffies::Jiffies;
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;
use linux_driver::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use linux_driver::sync::{Arc, Mutex};
use linux_driver::wait::WaitQueue;
use linux_driver::workqueue::{self, DelayedWork, OwnedQueue, QueueFlags, Work, WorkItem};
use linux_driver::{new_mutex, new_wait_queue, new_work};

/// Returns a time that is long enough for everything that must happen.
fn long() -> Jiffies {
    Jiffies::from_msecs(10_000)
}

/// Returns a time that is short enough to let it pass in a test.
fn short() -> Jiffies {
    Jiffies::from_msecs(40)
}

#[pin_data]
struct Shared {
    #[pin]
    step: Completion,
    #[pin]
    done: Completion,
    #[pin]
    never: Completion,
    #[pin]
    queue: WaitQueue,
    #[pin]
    stop: WaitQueue,
    value: AtomicU32,
    stopped: AtomicBool,
    #[pin]
    looked: WaitQueue,
    set: AtomicBool,
    /// The number of the current turn. Even turns belong to the waiter.
    #[pin]
    turn: Mutex<u32>,
}

/// The number of turns that the two items take.
const TURNS: u32 = 2000;

impl Shared {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            step <- Completion::new(),
            done <- Completion::new(),
            never <- Completion::new(),
            queue <- new_wait_queue!("waiting: queue"),
            stop <- new_wait_queue!(),
            value: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
            looked <- new_wait_queue!("waiting: looked"),
            set: AtomicBool::new(false),
            turn <- new_mutex!(0, "waiting: turn"),
        })
    }

    /// Takes turns with the other item, as fast as possible. A lost wake-up is a turn that never
    /// comes. The condition takes a mutex, so it may sleep. Returns how many turns came in time.
    fn take_turns(&self, mine: u32) -> u32 {
        let mut taken = 0;
        for _ in 0..TURNS {
            if self
                .queue
                .wait_event_timeout(long(), || *self.turn.lock() % 2 == mine)
                .is_err()
            {
                break;
            }
            taken += 1;
            *self.turn.lock() += 1;
            self.queue.wake_up();
        }
        taken
    }

    /// Tells the other item to run its next step, which it does after this thread has begun to
    /// wait.
    fn next(&self) {
        self.step.complete();
    }
}

/// Returns the error of a wait that must fail.
fn error(result: Result<Jiffies>) -> Error {
    result.err().unwrap_or(EINVAL)
}

/// Returns `true` if a wait succeeded with time left.
fn in_time(result: Result<Jiffies>) -> bool {
    result.is_ok_and(|left| left.ticks() > 0 && left < long())
}

struct Waiter(Arc<Shared>);

impl WorkItem for Waiter {
    fn run(work: &Work<Self>, dev: &device::Device<Bound>) {
        let shared = &*work.0;
        completions(shared, dev);
        queues(shared, dev);
        let second = Jiffies::from_msecs(1000);
        dev_info!(
            dev,
            "jiffies: 1000 ms are a second: {}, 1 ms is at least a tick: {}, for ever: {}",
            second.ticks() == u64::from(Jiffies::HZ) && second.as_msecs() == 1000,
            Jiffies::from_msecs(1).ticks() == 1,
            Jiffies::from_msecs(u32::MAX) == Jiffies::MAX
        );
    }
}

fn completions(shared: &Shared, dev: &device::Device<Bound>) {
    let never = &shared.never;
    let result = never.wait_for_completion_timeout(short());
    dev_info!(dev, "completion: nobody completes it: {}", error(result));
    let result = never.wait_for_completion_interruptible_timeout(short());
    dev_info!(
        dev,
        "completion, interruptible: nobody completes it: {}",
        error(result)
    );
    shared.next();
    let result = in_time(shared.done.wait_for_completion_timeout(long()));
    dev_info!(dev, "completion: in time, time left: {}", result);
    shared.next();
    let result = in_time(
        shared
            .done
            .wait_for_completion_interruptible_timeout(long()),
    );
    dev_info!(
        dev,
        "completion: in time, interruptible, time left: {}",
        result
    );
    shared.next();
    let both = shared.done.wait_for_completion_interruptible().is_ok()
        && shared.done.wait_for_completion_killable().is_ok();
    dev_info!(
        dev,
        "completion: two waits for two completions, then not done: {}",
        both && !shared.done.is_done() && !shared.done.try_wait_for_completion()
    );
    shared.next();
    shared.done.wait_for_completion();
    let all = shared.done.is_done()
        && shared.done.try_wait_for_completion()
        && shared.done.try_wait_for_completion();
    shared.done.reinit();
    dev_info!(
        dev,
        "completion: done for all, permanently: {}, as new: {}",
        all,
        shared.done.is_done()
    );
}

fn queues(shared: &Shared, dev: &device::Device<Bound>) {
    let (queue, stop) = (&shared.queue, &shared.stop);
    let result = queue.wait_event_timeout(short(), || false);
    dev_info!(dev, "queue: the condition never holds: {}", error(result));
    let result = queue.wait_event_interruptible_timeout(short(), || false);
    dev_info!(
        dev,
        "queue: the condition never holds, interruptible: {}",
        error(result)
    );
    let mut asked = 0;
    let result = queue.wait_event_timeout(long(), || {
        asked += 1;
        true
    });
    dev_info!(
        dev,
        "queue: it holds at once, without a wait: {}",
        result == Ok(long()) && asked == 1
    );
    let result = queue.wait_event_timeout(Jiffies::new(0), || false);
    dev_info!(dev, "queue: no time at all: {}", error(result));

    for expected in 1..=3 {
        shared.next();
        match expected {
            1 => queue.wait_event(|| shared.value.load(Ordering::Acquire) == 1),
            _ => {
                if queue
                    .wait_event_interruptible(|| shared.value.load(Ordering::Acquire) == expected)
                    .is_err()
                {
                    dev_err!(dev, "interrupted");
                }
            }
        }
    }
    dev_info!(
        dev,
        "queue: woken 3 times, value {}",
        shared.value.load(Ordering::Relaxed)
    );
    shared.next();
    let result =
        in_time(queue.wait_event_interruptible_timeout(long(), || {
            shared.value.load(Ordering::Acquire) == 4
        }));
    dev_info!(dev, "queue: woken in time: {}", result);

    let stopped = || shared.stopped.load(Ordering::Acquire);
    shared.next();
    let result = queue.wait_event_interruptible_or(stop, stopped, || false);
    dev_info!(dev, "queue: stopped: {}", result.err().unwrap_or(EINVAL));
    let result = queue.wait_event_interruptible_or(stop, stopped, || true);
    dev_info!(
        dev,
        "queue: the stop goes first: {}",
        result.err().unwrap_or(EINVAL)
    );
    shared.stopped.store(false, Ordering::Release);
    shared.next();
    let result = queue
        .wait_event_interruptible_or(stop, stopped, || shared.value.load(Ordering::Acquire) == 6);
    dev_info!(
        dev,
        "queue: the condition, not the stop: {}",
        result.is_ok()
    );
    let result = queue.wait_event_interruptible_timeout_or(short(), stop, stopped, || false);
    dev_info!(dev, "queue: neither: {}", error(result));
    let mut asked = 0;
    let result = queue.wait_event_timeout(short(), || {
        asked += 1;
        let _ = shared.never.wait_for_completion_timeout(Jiffies::new(1));
        asked == 2
    });
    dev_info!(
        dev,
        "queue: a condition that sleeps holds when the time is over: {}",
        result.is_ok()
    );
    dev_info!(
        dev,
        "queue: turns taken: {} of {}",
        shared.take_turns(0),
        TURNS
    );
}

struct Waker(Arc<Shared>);

impl WorkItem for Waker {
    fn run(work: &Work<Self>, dev: &device::Device<Bound>) {
        let shared = &*work.0;
        for step in 1.. {
            if shared.step.wait_for_completion_timeout(long()).is_err() {
                dev_err!(dev, "the waiter does not ask for step {}", step);
                return;
            }
            // The waiter most likely sleeps by then.
            let _ = shared.never.wait_for_completion_timeout(short());
            let wake: fn(&WaitQueue) = match step {
                1 | 2 => {
                    shared.done.complete();
                    continue;
                }
                3 => {
                    shared.done.complete();
                    shared.done.complete();
                    continue;
                }
                4 => {
                    shared.done.complete_all();
                    continue;
                }
                5 => WaitQueue::wake_up,
                6 => WaitQueue::wake_up_interruptible,
                7 => WaitQueue::wake_up_all,
                8 => WaitQueue::wake_up,
                9 => {
                    shared.stopped.store(true, Ordering::Release);
                    shared.stop.wake_up_all();
                    shared.value.store(5, Ordering::Release);
                    continue;
                }
                10 => WaitQueue::wake_up_interruptible,
                _ => return,
            };
            shared.value.fetch_add(1, Ordering::Release);
            wake(&shared.queue);
            if step == 10 {
                shared.take_turns(1);
                return;
            }
        }
    }
}

#[pin_data]
struct Waiting {
    #[pin]
    waiter: Work<Waiter>,
    #[pin]
    waker: Work<Waker>,
    #[pin]
    looker: Work<self_wake::Looker>,
    #[pin]
    itself: Work<itself::Outer>,
    #[pin]
    delayed_itself: DelayedWork<itself::Delayed>,
}

#[vtable]
impl pci::Driver for Waiting {
    type IdInfo = ();
    const NAME: &'static CStr = c"waiting";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let shared = Arc::pin_init(Shared::new(), GFP_KERNEL)?;
            let bound: &device::Device<Bound> = dev.as_ref();
            let waiter = new_work!(bound, Waiter(shared.clone()), on: workqueue::system_unbound())
                .pin_chain(|work| {
                    work.queue();
                    Ok(())
                });
            let looker = self_wake::looker(bound, shared.clone()).pin_chain(|work| {
                work.queue();
                Ok(())
            });
            let waker = new_work!(bound, Waker(shared), on: workqueue::system_unbound()).pin_chain(
                |work| {
                    work.queue();
                    Ok(())
                },
            );
            // Each item has its own queue, which exists as long as the item.
            let itself = itself::outer(
                bound,
                OwnedQueue::new_ordered(c"waiting-ordered", QueueFlags::NONE)?,
            )?;
            let delayed_itself = itself::delayed(
                bound,
                OwnedQueue::new(c"waiting", QueueFlags::FREEZABLE, 0)?,
            )?;
            let driver = try_pin_init!(Self {
                waiter <- waiter,
                waker <- waker,
                looker <- looker,
                itself <- itself,
                delayed_itself <- delayed_itself,
            });
            Ok(driver.pin_chain(|driver| {
                // Code outside the items waits for them normally.
                driver.itself.queue();
                driver.itself.flush()?;
                driver.delayed_itself.queue(Jiffies::new(1));
                driver.delayed_itself.flush().map(drop)
            }))
        })
    }
}

linux_driver::module_pci_driver! {
    type: Waiting,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Waits",
}
