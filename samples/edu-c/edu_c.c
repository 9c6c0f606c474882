// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for QEMU's edu device, in C: what samples/edu does, step by step the same.
 */
#include <linux/bits.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#define EDU_ID		0x00
#define EDU_LIVENESS	0x04
#define EDU_FACTORIAL	0x08
#define EDU_STATUS	0x20
#define EDU_LENGTH	0x100

#define EDU_STATUS_COMPUTING	BIT(0)

struct edu {
	struct pci_dev *pdev;
	void __iomem *regs;
};

static int edu_identify(struct edu *edu)
{
	u32 id = readl(edu->regs + EDU_ID);

	if ((id & 0xffff) != 0x00ed) {
		dev_err(&edu->pdev->dev, "not an edu device: its identification is %#010x\n", id);
		return -ENODEV;
	}
	dev_info(&edu->pdev->dev, "edu device, version %u.%u\n", id >> 24, id >> 16 & 0xff);
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

static int edu_factorial(struct edu *edu, u32 n, u32 *result)
{
	u32 status;
	int ret;

	writel(n, edu->regs + EDU_FACTORIAL);
	ret = readl_poll_timeout(edu->regs + EDU_STATUS, status, !(status & EDU_STATUS_COMPUTING), 100, 1000000);
	if (ret)
		return ret;
	*result = readl(edu->regs + EDU_FACTORIAL);
	return 0;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu;
	u32 result;
	int ret;

	edu = kmalloc(sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;

	ret = pcim_enable_device(pdev);
	if (ret)
		goto free;
	if (pci_resource_len(pdev, 0) < EDU_LENGTH) {
		dev_err(&pdev->dev, "BAR 0 has %llu bytes, the driver needs %u\n",
			(unsigned long long)pci_resource_len(pdev, 0), EDU_LENGTH);
		ret = -EINVAL;
		goto free;
	}
	edu->regs = devm_ioremap_resource(&pdev->dev, &pdev->resource[0]);
	if (IS_ERR(edu->regs)) {
		ret = PTR_ERR(edu->regs);
		goto free;
	}

	ret = edu_identify(edu);
	if (ret)
		goto free;
	ret = edu_check_alive(edu);
	if (ret)
		goto free;
	ret = edu_factorial(edu, 10, &result);
	if (ret)
		goto free;
	dev_info(&pdev->dev, "factorial(%u) = %u\n", 10, result);
	pci_set_drvdata(pdev, edu);
	return 0;

free:
	kfree(edu);
	return ret;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	dev_info(&pdev->dev, "edu device, removed (%#010x)\n", readl(edu->regs + EDU_ID));
	kfree(edu);
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
};
module_pci_driver(edu_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The linux-driver developers");
MODULE_DESCRIPTION("QEMU's edu device, in C");
