// SPDX-License-Identifier: GPL-2.0-only
//! Boxes and vectors, and allocations that must fail.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{
    __GFP_NOWARN, Allocator, GFP_ATOMIC, GFP_KERNEL, GFP_KERNEL_ACCOUNT, GFP_NOWAIT, KBox, KVVec,
    KVec, VVec, Vec,
};
use linux_driver::driver::{DeviceDriver, ProbeType};
use linux_driver::new_spinlock;
use linux_driver::pci::{self, DeviceId};
use linux_driver::prelude::*;
use linux_driver::sync::atomic::{AtomicU32, Ordering};
use linux_driver::sync::{Arc, SpinLock};

struct Memory;

fn boxes(dev: &pci::Device<Core>) -> Result {
    let mut five = KBox::new(4, GFP_KERNEL)?;
    *five += 1;
    let seen = *five;
    dev_info!(dev, "box: {}, {}", seen, KBox::into_inner(five));
    let init =
        linux_driver::init::init_array_from_fn::<_, 4096, u64, core::convert::Infallible>(|i| {
            i as u64
        });
    let large = KBox::init(init, GFP_KERNEL_ACCOUNT)?;
    dev_info!(
        dev,
        "box in place: {} of {} is {}",
        3,
        large.len(),
        large[3]
    );
    let zeroed = KBox::<[u64; 8192]>::zeroed(GFP_KERNEL)?;
    dev_info!(dev, "zeroed: {}", zeroed.iter().all(|&value| value == 0));

    #[repr(align(64))]
    struct Line([u8; 65]);
    #[repr(align(4096))]
    struct Page([u8; 1]);
    fn aligned<T>(value: &T) -> bool {
        core::ptr::from_ref(value)
            .addr()
            .is_multiple_of(align_of::<T>())
    }
    let line = KBox::new(Line([1; 65]), GFP_KERNEL)?;
    let page = KBox::new(Page([2]), GFP_KERNEL)?;
    let mut pages = VVec::new();
    for _ in 0..3 {
        pages.push(Page([3]), GFP_KERNEL)?;
    }
    let good = line.0[64] == 1 && page.0[0] == 2 && pages.iter().all(|page| page.0[0] == 3);
    dev_info!(
        dev,
        "aligned: {}, {}, {}",
        good && aligned(&*line),
        aligned(&*page),
        pages.iter().all(aligned)
    );
    if let Err(error) = KBox::<[u8; 1 << 30]>::zeroed(GFP_KERNEL | __GFP_NOWARN) {
        dev_info!(dev, "no box of a gigabyte: {}", error);
    }
    Ok(())
}

fn numbers<A: Allocator>() -> Result<(usize, u64)> {
    let mut numbers = Vec::<u64, A>::new();
    for i in 0..500 {
        numbers.push(i, GFP_KERNEL)?;
    }
    let more = numbers.iter().map(|i| i + 500);
    let mut copy = Vec::<u64, A>::with_capacity(500, GFP_KERNEL)?;
    for i in more {
        copy.push_within_capacity(i).map_err(|_| EINVAL)?;
    }
    numbers.extend_from_slice(&copy, GFP_KERNEL)?;
    Ok((numbers.len(), numbers.into_iter().sum()))
}

/// A value that counts how many of its kind were dropped.
#[derive(Clone)]
struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn vectors(dev: &pci::Device<Core>) -> Result {
    let (length, sum) = numbers::<linux_driver::alloc::Kmalloc>()?;
    dev_info!(dev, "KVec: {} values, sum {}", length, sum);
    let (length, sum) = numbers::<linux_driver::alloc::Vmalloc>()?;
    dev_info!(dev, "VVec: {} values, sum {}", length, sum);
    let (length, sum) = numbers::<linux_driver::alloc::KVmalloc>()?;
    dev_info!(dev, "KVVec: {} values, sum {}", length, sum);

    let mut large = KVVec::<u8>::zeroed(16, GFP_KERNEL)?;
    large[15] = 15;
    large.resize(16 << 20, 1, GFP_KERNEL)?;
    let kept = large[..15].iter().all(|&byte| byte == 0)
        && large[15] == 15
        && large[16..].iter().all(|&byte| byte == 1);
    dev_info!(dev, "KVVec of 16 MiB keeps what it held: {}", kept);

    let mut three = KVec::<u32>::zeroed(3, GFP_KERNEL)?;
    let too_much = |len| {
        KVec::<u32>::with_capacity(len, GFP_KERNEL | __GFP_NOWARN)
            .err()
            .unwrap_or(EINVAL)
    };
    dev_info!(
        dev,
        "too much: {}, {}, {}; kept: {}",
        too_much(1 << 40),
        too_much(usize::MAX / 4 + 2),
        three
            .reserve(usize::MAX, GFP_KERNEL)
            .err()
            .unwrap_or(EINVAL),
        three.len()
    );
    Ok(())
}

fn more(dev: &pci::Device<Core>) -> Result {
    let lock = KBox::pin_init(new_spinlock!(KVec::<u8>::new()), GFP_KERNEL)?;
    let lock: &SpinLock<KVec<u8>> = &lock;
    lock.lock_irqsave(|vec| -> Result {
        for i in 0..64 {
            vec.push(i, if i % 2 == 0 { GFP_ATOMIC } else { GFP_NOWAIT })?;
        }
        Ok(())
    })?;
    dev_info!(dev, "under a spin lock: {}", lock.lock().len());

    let dropped = Arc::new(AtomicU32::new(0), GFP_KERNEL)?;
    let mut counted = KVec::new();
    counted.resize(7, Counted(dropped.clone()), GFP_KERNEL)?;
    counted.truncate(5);
    counted.pop();
    let mut rest = counted.into_iter();
    drop(rest.next());
    drop(rest);
    drop(KBox::new(Counted(dropped.clone()), GFP_KERNEL)?);
    drop(Arc::new(Counted(dropped.clone()), GFP_KERNEL)?.clone());
    // The vector drops eight values, including the one that was cloned. The box drops one, and so
    // does the last of two owners.
    dev_info!(dev, "dropped: {}", dropped.load(Ordering::Relaxed));

    let mut nothing = KVec::<()>::new();
    nothing.extend_from_slice(&[(); 5], GFP_KERNEL)?;
    dev_info!(dev, "values without a size: {}", nothing.len());
    Ok(())
}

#[vtable]
impl pci::Driver for Memory {
    type IdInfo = ();
    const NAME: &'static CStr = c"memory";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![DeviceId::new(0x1234, 0x11e8)];
    // The probe takes long and does not depend on other probes, so it runs asynchronously.
    const DRIVER: DeviceDriver<Self, pci::Bus> = DeviceDriver::new()
        .probe_type(ProbeType::PreferAsynchronous)
        .suppress_bind_attrs();

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            boxes(dev)?;
            vectors(dev)?;
            more(dev)?;
            Ok(Memory)
        })
    }
}

linux_driver::module_pci_driver! {
    type: Memory,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Allocates memory",
}
