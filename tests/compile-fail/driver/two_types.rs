// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

linux_driver::module_pci_driver! {
    type: First,
    type: Second,
    //~^ ERROR: for several drivers, write a struct with a pinned `driver::Registration` for each
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
