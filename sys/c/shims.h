/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shims: functions that Rust can call in place of the kernel's inline functions and macros,
 * and of functions whose names differ between kernels. They are not named rust_helper_*, because
 * kernels with CONFIG_RUST export symbols with such names.
 *
 * A module contains only the shims that its code calls. SHIM(name) makes a shim static, so that
 * the compiler drops it, unless LINUX_DRIVER_USES_name is defined to 1.
 */
#ifndef LINUX_DRIVER_SHIMS_H
#define LINUX_DRIVER_SHIMS_H

/* A snapshot of the headers declares these types itself. */
#ifndef LINUX_DRIVER_SNAPSHOT
#include <linux/compiler.h>
#include <linux/interrupt.h>
#include <linux/dma-mapping.h>
#include <linux/kconfig.h>
#include <linux/types.h>
#endif

struct device;
struct task_struct;
struct pci_dev;
struct platform_driver;
struct mutex;
struct spinlock;
struct lock_class_key;
struct work_struct;
struct delayed_work;
struct workqueue_struct;
struct file;
struct wait_queue_head;
struct poll_table_struct;
struct vm_area_struct;
struct vm_fault;
struct vm_operations_struct;

/* The linkage of a shim. shims.c defines it differently. */
#ifndef SHIM
#define SHIM(name)
#endif

SHIM(bug) void linux_driver_bug(void);
SHIM(kmalloc) void *linux_driver_kmalloc(size_t size, gfp_t flags);
SHIM(krealloc) void *linux_driver_krealloc(const void *memory, size_t size, gfp_t flags);
SHIM(kvmalloc) void *linux_driver_kvmalloc(size_t size, gfp_t flags);
SHIM(vmalloc) void *linux_driver_vmalloc(size_t size, gfp_t flags);
SHIM(mutex_init) void linux_driver_mutex_init(struct mutex *lock, const char *name,
				struct lock_class_key *key);
SHIM(mutex_lock) void linux_driver_mutex_lock(struct mutex *lock);
SHIM(mutex_lock_interruptible) int linux_driver_mutex_lock_interruptible(struct mutex *lock);
SHIM(mutex_lock_killable) int linux_driver_mutex_lock_killable(struct mutex *lock);
SHIM(mutex_trylock) int linux_driver_mutex_trylock(struct mutex *lock);
SHIM(spin_lock_init) void linux_driver_spin_lock_init(struct spinlock *lock, const char *name,
				struct lock_class_key *key);
SHIM(spin_lock) void linux_driver_spin_lock(struct spinlock *lock);
SHIM(spin_trylock) int linux_driver_spin_trylock(struct spinlock *lock);
SHIM(spin_unlock) void linux_driver_spin_unlock(struct spinlock *lock);
SHIM(spin_lock_irqsave) unsigned long linux_driver_spin_lock_irqsave(struct spinlock *lock);
SHIM(spin_unlock_irqrestore) void linux_driver_spin_unlock_irqrestore(struct spinlock *lock,
				unsigned long flags);
SHIM(rcu_read_lock) void linux_driver_rcu_read_lock(void);
SHIM(rcu_read_unlock) void linux_driver_rcu_read_unlock(void);
SHIM(synchronize_rcu_tasks) void linux_driver_synchronize_rcu_tasks(void);
SHIM(current) struct task_struct *linux_driver_current(void);
SHIM(turns_lock) void linux_driver_turns_lock(void);
SHIM(turns_unlock) void linux_driver_turns_unlock(void);
SHIM(sysfs_has) bool linux_driver_sysfs_has(struct device *dev, const char *name);
SHIM(gate_enter) void linux_driver_gate_enter(void);
SHIM(gate_close) void linux_driver_gate_close(void);
SHIM(gate_leave) void linux_driver_gate_leave(void);
SHIM(init_work) void linux_driver_init_work(struct work_struct *work,
				void (*func)(struct work_struct *), const char *name,
				struct lock_class_key *key);
SHIM(init_delayed_work) void linux_driver_init_delayed_work(struct delayed_work *work,
				void (*func)(struct work_struct *), const char *name,
				struct lock_class_key *key);
SHIM(system_wq) struct workqueue_struct *linux_driver_system_wq(void);
SHIM(system_unbound_wq) struct workqueue_struct *linux_driver_system_unbound_wq(void);
SHIM(alloc_workqueue) struct workqueue_struct *linux_driver_alloc_workqueue(const char *name,
				unsigned int flags, int max_active);
SHIM(alloc_ordered_workqueue) struct workqueue_struct *linux_driver_alloc_ordered_workqueue(
				const char *name, unsigned int flags);
/* These are functions in every kernel, but the snapshots do not have them. */
SHIM(current_work) struct work_struct *linux_driver_current_work(void);
SHIM(cancel_delayed_work) bool linux_driver_cancel_delayed_work(struct delayed_work *work);
/* Values of 1, 2, 4 or 8 bytes. */
SHIM(get_user_1) int linux_driver_get_user_1(unsigned char *value, const void *from);
SHIM(get_user_2) int linux_driver_get_user_2(unsigned short *value, const void *from);
SHIM(get_user_4) int linux_driver_get_user_4(unsigned int *value, const void *from);
SHIM(get_user_8) int linux_driver_get_user_8(unsigned long long *value, const void *from);
SHIM(put_user_1) int linux_driver_put_user_1(unsigned char value, void *to);
SHIM(put_user_2) int linux_driver_put_user_2(unsigned short value, void *to);
SHIM(put_user_4) int linux_driver_put_user_4(unsigned int value, void *to);
SHIM(put_user_8) int linux_driver_put_user_8(unsigned long long value, void *to);
SHIM(poll_wait) void linux_driver_poll_wait(struct file *file, struct wait_queue_head *queue,
				struct poll_table_struct *table);
SHIM(vma_flags) unsigned long linux_driver_vma_flags(const struct vm_area_struct *vma);
SHIM(vma_pages) unsigned long linux_driver_vma_pages(struct vm_area_struct *vma);
SHIM(vma_pgoff) unsigned long linux_driver_vma_pgoff(const struct vm_area_struct *vma);
SHIM(vma_set_pfnmap) void linux_driver_vma_set_pfnmap(struct vm_area_struct *vma,
				const struct vm_operations_struct *ops, unsigned long pfn,
				bool noncached, bool writable);
SHIM(vmf_file) struct file *linux_driver_vmf_file(const struct vm_fault *vmf);
SHIM(vmf_insert_pfn) vm_fault_t linux_driver_vmf_insert_pfn(struct vm_fault *vmf);
SHIM(pci_physfn) struct pci_dev *linux_driver_pci_physfn(struct pci_dev *dev);
/* Even where these are functions, the kernel's type information does not have all of them. */
SHIM(memcpy_fromio) void linux_driver_memcpy_fromio(void *to, const void *from, size_t count);
SHIM(memcpy_toio) void linux_driver_memcpy_toio(void *to, const void *from, size_t count);
SHIM(pci_dev_id) u16 linux_driver_pci_dev_id(struct pci_dev *pdev);
SHIM(usleep_range) void linux_driver_usleep_range(unsigned long min_us, unsigned long max_us);
SHIM(ktime_get_ns) s64 linux_driver_ktime_get_ns(void);

/*
 * Memory for a struct ratelimit_state. With lockdep its lock is larger. shims.c checks the size
 * against the kernel's structure.
 */
struct linux_driver_ratelimit {
#ifdef CONFIG_LOCKDEP
	unsigned long words[16];
#else
	unsigned long words[8];
#endif
};
SHIM(ratelimit_init) void linux_driver_ratelimit_init(struct linux_driver_ratelimit *rs);
SHIM(ratelimit) int linux_driver_ratelimit(struct linux_driver_ratelimit *rs, const char *func);

SHIM(platform_driver_register) int linux_driver_platform_driver_register(
				struct platform_driver *drv);
SHIM(pcibios_err_to_errno) int linux_driver_pcibios_err_to_errno(int err);

SHIM(dma_map_single) int linux_driver_dma_map_single(struct device *dev, void *memory, size_t size,
				unsigned int direction, dma_addr_t *handle);
SHIM(dma_sync_single_for_cpu) void linux_driver_dma_sync_single_for_cpu(struct device *dev,
				dma_addr_t handle, size_t size, unsigned int direction);
SHIM(dma_sync_single_for_device) void linux_driver_dma_sync_single_for_device(struct device *dev,
				dma_addr_t handle, size_t size, unsigned int direction);

#endif
