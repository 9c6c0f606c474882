// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leaves its memory mapped for a device when it is unbound from it. Wrong on purpose: the checks of
 * DMA mappings must report it.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

static int planted_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	dma_addr_t handle;
	void *memory;
	int ret;

	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	if (ret)
		return ret;
	/* The memory stays allocated until the machine ends, as the mapping does. */
	memory = kmalloc(PAGE_SIZE, GFP_KERNEL | GFP_DMA);
	if (!memory)
		return -ENOMEM;
	handle = dma_map_single(&pdev->dev, memory, PAGE_SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(&pdev->dev, handle)) {
		kfree(memory);
		return -ENOMEM;
	}
	/* Nobody unmaps it. This is the bug. */
	return 0;
}

static const struct pci_device_id planted_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, planted_ids);

static struct pci_driver planted_driver = {
	.name = KBUILD_MODNAME,
	.id_table = planted_ids,
	.probe = planted_probe,
};
module_pci_driver(planted_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The linux-driver developers");
MODULE_DESCRIPTION("Leaves its memory mapped, on purpose");
