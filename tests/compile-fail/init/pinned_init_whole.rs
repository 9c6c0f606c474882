// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

/// Calls a macro that writes through any pointer.
pub fn write(slot: *mut (u8,)) {
    linux_driver::pinned_init::__init_internal!(init_slot(): @data(slot), @slot(slot), @guards(), @munch_fields(0: 1,),);
    //~^ ERROR: could not find `pinned_init` in `linux_driver`
}
