// SPDX-License-Identifier: GPL-2.0-only
/* A driver for QEMU's edu device, in C. It does the same as samples/edu, step by step. */
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/ioctl.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

/* Registers: QEMU's docs/specs/edu.rst. */
#define EDU_ID			0x00
#define EDU_LIVENESS		0x04
#define EDU_FACTORIAL		0x08
#define EDU_FACTORIAL_MAX	12
#define EDU_STATUS		0x20
#define EDU_STATUS_RAISE	BIT(7)
#define EDU_INTERRUPT_STATUS	0x24
/*
 * The known reasons. Bit 0: a factorial is computed, or the driver raised it. Bit 8: a transfer has
 * ended. Nobody waits for other reasons.
 */
#define EDU_INTERRUPT_KNOWN	(BIT(0) | BIT(8))
#define EDU_INTERRUPT_RAISE	0x60
#define EDU_INTERRUPT_ACK	0x64
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_DESTINATION	0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_RUN		BIT(0)
#define EDU_DMA_FROM_DEVICE	BIT(1)
#define EDU_DMA_INTERRUPT	BIT(2)
#define EDU_LENGTH		0x100

/*
 * The device's own memory, which only DMA reaches. It has 4096 bytes, but QEMU refuses a transfer
 * that reaches the last one.
 */
#define EDU_MEMORY		0x40000
#define EDU_MEMORY_LENGTH	4095

#define EDU_TIMEOUT_MS		2000
#define EDU_AUTOSUSPEND_MS	50

#define EDU_IOC_ID		_IOR('e', 0, u32)
#define EDU_IOC_FACTORIAL	_IOWR('e', 1, u32)
#define EDU_IOC_INTERRUPT	_IO('e', 2)

/* dev_info(), but silent with this feature, as in samples/edu. */
#ifdef FEATURE_QUIET
#define edu_say(dev, fmt, ...)	({ (void)(dev); no_printk(fmt, ##__VA_ARGS__); })
#else
#define edu_say			dev_info
#endif

/* A value of `active`: the device is being unbound and no operation may start. */
#define EDU_CLOSED		INT_MIN

struct edu {
	struct kref kref;
	struct pci_dev *pdev;
	void __iomem *regs;
	u8 *buffer;
	dma_addr_t buffer_dma;
	/* Held during one computation or transfer. */
	struct mutex lock;
	/* The device timed out: nobody waits for what it does from now on. */
	bool lost;
	struct completion done;
	atomic_t runs;
	atomic_t sleeps;
	struct miscdevice misc;
	char name[32];
	/* The number of running operations of open files. */
	atomic_t active;
	wait_queue_head_t drained;
};

static void edu_free(struct kref *kref)
{
	kfree(container_of(kref, struct edu, kref));
}

/*
 * Open files outlive the binding. Each operation checks that the device is still bound, and delays
 * remove() until the operation has ended.
 */
static int edu_enter(struct edu *edu)
{
	return atomic_inc_unless_negative(&edu->active) ? 0 : -ENODEV;
}

static void edu_leave(struct edu *edu)
{
	if (unlikely(atomic_dec_return(&edu->active) == EDU_CLOSED))
		wake_up(&edu->drained);
}

static irqreturn_t edu_interrupt(int irq, void *data)
{
	struct edu *edu = data;
	u32 status = readl(edu->regs + EDU_INTERRUPT_STATUS);

	if (!status || status == ~0u)
		return IRQ_NONE;
	writel(status, edu->regs + EDU_INTERRUPT_ACK);
	if (status & EDU_INTERRUPT_KNOWN)
		complete(&edu->done);
	return IRQ_HANDLED;
}

/* Prepares to start an operation that ends with an interrupt. */
static int edu_begin(struct edu *edu)
{
	if (edu->lost)
		return -EIO;
	reinit_completion(&edu->done);
	return 0;
}

/* Not interruptible: the device would go on, and write to memory that has been freed. */
static int edu_wait(struct edu *edu)
{
	if (wait_for_completion_timeout(&edu->done, msecs_to_jiffies(EDU_TIMEOUT_MS)))
		return 0;
	edu->lost = true;
	return -ETIMEDOUT;
}

static int edu_factorial(struct edu *edu, u32 n, u32 *result)
{
	int ret;

	mutex_lock(&edu->lock);
	ret = edu_begin(edu);
	if (ret)
		goto unlock;
	writel(EDU_STATUS_RAISE, edu->regs + EDU_STATUS);
	writel(n, edu->regs + EDU_FACTORIAL);
	ret = edu_wait(edu);
	if (!ret) {
		*result = readl(edu->regs + EDU_FACTORIAL);
		atomic_inc(&edu->runs);
	}
unlock:
	mutex_unlock(&edu->lock);
	return ret;
}

static int edu_raise(struct edu *edu)
{
	int ret;

	mutex_lock(&edu->lock);
	ret = edu_begin(edu);
	if (ret)
		goto unlock;
	writel(1, edu->regs + EDU_INTERRUPT_RAISE);
	ret = edu_wait(edu);
unlock:
	mutex_unlock(&edu->lock);
	return ret;
}

/* The caller holds the lock. */
static int edu_transfer(struct edu *edu, u64 source, u64 destination, u32 count, u32 direction)
{
	int ret = edu_begin(edu);

	if (ret)
		return ret;
	writeq(source, edu->regs + EDU_DMA_SOURCE);
	writeq(destination, edu->regs + EDU_DMA_DESTINATION);
	writeq(count, edu->regs + EDU_DMA_COUNT);
	writel(direction | EDU_DMA_RUN | EDU_DMA_INTERRUPT, edu->regs + EDU_DMA_COMMAND);
	return edu_wait(edu);
}

static struct edu *edu_of(struct file *file)
{
	/* misc_open() put the misc device there. */
	return container_of(file->private_data, struct edu, misc);
}

static int edu_open(struct inode *inode, struct file *file)
{
	kref_get(&edu_of(file)->kref);
	return 0;
}

static int edu_release(struct inode *inode, struct file *file)
{
	kref_put(&edu_of(file)->kref, edu_free);
	return 0;
}

static long edu_ioctl_bound(struct edu *edu, unsigned int cmd, unsigned long arg)
{
	u32 __user *user = (u32 __user *)arg;
	u32 value;
	int ret;

	switch (cmd) {
	case EDU_IOC_ID:
		return put_user(readl(edu->regs + EDU_ID), user);
	case EDU_IOC_FACTORIAL:
		if (get_user(value, user))
			return -EFAULT;
		/* While the device computes a factorial of four billion, it serves nobody else. */
		if (value > EDU_FACTORIAL_MAX)
			return -EINVAL;
		ret = edu_factorial(edu, value, &value);
		return ret ?: put_user(value, user);
	case EDU_IOC_INTERRUPT:
		return edu_raise(edu);
	default:
		return -ENOTTY;
	}
}

static long edu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct edu *edu = edu_of(file);
	struct device *dev;
	long ret;

	ret = edu_enter(edu);
	if (ret)
		return ret;
	dev = &edu->pdev->dev;
	ret = pm_runtime_resume_and_get(dev);
	if (!ret) {
		ret = edu_ioctl_bound(edu, cmd, arg);
		pm_runtime_mark_last_busy(dev);
		pm_runtime_put_autosuspend(dev);
	}
	edu_leave(edu);
	return ret;
}

static ssize_t edu_read_bound(struct edu *edu, char __user *user, size_t size, loff_t *offset)
{
	size_t count;
	ssize_t ret;

	if (*offset < 0 || *offset >= EDU_MEMORY_LENGTH)
		return 0;
	count = min_t(size_t, size, EDU_MEMORY_LENGTH - *offset);
	if (!count)
		return 0;
	mutex_lock(&edu->lock);
	ret = edu_transfer(edu, EDU_MEMORY + *offset, edu->buffer_dma, count, EDU_DMA_FROM_DEVICE);
	if (!ret && copy_to_user(user, edu->buffer, count))
		ret = -EFAULT;
	mutex_unlock(&edu->lock);
	if (ret)
		return ret;
	*offset += count;
	return count;
}

static ssize_t edu_write_bound(struct edu *edu, const char __user *user, size_t size, loff_t *offset)
{
	size_t count;
	ssize_t ret = 0;

	if (*offset < 0 || *offset >= EDU_MEMORY_LENGTH)
		return -ENOSPC;
	count = min_t(size_t, size, EDU_MEMORY_LENGTH - *offset);
	if (!count)
		return 0;
	mutex_lock(&edu->lock);
	if (copy_from_user(edu->buffer, user, count))
		ret = -EFAULT;
	if (!ret)
		ret = edu_transfer(edu, edu->buffer_dma, EDU_MEMORY + *offset, count, 0);
	mutex_unlock(&edu->lock);
	if (ret)
		return ret;
	*offset += count;
	return count;
}

static ssize_t edu_read(struct file *file, char __user *user, size_t size, loff_t *offset)
{
	struct edu *edu = edu_of(file);
	struct device *dev;
	ssize_t ret;

	ret = edu_enter(edu);
	if (ret)
		return ret;
	dev = &edu->pdev->dev;
	ret = pm_runtime_resume_and_get(dev);
	if (!ret) {
		ret = edu_read_bound(edu, user, size, offset);
		pm_runtime_mark_last_busy(dev);
		pm_runtime_put_autosuspend(dev);
	}
	edu_leave(edu);
	return ret;
}

static ssize_t edu_write(struct file *file, const char __user *user, size_t size, loff_t *offset)
{
	struct edu *edu = edu_of(file);
	struct device *dev;
	ssize_t ret;

	ret = edu_enter(edu);
	if (ret)
		return ret;
	dev = &edu->pdev->dev;
	ret = pm_runtime_resume_and_get(dev);
	if (!ret) {
		ret = edu_write_bound(edu, user, size, offset);
		pm_runtime_mark_last_busy(dev);
		pm_runtime_put_autosuspend(dev);
	}
	edu_leave(edu);
	return ret;
}

static const struct file_operations edu_fops = {
	.owner = THIS_MODULE,
	.open = edu_open,
	.release = edu_release,
	.read = edu_read,
	.write = edu_write,
	.unlocked_ioctl = edu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static ssize_t runs_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct edu *edu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", atomic_read(&edu->runs));
}
static DEVICE_ATTR_RO(runs);

static ssize_t sleeps_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct edu *edu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", atomic_read(&edu->sleeps));
}
static DEVICE_ATTR_RO(sleeps);

static struct attribute *edu_attrs[] = {
	&dev_attr_runs.attr,
	&dev_attr_sleeps.attr,
	NULL
};
ATTRIBUTE_GROUPS(edu);

static int edu_runtime_suspend(struct device *dev)
{
	struct edu *edu = dev_get_drvdata(dev);

	atomic_inc(&edu->sleeps);
	return 0;
}

static const struct dev_pm_ops edu_pm = {
	.runtime_suspend = edu_runtime_suspend,
};

static int edu_identify(struct edu *edu)
{
	u32 id = readl(edu->regs + EDU_ID);

	if ((id & 0xffff) != 0x00ed) {
		dev_err(&edu->pdev->dev, "not an edu device: its identification is %#010x\n", id);
		return -ENODEV;
	}
	edu_say(&edu->pdev->dev, "edu device, version %u.%u\n", id >> 24, id >> 16 & 0xff);
	return 0;
}

static int edu_check_alive(struct edu *edu)
{
	const u32 pattern = 0x1234abcd;
	u32 answer;

	writel(pattern, edu->regs + EDU_LIVENESS);
	answer = readl(edu->regs + EDU_LIVENESS);
	if (answer != ~pattern) {
		dev_err(&edu->pdev->dev, "the device is not alive: it answers %#010x\n", answer);
		return -EIO;
	}
	return 0;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct edu *edu;
	u32 result;
	int irq, ret;

	edu = kzalloc(sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	kref_init(&edu->kref);
	edu->pdev = pdev;
	mutex_init(&edu->lock);
	init_completion(&edu->done);
	init_waitqueue_head(&edu->drained);
	pci_set_drvdata(pdev, edu);

	ret = pcim_enable_device(pdev);
	if (ret)
		goto put;
	pci_set_master(pdev);
	/* The device can address 28 bits. */
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(28));
	if (ret)
		goto put;
	if (pci_resource_len(pdev, 0) < EDU_LENGTH) {
		dev_err(dev, "BAR %d has %llu bytes, the driver needs %u\n", 0,
			(unsigned long long)pci_resource_len(pdev, 0), EDU_LENGTH);
		ret = -EINVAL;
		goto put;
	}
	edu->regs = devm_ioremap_resource(dev, &pdev->resource[0]);
	if (IS_ERR(edu->regs)) {
		ret = PTR_ERR(edu->regs);
		goto put;
	}
	ret = edu_identify(edu);
	if (ret)
		goto put;
	ret = edu_check_alive(edu);
	if (ret)
		goto put;

	edu->buffer = dma_alloc_coherent(dev, EDU_MEMORY_LENGTH, &edu->buffer_dma, GFP_KERNEL);
	if (!edu->buffer) {
		ret = -ENOMEM;
		goto put;
	}
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (ret < 0)
		goto free_buffer;
	irq = pci_irq_vector(pdev, 0);
	ret = request_irq(irq, edu_interrupt, 0, "edu_c", edu);
	if (ret)
		goto free_buffer;

	ret = edu_factorial(edu, 10, &result);
	if (ret)
		goto free_irq;
	edu_say(dev, "factorial(%u) = %u\n", 10, result);
	pm_runtime_set_autosuspend_delay(dev, EDU_AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);

	snprintf(edu->name, sizeof(edu->name), "edu_c-%u", pci_dev_id(pdev));
	edu->misc.minor = MISC_DYNAMIC_MINOR;
	edu->misc.name = edu->name;
	edu->misc.fops = &edu_fops;
	edu->misc.parent = dev;
	ret = misc_register(&edu->misc);
	if (ret)
		goto free_irq;
	pm_runtime_put_noidle(dev);
	return 0;

free_irq:
	free_irq(irq, edu);
free_buffer:
	dma_free_coherent(dev, EDU_MEMORY_LENGTH, edu->buffer, edu->buffer_dma);
put:
	kref_put(&edu->kref, edu_free);
	return ret;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);
	struct device *dev = &pdev->dev;
	u32 id;

	pm_runtime_get_noresume(dev);
	pm_runtime_dont_use_autosuspend(dev);
	pm_runtime_barrier(dev);
	id = readl(edu->regs + EDU_ID);
	edu_say(dev, "edu device, removed (%#010x)\n", id);
	misc_deregister(&edu->misc);
	atomic_add(EDU_CLOSED, &edu->active);
	wait_event(edu->drained, atomic_read(&edu->active) == EDU_CLOSED);
	/* Whatever the device does by itself, it no longer reaches memory: the buffer can be freed. */
	pci_clear_master(pdev);
	free_irq(pci_irq_vector(pdev, 0), edu);
	dma_free_coherent(dev, EDU_MEMORY_LENGTH, edu->buffer, edu->buffer_dma);
	kref_put(&edu->kref, edu_free);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "edu_c",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
	.dev_groups = edu_groups,
	.driver.pm = &edu_pm,
};
module_pci_driver(edu_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The linux-driver developers");
MODULE_DESCRIPTION("QEMU's edu device, in C");
