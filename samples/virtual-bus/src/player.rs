// SPDX-License-Identifier: GPL-2.0-only
//! The driver.

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver::bus::{self, Device};
use linux_driver::driver::DeviceDriver;
use linux_driver::pm::{self, runtime};
use linux_driver::prelude::*;
use linux_driver::sysfs::{self, Page};

use crate::bus::{Kind, Toys};

/// The driver's data for a toy.
pub(crate) struct Player {
    plays: AtomicU32,
}

#[vtable]
impl bus::Driver for Player {
    type Bus = Toys;
    /// The action that the driver performs with a toy.
    type IdInfo = &'static str;
    const NAME: &'static CStr = c"rust_player";
    const ID_TABLE: bus::IdTable<Toys, &'static str> = &[
        (Kind::Ball, "thrown"),
        (Kind::Kite, "flown"),
        (Kind::Shard, "dropped"),
    ];
    const DRIVER: DeviceDriver<Self, Toys> = DeviceDriver::new().pm();
    const DEV_GROUPS: sysfs::DeviceGroups<Self, Toys> = sysfs::device_groups![Plays];

    fn probe(
        dev: &Device<Toys, Core>,
        what: Option<&'static &'static str>,
    ) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let toy = dev.data();
            if toy.kind == Kind::Shard {
                dev_info!(dev, "not to be played with");
                return Err(ENODEV);
            }
            if toy.kind == Kind::Kite && !toy.asked.swap(true, Ordering::Relaxed) {
                dev_info!(dev, "no wind yet");
                return Err(EPROBE_DEFER);
            }
            dev_info!(dev, "{}", *what.ok_or(ENODEV)?);
            Ok(Player {
                plays: AtomicU32::new(0),
            })
        })
    }

    fn remove(dev: &Device<Toys, Core>, this: Pin<&Self>) {
        dev_info!(
            dev,
            "played with {} times",
            this.plays.load(Ordering::Relaxed)
        );
    }

    fn shutdown(dev: &Device<Toys, Core>, _this: Pin<&Self>) {
        dev_info!(dev, "time for bed");
    }
}

#[vtable]
impl pm::Operations for Player {
    type Bus = Toys;

    fn runtime_suspend(dev: &Device<Toys, Transition>, _this: Pin<&Self>) -> Result {
        dev_info!(dev, "put down");
        Ok(())
    }

    fn runtime_resume(dev: &Device<Toys, Transition>, _this: Pin<&Self>) -> Result {
        dev_info!(dev, "picked up");
        Ok(())
    }
}

/// `plays` in the device's folder. Reading it wakes the toy, plays with it, and returns how often
/// it was played with.
struct Plays;

#[vtable]
impl sysfs::DeviceAttribute for Plays {
    type Data = Player;
    type Bus = Toys;
    const NAME: &'static CStr = c"plays";

    fn show(dev: &Device<Toys, Bound>, this: Pin<&Player>, page: &mut Page) -> Result {
        let _up = runtime::resume_and_get(dev)?;
        sysfs_emit!(
            page,
            "{}\n",
            this.plays.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
        )
    }
}
