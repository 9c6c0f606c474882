// SPDX-License-Identifier: GPL-2.0-only
/* The shims: one line of C each. What they are for stands in shims.h. */
#include "shims_used.h"

#define SHIM(name) __PASTE(SHIM_, __is_defined(LINUX_DRIVER_USES_##name))
#define SHIM_1
#define SHIM_0 static __maybe_unused

#include "wrapper.h"

/* A Rust panic ends here, after its message was printed. */
SHIM(bug) void linux_driver_bug(void)
{
	BUG();
}

SHIM(kmalloc) void *linux_driver_kmalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags);
}

SHIM(pci_resource_len) resource_size_t linux_driver_pci_resource_len(struct pci_dev *pdev, int bar)
{
	return pci_resource_len(pdev, bar);
}

SHIM(usleep_range) void linux_driver_usleep_range(unsigned long min_us, unsigned long max_us)
{
	usleep_range(min_us, max_us);
}

SHIM(ktime_get_ns) s64 linux_driver_ktime_get_ns(void)
{
	return ktime_get_ns();
}

SHIM(pm_runtime_get_noresume) void linux_driver_pm_runtime_get_noresume(struct device *dev)
{
	pm_runtime_get_noresume(dev);
}

SHIM(pm_runtime_put_noidle) void linux_driver_pm_runtime_put_noidle(struct device *dev)
{
	pm_runtime_put_noidle(dev);
}

SHIM(pm_runtime_mark_last_busy) void linux_driver_pm_runtime_mark_last_busy(struct device *dev)
{
	pm_runtime_mark_last_busy(dev);
}
