// SPDX-License-Identifier: GPL-2.0-only
/* The shims. Each is one line of C. shims.h explains what they are for. */
#include "shims_used.h"

/*
 * In a driver in C most of these are inline functions, which ftrace does not trace either.
 */
#define SHIM(name) __PASTE(SHIM_, __is_defined(LINUX_DRIVER_USES_##name))
#define SHIM_1 notrace
#define SHIM_0 static __maybe_unused

#include "wrapper.h"
#include <linux/sched/task.h>

SHIM(kmalloc) void *linux_driver_kmalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags);
}

SHIM(krealloc) void *linux_driver_krealloc(const void *memory, size_t size, gfp_t flags)
{
	return krealloc(memory, size, flags);
}

SHIM(kvmalloc) void *linux_driver_kvmalloc(size_t size, gfp_t flags)
{
	return kvmalloc(size, flags);
}

SHIM(vmalloc) void *linux_driver_vmalloc(size_t size, gfp_t flags)
{
	return __vmalloc(size, flags);
}

SHIM(mutex_init) void linux_driver_mutex_init(struct mutex *lock, const char *name,
				struct lock_class_key *key)
{
	__mutex_init(lock, name, key);
}

SHIM(mutex_lock) void linux_driver_mutex_lock(struct mutex *lock)
{
	mutex_lock(lock);
}

SHIM(mutex_lock_interruptible) int linux_driver_mutex_lock_interruptible(struct mutex *lock)
{
	return mutex_lock_interruptible(lock);
}

SHIM(mutex_lock_killable) int linux_driver_mutex_lock_killable(struct mutex *lock)
{
	return mutex_lock_killable(lock);
}

SHIM(mutex_trylock) int linux_driver_mutex_trylock(struct mutex *lock)
{
	return mutex_trylock(lock);
}

/* The macro would give all locks of a module one class. Here each caller passes its own. */
SHIM(spin_lock_init) void linux_driver_spin_lock_init(struct spinlock *lock, const char *name,
				struct lock_class_key *key)
{
	spin_lock_init(lock);
	lockdep_set_class_and_name(lock, key, name);
}

SHIM(spin_lock) void linux_driver_spin_lock(struct spinlock *lock)
{
	spin_lock(lock);
}

SHIM(spin_trylock) int linux_driver_spin_trylock(struct spinlock *lock)
{
	return spin_trylock(lock);
}

SHIM(spin_unlock) void linux_driver_spin_unlock(struct spinlock *lock)
{
	spin_unlock(lock);
}

SHIM(spin_lock_irqsave) unsigned long linux_driver_spin_lock_irqsave(struct spinlock *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

SHIM(spin_unlock_irqrestore) void linux_driver_spin_unlock_irqrestore(struct spinlock *lock,
				unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}

SHIM(rcu_read_lock) void linux_driver_rcu_read_lock(void)
{
	rcu_read_lock();
}

SHIM(rcu_read_unlock) void linux_driver_rcu_read_unlock(void)
{
	rcu_read_unlock();
}

/* With preemption this is a function, otherwise a macro for synchronize_rcu(). */
SHIM(synchronize_rcu_tasks) void linux_driver_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

#ifdef CONFIG_LOCKDEP
#define LINUX_DRIVER_SET_WORK_CLASS(work, name, key) \
	lockdep_init_map(&(work)->lockdep_map, name, key, 0)
#else
#define LINUX_DRIVER_SET_WORK_CLASS(work, name, key) do { (void)(name); (void)(key); } while (0)
#endif

/* A macro that reads a per-CPU variable. */
SHIM(current) struct task_struct *linux_driver_current(void)
{
	return current;
}

/*
 * The lock of the list of devices whose callbacks take turns. It is here because a static mutex
 * needs C's initialiser.
 */
static __maybe_unused DEFINE_MUTEX(linux_driver_turns);

SHIM(turns_lock) void linux_driver_turns_lock(void)
{
	mutex_lock(&linux_driver_turns);
}

SHIM(turns_unlock) void linux_driver_turns_unlock(void)
{
	mutex_unlock(&linux_driver_turns);
}

/*
 * Returns true if a device's folder in sysfs contains this name. A device that is being bound has
 * a folder.
 */
SHIM(sysfs_has) bool linux_driver_sysfs_has(struct device *dev, const char *name)
{
	struct kernfs_node *found = kernfs_find_and_get(dev->kobj.sd, name);

	kernfs_put(found);
	return found != NULL;
}

/*
 * The gates of misc devices, as lockdep sees them: one map for all of a module. Entering does not
 * wait, like a trylock. Closing waits for the operations inside. kernfs describes its files to
 * lockdep in the same way.
 */
#ifdef CONFIG_LOCKDEP
static struct lock_class_key linux_driver_gate_key;
static struct lockdep_map __maybe_unused linux_driver_gate_map =
	STATIC_LOCKDEP_MAP_INIT("miscdevice_gate", &linux_driver_gate_key);
#endif

SHIM(gate_enter) void linux_driver_gate_enter(void)
{
#ifdef CONFIG_LOCKDEP
	lock_acquire_shared_recursive(&linux_driver_gate_map, 0, 1, NULL, _THIS_IP_);
#endif
}

SHIM(gate_close) void linux_driver_gate_close(void)
{
#ifdef CONFIG_LOCKDEP
	lock_acquire_exclusive(&linux_driver_gate_map, 0, 0, NULL, _THIS_IP_);
#endif
}

/* Undoes gate_enter and gate_close. */
SHIM(gate_leave) void linux_driver_gate_leave(void)
{
#ifdef CONFIG_LOCKDEP
	lock_release(&linux_driver_gate_map, _THIS_IP_);
#endif
}

SHIM(init_work) void linux_driver_init_work(struct work_struct *work,
				void (*func)(struct work_struct *), const char *name,
				struct lock_class_key *key)
{
	INIT_WORK(work, func);
	LINUX_DRIVER_SET_WORK_CLASS(work, name, key);
}

SHIM(init_delayed_work) void linux_driver_init_delayed_work(struct delayed_work *work,
				void (*func)(struct work_struct *), const char *name,
				struct lock_class_key *key)
{
	INIT_DELAYED_WORK(work, func);
	LINUX_DRIVER_SET_WORK_CLASS(&work->work, name, key);
}

/*
 * These queues were renamed. Kernels that export the new names deprecate the old ones. The
 * preprocessor does not know which variables exist, so only a weak reference can find out.
 */
extern struct workqueue_struct *system_percpu_wq __weak;
extern struct workqueue_struct *system_dfl_wq __weak;

SHIM(system_wq) struct workqueue_struct *linux_driver_system_wq(void)
{
	return &system_percpu_wq ? system_percpu_wq : system_wq;
}

SHIM(system_unbound_wq) struct workqueue_struct *linux_driver_system_unbound_wq(void)
{
	return &system_dfl_wq ? system_dfl_wq : system_unbound_wq;
}

SHIM(alloc_workqueue) struct workqueue_struct *linux_driver_alloc_workqueue(const char *name,
				unsigned int flags, int max_active)
{
	return alloc_workqueue("%s", flags, max_active, name);
}

SHIM(alloc_ordered_workqueue) struct workqueue_struct *linux_driver_alloc_ordered_workqueue(
				const char *name, unsigned int flags)
{
	return alloc_ordered_workqueue("%s", flags, name);
}

SHIM(current_work) struct work_struct *linux_driver_current_work(void)
{
	return current_work();
}

SHIM(cancel_delayed_work) bool linux_driver_cancel_delayed_work(struct delayed_work *work)
{
	return cancel_delayed_work(work);
}

SHIM(memcpy_fromio) void linux_driver_memcpy_fromio(void *to, const void *from, size_t count)
{
	memcpy_fromio(to, (const void __iomem *)from, count);
}

SHIM(memcpy_toio) void linux_driver_memcpy_toio(void *to, const void *from, size_t count)
{
	memcpy_toio((void __iomem *)to, from, count);
}

SHIM(pci_dev_id) u16 linux_driver_pci_dev_id(struct pci_dev *pdev)
{
	return pci_dev_id(pdev);
}

SHIM(usleep_range) void linux_driver_usleep_range(unsigned long min_us, unsigned long max_us)
{
	usleep_range(min_us, max_us);
}

SHIM(ktime_get_ns) s64 linux_driver_ktime_get_ns(void)
{
	return ktime_get_ns();
}

static_assert(sizeof(struct ratelimit_state) <= sizeof(struct linux_driver_ratelimit));

/* Does what DEFINE_RATELIMIT_STATE does with the defaults. */
SHIM(ratelimit_init) void linux_driver_ratelimit_init(struct linux_driver_ratelimit *rs)
{
	ratelimit_state_init((struct ratelimit_state *)rs, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
}

SHIM(ratelimit) int linux_driver_ratelimit(struct linux_driver_ratelimit *rs, const char *func)
{
	return ___ratelimit((struct ratelimit_state *)rs, func);
}

/*
 * Registers for the module that this is linked into. The function behind the macro takes the
 * module's name in some kernels but not in others.
 */
SHIM(platform_driver_register) int linux_driver_platform_driver_register(
				struct platform_driver *drv)
{
	return platform_driver_register(drv);
}

SHIM(get_user_1) int linux_driver_get_user_1(unsigned char *value, const void *from)
{
	return get_user(*value, (const unsigned char __user *)from);
}

SHIM(get_user_2) int linux_driver_get_user_2(unsigned short *value, const void *from)
{
	return get_user(*value, (const unsigned short __user *)from);
}

SHIM(get_user_4) int linux_driver_get_user_4(unsigned int *value, const void *from)
{
	return get_user(*value, (const unsigned int __user *)from);
}

SHIM(get_user_8) int linux_driver_get_user_8(unsigned long long *value, const void *from)
{
	return get_user(*value, (const unsigned long long __user *)from);
}

SHIM(put_user_1) int linux_driver_put_user_1(unsigned char value, void *to)
{
	return put_user(value, (unsigned char __user *)to);
}

SHIM(put_user_2) int linux_driver_put_user_2(unsigned short value, void *to)
{
	return put_user(value, (unsigned short __user *)to);
}

SHIM(put_user_4) int linux_driver_put_user_4(unsigned int value, void *to)
{
	return put_user(value, (unsigned int __user *)to);
}

SHIM(put_user_8) int linux_driver_put_user_8(unsigned long long value, void *to)
{
	return put_user(value, (unsigned long long __user *)to);
}

SHIM(poll_wait) void linux_driver_poll_wait(struct file *file, struct wait_queue_head *queue,
				struct poll_table_struct *table)
{
	poll_wait(file, queue, table);
}

SHIM(vma_flags) unsigned long linux_driver_vma_flags(const struct vm_area_struct *vma)
{
	return vma->vm_flags;
}

SHIM(vma_pages) unsigned long linux_driver_vma_pages(struct vm_area_struct *vma)
{
	return vma_pages(vma);
}

SHIM(vma_pgoff) unsigned long linux_driver_vma_pgoff(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff;
}

/*
 * Sets up an area for the frames from pfn, which the fault handler in ops inserts. Only the mmap()
 * operation of a file may call it, which has exclusive access to the area. The cast is what
 * vm_flags_init() does, where it exists. A device's memory is never encrypted, as in
 * io_remap_pfn_range(). Without VM_MAYWRITE, mprotect() cannot make the area writable.
 */
SHIM(vma_set_pfnmap) void linux_driver_vma_set_pfnmap(struct vm_area_struct *vma,
				const struct vm_operations_struct *ops, unsigned long pfn,
				bool noncached, bool writable)
{
	vm_flags_t *flags = (vm_flags_t *)&vma->vm_flags;

	*flags = (*flags | VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP) & ~VM_MAYEXEC;
	if (!writable)
		*flags &= ~VM_MAYWRITE;
	if (noncached)
		vma->vm_page_prot = pgprot_decrypted(pgprot_noncached(vma->vm_page_prot));
	vma->vm_private_data = (void *)pfn;
	vma->vm_ops = ops;
}

SHIM(vmf_file) struct file *linux_driver_vmf_file(const struct vm_fault *vmf)
{
	return vmf->vma->vm_file;
}

SHIM(vmf_insert_pfn) vm_fault_t linux_driver_vmf_insert_pfn(struct vm_fault *vmf)
{
	return vmf_insert_pfn(vmf->vma, vmf->address,
			      (unsigned long)vmf->vma->vm_private_data + vmf->pgoff);
}

SHIM(dma_map_single) int linux_driver_dma_map_single(struct device *dev, void *memory, size_t size,
				unsigned int direction, dma_addr_t *handle)
{
	*handle = dma_map_single(dev, memory, size, direction);
	return dma_mapping_error(dev, *handle);
}

SHIM(dma_sync_single_for_cpu) void linux_driver_dma_sync_single_for_cpu(struct device *dev,
				dma_addr_t handle, size_t size, unsigned int direction)
{
	dma_sync_single_for_cpu(dev, handle, size, direction);
}

SHIM(dma_sync_single_for_device) void linux_driver_dma_sync_single_for_device(struct device *dev,
				dma_addr_t handle, size_t size, unsigned int direction)
{
	dma_sync_single_for_device(dev, handle, size, direction);
}

SHIM(pcibios_err_to_errno) int linux_driver_pcibios_err_to_errno(int err)
{
	return pcibios_err_to_errno(err);
}

/* The position of the pointer, and whether it exists, depend on the configuration. */
SHIM(pci_physfn) struct pci_dev *linux_driver_pci_physfn(struct pci_dev *dev)
{
	return pci_physfn(dev);
}

/*
 * BUG() stores the name of its file in the module. Without this it would be the path of the folder
 * in which the module is built.
 */
#line __LINE__ "shims.c"
/*
 * A Rust panic ends here, after its message was printed. The task ends. A mutex that it holds keeps
 * a pointer to it as the owner, and a task that wants the mutex reads the owner's structure
 * (mutex_spin_on_owner(), rt_mutex_adjust_prio_chain()). So the structure must never be freed. This
 * does what get_task_struct() does, without its check of the count: a task raises the count only
 * once, when it ends.
 */
SHIM(bug) void linux_driver_bug(void)
{
	atomic_inc(&current->usage.refs);
	BUG();
}
