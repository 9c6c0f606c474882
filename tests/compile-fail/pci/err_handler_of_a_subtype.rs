// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;

type Any = for<'a> fn(&'a ());
type One = fn(&'static ());

fn handlers_of_another_type(handlers: pci::ErrHandler<Any>) -> pci::ErrHandler<One> {
    handlers //~ ERROR: one type is more general than the other
}
