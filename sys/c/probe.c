// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compiled, but never linked: shows what only an object file contains. MODULE_DEVICE_TABLE
 * (linux/module.h) gives a table a second name, by which modpost finds it. How that name is made
 * from the names of the type and of the table differs between kernels. With a wrong name, the
 * module has no aliases, and no tool reports that.
 */
#include <linux/mod_devicetable.h>
#include <linux/module.h>

static const struct pci_device_id linux_driver_table[1];
MODULE_DEVICE_TABLE(linux_driver_type, linux_driver_table);
