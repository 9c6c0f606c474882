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
#include <linux/pm_runtime.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "shims.h"

/* Macros that bindgen cannot evaluate (casts to types that only sparse tells apart), as constants that it can. */
static const gfp_t LINUX_DRIVER_GFP_KERNEL = GFP_KERNEL;
static const gfp_t LINUX_DRIVER_GFP_ATOMIC = GFP_ATOMIC;
static const pci_channel_state_t LINUX_DRIVER_PCI_CHANNEL_IO_NORMAL = pci_channel_io_normal;
static const pci_channel_state_t LINUX_DRIVER_PCI_CHANNEL_IO_PERM_FAILURE = pci_channel_io_perm_failure;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_NONE = PCI_ERS_RESULT_NONE;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_CAN_RECOVER = PCI_ERS_RESULT_CAN_RECOVER;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_NEED_RESET = PCI_ERS_RESULT_NEED_RESET;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_DISCONNECT = PCI_ERS_RESULT_DISCONNECT;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_RECOVERED = PCI_ERS_RESULT_RECOVERED;

#endif
