/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The input of bindgen: the kernel's headers that the safe layer uses, and the shims. Without the
 * headers, LINUX_DRIVER_SNAPSHOT names the kernel.h of a snapshot, which contains the needed
 * parts of them.
 */
#ifdef LINUX_DRIVER_SNAPSHOT

#include LINUX_DRIVER_SNAPSHOT
#include "shims.h"

#else

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/interrupt.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mod_devicetable.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>
#include <linux/poll.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "shims.h"

/*
 * Constants for macros that bindgen cannot evaluate, because they cast to types that only sparse
 * distinguishes.
 */
static const gfp_t LINUX_DRIVER_GFP_KERNEL = GFP_KERNEL;
static const gfp_t LINUX_DRIVER_GFP_ATOMIC = GFP_ATOMIC;
/* Before 6.8 it had another name. */
#ifdef PCI_IRQ_INTX
static const unsigned int LINUX_DRIVER_PCI_IRQ_INTX = PCI_IRQ_INTX;
#else
static const unsigned int LINUX_DRIVER_PCI_IRQ_INTX = PCI_IRQ_LEGACY;
#endif
/* Older kernels do not have it: request_irq() sets nothing there. */
#ifdef IRQF_COND_ONESHOT
static const unsigned int LINUX_DRIVER_IRQF_COND_ONESHOT = IRQF_COND_ONESHOT;
#else
static const unsigned int LINUX_DRIVER_IRQF_COND_ONESHOT = 0;
#endif
static const pci_power_t LINUX_DRIVER_PCI_D0 = PCI_D0;
static const pci_power_t LINUX_DRIVER_PCI_D1 = PCI_D1;
static const pci_power_t LINUX_DRIVER_PCI_D2 = PCI_D2;
static const pci_power_t LINUX_DRIVER_PCI_D3HOT = PCI_D3hot;
static const pci_power_t LINUX_DRIVER_PCI_D3COLD = PCI_D3cold;
static const pci_channel_state_t LINUX_DRIVER_PCI_CHANNEL_IO_NORMAL = pci_channel_io_normal;
static const pci_channel_state_t LINUX_DRIVER_PCI_CHANNEL_IO_PERM_FAILURE =
	pci_channel_io_perm_failure;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_NONE = PCI_ERS_RESULT_NONE;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_CAN_RECOVER = PCI_ERS_RESULT_CAN_RECOVER;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_NEED_RESET = PCI_ERS_RESULT_NEED_RESET;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_DISCONNECT = PCI_ERS_RESULT_DISCONNECT;
static const pci_ers_result_t LINUX_DRIVER_PCI_ERS_RESULT_RECOVERED = PCI_ERS_RESULT_RECOVERED;
static const gfp_t LINUX_DRIVER_GFP_NOWAIT = GFP_NOWAIT;
static const gfp_t LINUX_DRIVER_GFP_NOIO = GFP_NOIO;
static const gfp_t LINUX_DRIVER_GFP_KERNEL_ACCOUNT = GFP_KERNEL_ACCOUNT;
static const gfp_t LINUX_DRIVER_GFP_ZERO = __GFP_ZERO;
static const gfp_t LINUX_DRIVER_GFP_NOWARN = __GFP_NOWARN;
static const fmode_t LINUX_DRIVER_FMODE_READ = FMODE_READ;
static const fmode_t LINUX_DRIVER_FMODE_WRITE = FMODE_WRITE;
static const vm_fault_t LINUX_DRIVER_VM_FAULT_SIGBUS = VM_FAULT_SIGBUS;
static const __poll_t LINUX_DRIVER_EPOLLIN = EPOLLIN;
static const __poll_t LINUX_DRIVER_EPOLLPRI = EPOLLPRI;
static const __poll_t LINUX_DRIVER_EPOLLOUT = EPOLLOUT;
static const __poll_t LINUX_DRIVER_EPOLLERR = EPOLLERR;
static const __poll_t LINUX_DRIVER_EPOLLHUP = EPOLLHUP;
static const __poll_t LINUX_DRIVER_EPOLLRDNORM = EPOLLRDNORM;
static const __poll_t LINUX_DRIVER_EPOLLWRNORM = EPOLLWRNORM;
static const __poll_t LINUX_DRIVER_EPOLLRDHUP = EPOLLRDHUP;
static const unsigned long LINUX_DRIVER_VM_READ = VM_READ;
static const unsigned long LINUX_DRIVER_VM_WRITE = VM_WRITE;
static const unsigned long LINUX_DRIVER_VM_EXEC = VM_EXEC;
static const unsigned long LINUX_DRIVER_VM_MAYSHARE = VM_MAYSHARE;
static const unsigned long LINUX_DRIVER_VM_MAYEXEC = VM_MAYEXEC;
static const unsigned long LINUX_DRIVER_VM_IO = VM_IO;
static const unsigned long LINUX_DRIVER_VM_PFNMAP = VM_PFNMAP;
static const unsigned long LINUX_DRIVER_VM_DONTEXPAND = VM_DONTEXPAND;
static const unsigned long LINUX_DRIVER_VM_DONTDUMP = VM_DONTDUMP;

/*
 * 1 if spin_lock() and similar functions do more than call _raw_spin_lock(). The headers declare
 * _raw_spin_lock() in any case. But where it is inlined, or where spinlock_t is another type, Rust
 * must not call the function.
 */
#if defined(CONFIG_SMP) && !defined(CONFIG_PREEMPT_RT) && \
	!defined(_raw_spin_lock) && !defined(_raw_spin_unlock) && \
	!defined(_raw_spin_trylock) && !defined(_raw_spin_lock_irqsave) && \
	!defined(_raw_spin_unlock_irqrestore)
static const int LINUX_DRIVER_SPIN_INLINE = 0;
#else
static const int LINUX_DRIVER_SPIN_INLINE = 1;
#endif

/* The macro is defined twice, for user space and for the kernel. bindgen would use the first. */
static const int LINUX_DRIVER_HZ = HZ;

/* Constants of enums that have a name in some kernels and are anonymous in others. */
static const int LINUX_DRIVER_CPU_UNBOUND = WORK_CPU_UNBOUND;
static const int LINUX_DRIVER_WQ_UNBOUND = WQ_UNBOUND;
static const int LINUX_DRIVER_WQ_FREEZABLE = WQ_FREEZABLE;
static const int LINUX_DRIVER_WQ_MEM_RECLAIM = WQ_MEM_RECLAIM;
static const int LINUX_DRIVER_WQ_HIGHPRI = WQ_HIGHPRI;

#endif
