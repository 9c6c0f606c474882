// SPDX-License-Identifier: GPL-2.0-only
/* Warns when it is loaded. A test run that misses this warning would miss every other one. */
#include <linux/bug.h>
#include <linux/module.h>

static int __init warn_init(void)
{
	WARN(1, "planted\n");
	return 0;
}

static void __exit warn_exit(void)
{
}

module_init(warn_init);
module_exit(warn_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The linux-driver developers");
MODULE_DESCRIPTION("Warns when it is loaded");
