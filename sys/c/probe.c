// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compiled, never linked: what can only be seen in an object. MODULE_DEVICE_TABLE (linux/module.h) gives a table
 * a second name, by which modpost finds it; how that name is made of the type's and the table's differs between
 * kernels, and a wrong one silently gives a module without aliases.
 */
#include <linux/mod_devicetable.h>
#include <linux/module.h>

static const struct pci_device_id linux_driver_table[1];
MODULE_DEVICE_TABLE(linux_driver_type, linux_driver_table);
