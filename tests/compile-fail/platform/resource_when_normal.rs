// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform::{self, Resource, ResourceType};
use linux_driver::prelude::*;

/// A device that is not known to be bound may be gone, and its resources with it.
pub fn ports(dev: &platform::Device<Normal>) -> Option<Resource> {
    dev.resource(ResourceType::Io, 0) //~ ERROR: no method named `resource` found
}
