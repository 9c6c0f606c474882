// SPDX-License-Identifier: GPL-2.0-only
//! Logs each callback when it is called, and what the driver's data contains at that time.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver::driver::{Callbacks as CoreCallbacks, DeviceDriver, ProbeType};
use linux_driver::pci::{self, ChannelState, DeviceId, ErsResult};
use linux_driver::pm::{self, runtime};
use linux_driver::prelude::*;
use linux_driver::sysfs::{self, Page};

struct Callbacks {
    value: AtomicU32,
}

impl Callbacks {
    fn value(&self) -> u32 {
        self.value.load(Ordering::Relaxed)
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        pr_info!("callbacks: dropped {}", self.value());
    }
}

#[vtable]
impl pci::Driver for Callbacks {
    type IdInfo = ();
    const NAME: &'static CStr = c"callbacks";
    const ID_TABLE: pci::IdTable<()> = pci::id_table![
        // edu; virtio-rng, which reports errors; nvme, which has virtual functions.
        DeviceId::new(0x1234, 0x11e8),
        DeviceId::new(0x1af4, 0x1044),
        DeviceId::new(0x1b36, 0x0010),
    ];
    const DRIVER: DeviceDriver<Self, pci::Bus> = DeviceDriver::new()
        .pm()
        .callbacks()
        .probe_type(ProbeType::ForceSynchronous);
    const ERR_HANDLER: pci::ErrHandler<Self> = pci::ErrHandler::of();
    const GROUPS: sysfs::DriverGroups = sysfs::driver_groups![Version];
    const DEV_GROUPS: sysfs::DeviceGroups<Self, pci::Bus> =
        sysfs::device_groups![c"" => [Value, Awake], c"more" => [Add]];

    fn probe(dev: &pci::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            dev.pcim_enable_device()?;
            dev.save_state()?;
            dev_info!(dev, "probe {}", 7);
            Ok(Callbacks {
                value: AtomicU32::new(7),
            })
        })
    }

    fn remove(dev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(dev, "remove {}", this.value());
    }

    fn shutdown(dev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(dev, "shutdown {}", this.value());
    }

    fn sriov_configure(dev: &pci::Device<Core>, this: Pin<&Self>, num_vfs: u16) -> Result<u16> {
        dev_info!(dev, "sriov_configure {} {}", this.value(), num_vfs);
        if num_vfs == 0 {
            dev.disable_sriov();
        } else {
            dev.enable_sriov(num_vfs)?;
        }
        Ok(num_vfs)
    }

    fn sriov_get_vf_total_msix(dev: &pci::Device<Core>, this: Pin<&Self>) -> u32 {
        dev_info!(dev, "sriov_get_vf_total_msix {}", this.value());
        8
    }

    fn sriov_set_msix_vec_count(
        dev: &pci::Device<Core>,
        this: Pin<&Self>,
        vf: &pci::Device,
        vf_id: u32,
        msix_vec_count: u32,
    ) -> Result {
        dev_info!(
            dev,
            "sriov_set_msix_vec_count {} {} {}",
            this.value(),
            vf_id,
            msix_vec_count
        );
        dev_info!(vf, "gets {}", msix_vec_count);
        if msix_vec_count > 8 {
            Err(ERANGE)
        } else {
            Ok(())
        }
    }
}

#[vtable]
impl CoreCallbacks for Callbacks {
    type Bus = pci::Bus;

    fn sync_state(dev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(dev, "sync_state {}", this.value());
    }

    fn coredump(dev: &pci::Device<Core>, this: Pin<&Self>) {
        dev_info!(dev, "coredump {}", this.value());
    }
}

/// Generates power management callbacks that only log that they were called.
macro_rules! pm {
    ($($name:ident $state:ident;)*) => {
        #[vtable]
        impl pm::Operations for Callbacks {
            type Bus = pci::Bus;

            $(fn $name(dev: &pci::Device<$state>, this: Pin<&Self>) -> Result {
                dev_info!(dev, "{} {}", stringify!($name), this.value());
                Ok(())
            })*

            fn complete(dev: &pci::Device<Core>, this: Pin<&Self>) {
                dev_info!(dev, "complete {}", this.value());
            }
        }
    };
}

pm! {
    prepare Core;
    suspend Core;
    resume Core;
    freeze Core;
    thaw Core;
    poweroff Core;
    restore Core;
    runtime_suspend Transition;
    runtime_resume Transition;
    runtime_idle Bound;
}

#[vtable]
impl pci::ErrorHandlers for Callbacks {
    fn error_detected(
        dev: &pci::Device<Exclusive>,
        this: Pin<&Self>,
        state: ChannelState,
    ) -> ErsResult {
        let (state, answer) = match state {
            ChannelState::Normal => ("normal", ErsResult::CanRecover),
            ChannelState::Frozen => ("frozen", ErsResult::NeedReset),
            ChannelState::PermFailure => ("lost", ErsResult::Disconnect),
        };
        dev_info!(dev, "error_detected {} {}", this.value(), state);
        answer
    }

    fn mmio_enabled(dev: &pci::Device<Exclusive>, this: Pin<&Self>) -> ErsResult {
        dev_info!(dev, "mmio_enabled {}", this.value());
        ErsResult::NeedReset
    }

    fn slot_reset(dev: &pci::Device<Exclusive>, this: Pin<&Self>) -> ErsResult {
        dev_info!(dev, "slot_reset {}", this.value());
        dev.restore_state();
        match dev.save_state() {
            Ok(()) => ErsResult::Recovered,
            Err(_) => ErsResult::Disconnect,
        }
    }

    fn reset_prepare(dev: &pci::Device<Exclusive>, this: Pin<&Self>) {
        dev_info!(dev, "reset_prepare {}", this.value());
    }

    fn reset_done(dev: &pci::Device<Exclusive>, this: Pin<&Self>) {
        dev_info!(dev, "reset_done {}", this.value());
    }

    fn resume(dev: &pci::Device<Exclusive>, this: Pin<&Self>) {
        dev_info!(dev, "error resume {}", this.value());
    }
}

/// Parses a text as a number.
fn number(text: &[u8]) -> Result<u32> {
    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
    text.trim_ascii().parse().map_err(|_| EINVAL)
}

struct Version;

#[vtable]
impl sysfs::DriverAttribute for Version {
    const NAME: &'static CStr = c"version";

    fn show(page: &mut Page) -> Result {
        sysfs_emit!(page, "{}\n", 3u32)
    }
}

struct Value;

#[vtable]
impl sysfs::DeviceAttribute for Value {
    type Data = Callbacks;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"value";

    fn show(_dev: &pci::Device<Bound>, this: Pin<&Callbacks>, page: &mut Page) -> Result {
        sysfs_emit!(page, "{}\n", this.value())
    }

    fn store(dev: &pci::Device<Bound>, this: Pin<&Callbacks>, text: &[u8]) -> Result {
        this.value.store(number(text)?, Ordering::Relaxed);
        dev_info!(dev, "value is {}", this.value());
        Ok(())
    }
}

struct Awake;

#[vtable]
impl sysfs::DeviceAttribute for Awake {
    type Data = Callbacks;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"awake";

    fn show(dev: &pci::Device<Bound>, this: Pin<&Callbacks>, page: &mut Page) -> Result {
        let _awake = runtime::resume_and_get(dev)?;
        sysfs_emit!(page, "{}", this.value())
    }
}

struct Add;

#[vtable]
impl sysfs::DeviceAttribute for Add {
    type Data = Callbacks;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"add";

    fn store(dev: &pci::Device<Bound>, this: Pin<&Callbacks>, text: &[u8]) -> Result {
        this.value.fetch_add(number(text)?, Ordering::Relaxed);
        dev_info!(dev, "value is {}", this.value());
        Ok(())
    }
}

linux_driver::module_pci_driver! {
    type: Callbacks,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Says which callback was called",
}
