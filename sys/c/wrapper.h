/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bindgen reads: the kernel's headers that the safe layer stands on, and our shims. Where there are no headers,
 * LINUX_DRIVER_SNAPSHOT names the kernel.h of a snapshot, which holds what is needed of them.
 */
#ifdef LINUX_DRIVER_SNAPSHOT

#include LINUX_DRIVER_SNAPSHOT
#include "shims.h"

#else

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mod_devicetable.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "shims.h"

/* Macros that bindgen cannot evaluate (casts to types that only sparse tells apart), as constants that it can. */
static const gfp_t LINUX_DRIVER_GFP_KERNEL = GFP_KERNEL;
static const gfp_t LINUX_DRIVER_GFP_ATOMIC = GFP_ATOMIC;

#endif
