// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform::{self, Resource, ResourceType};
use linux_driver::prelude::*;

/// Reads a resource of a device that may be gone, together with its resources.
pub fn ports(dev: &platform::Device<Normal>) -> Option<Resource> {
    dev.resource(ResourceType::Io, 0) //~ ERROR: no method named `resource` found
}
