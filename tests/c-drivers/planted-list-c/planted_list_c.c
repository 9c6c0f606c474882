// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deletes an element from its list twice. Wrong on purpose: the list checks must report the second
 * time.
 */
#include <linux/list.h>
#include <linux/module.h>

static LIST_HEAD(list);
static struct list_head element;

static int __init planted_init(void)
{
	list_add(&element, &list);
	list_del(&element);
	/* This is the bug. */
	list_del(&element);
	return 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The linux-driver developers");
MODULE_DESCRIPTION("Takes an element out of its list twice, on purpose");
