/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel offers as an inline function or a macro, or under a name that moves between kernels, as
 * functions that Rust can call. Not named rust_helper_*: kernels with CONFIG_RUST export symbols of that name.
 *
 * A module gets only the shims that its code calls: SHIM(name) makes a shim static, and so dropped by the
 * compiler, unless LINUX_DRIVER_USES_name is defined to 1.
 */
#ifndef LINUX_DRIVER_SHIMS_H
#define LINUX_DRIVER_SHIMS_H

/* A snapshot of the headers has the types already. */
#ifndef LINUX_DRIVER_SNAPSHOT
#include <linux/compiler.h>
#include <linux/kconfig.h>
#include <linux/types.h>
#endif

struct device;
struct pci_dev;

/* How a shim is linked; shims.c has its own idea of it. */
#ifndef SHIM
#define SHIM(name)
#endif

SHIM(bug) void linux_driver_bug(void);
SHIM(kmalloc) void *linux_driver_kmalloc(size_t size, gfp_t flags);
SHIM(pci_resource_len) resource_size_t linux_driver_pci_resource_len(struct pci_dev *pdev, int bar);
SHIM(usleep_range) void linux_driver_usleep_range(unsigned long min_us, unsigned long max_us);
SHIM(ktime_get_ns) s64 linux_driver_ktime_get_ns(void);

SHIM(pm_runtime_get_noresume) void linux_driver_pm_runtime_get_noresume(struct device *dev);
SHIM(pm_runtime_put_noidle) void linux_driver_pm_runtime_put_noidle(struct device *dev);
SHIM(pm_runtime_mark_last_busy) void linux_driver_pm_runtime_mark_last_busy(struct device *dev);

#endif
