// SPDX-License-Identifier: GPL-2.0-only
//! The bus.

use core::sync::atomic::AtomicBool;

use linux_driver::bus::{
    self, Attr, BusType, Device, DeviceRegistration, Handle, NewDevice, Registration, UeventEnv,
};
use linux_driver::driver;
use linux_driver::module::ThisModule;
use linux_driver::prelude::*;
use linux_driver::sync::Mutex;
use linux_driver::{new_mutex, pr_info};

use crate::player::Player;

/// The kind of a toy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A toy that can be played with.
    Ball,
    /// A toy that cannot be played with at first.
    Kite,
    /// A toy that can never be played with.
    Shard,
    /// A toy for which the bus has no driver.
    Stone,
}

impl Kind {
    fn from_text(text: &[u8]) -> Result<Self> {
        match text.trim_ascii() {
            b"ball" => Ok(Self::Ball),
            b"kite" => Ok(Self::Kite),
            b"shard" => Ok(Self::Shard),
            b"stone" => Ok(Self::Stone),
            _ => Err(EINVAL),
        }
    }

    fn modalias(self) -> &'static CStr {
        match self {
            Self::Ball => c"toy:ball",
            Self::Kite => c"toy:kite",
            Self::Shard => c"toy:shard",
            Self::Stone => c"toy:stone",
        }
    }
}

/// The bus's data for a toy.
pub(crate) struct Toy {
    pub(crate) kind: Kind,
    /// Set once the bus has asked a driver to take it.
    pub(crate) asked: AtomicBool,
}

impl Drop for Toy {
    fn drop(&mut self) {
        pr_info!("a toy is destroyed");
    }
}

/// The maximum number of toys.
const TOYS: usize = 4;

/// The bus. Its devices are dropped first, while the driver is still registered. Then the driver is
/// dropped, then the bus itself.
#[pin_data]
pub(crate) struct Toys {
    #[pin]
    toys: Mutex<[Option<DeviceRegistration<Toys>>; TOYS]>,
    #[pin]
    _player: driver::Registration<bus::Adapter<Player>>,
}

#[vtable]
impl BusType for Toys {
    const NAME: &'static CStr = c"rust_toys";
    type DeviceData = Toy;
    type DeviceId = Kind;
    const ATTRIBUTES: &'static [Attr<Self>] =
        &[bus::attribute::<New>(), bus::attribute::<Delete>()];

    fn init(_module: &'static ThisModule, bus: &Handle<Self>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            toys <- new_mutex!([const { None }; TOYS]),
            _player <- driver::Registration::on(bus),
        })
    }

    fn match_id(dev: &Device<Self>, id: &Kind) -> bool {
        dev.data().kind == *id
    }

    fn uevent(dev: &Device<Self>, env: &mut UeventEnv<'_>) -> Result {
        env.add(c"MODALIAS", dev.data().kind.modalias())
    }

    fn probe(dev: &Device<Self>) -> Result {
        dev_info!(dev, "taken out of the box");
        Ok(())
    }

    fn remove(dev: &Device<Self>) {
        dev_info!(dev, "put back into the box");
    }
}

/// `new_device`: adds a toy of the kind that is written.
struct New;

#[vtable]
impl bus::Attribute for New {
    type Bus = Toys;
    const NAME: &'static CStr = c"new_device";

    fn store(bus: &Registration<Toys>, text: &[u8]) -> Result {
        let kind = Kind::from_text(text)?;
        let mut toys = bus.toys.lock();
        let (number, place) = toys
            .iter_mut()
            .enumerate()
            .find(|(_, toy)| toy.is_none())
            .ok_or(ENOSPC)?;
        let toy = Toy {
            kind,
            asked: AtomicBool::new(false),
        };
        *place = Some(NewDevice::new(bus.handle(), c"toy", Some(number as u32), toy)?.register()?);
        Ok(())
    }
}

/// `delete_device`: removes the toy whose number is written.
struct Delete;

#[vtable]
impl bus::Attribute for Delete {
    type Bus = Toys;
    const NAME: &'static CStr = c"delete_device";

    fn store(bus: &Registration<Toys>, text: &[u8]) -> Result {
        let [digit @ b'0'..=b'9'] = text.trim_ascii() else {
            return Err(EINVAL);
        };
        let number = usize::from(digit.wrapping_sub(b'0'));
        let toy = bus.toys.lock().get_mut(number).and_then(Option::take);
        // The toy is dropped here, after the lock was released.
        drop(toy.ok_or(ENODEV)?);
        Ok(())
    }
}
