// SPDX-License-Identifier: GPL-2.0-only
#![no_std]

use linux_driver::workqueue;

fn wait_for_all() {
    workqueue::system_unbound().flush();
    //~^ ERROR: no method named `flush` found for reference `&'static Queue` in the current scope
}
