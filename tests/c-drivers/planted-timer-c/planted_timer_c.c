// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frees memory that contains a pending timer. Wrong on purpose: debugobjects must report it before
 * the timer fires.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/timer.h>

struct planted {
	struct timer_list timer;
};

static void planted_fires(struct timer_list *timer)
{
}

static int __init planted_init(void)
{
	struct planted *planted = kzalloc(sizeof(*planted), GFP_KERNEL);

	if (!planted)
		return -ENOMEM;
	timer_setup(&planted->timer, planted_fires, 0);
	mod_timer(&planted->timer, jiffies + 600 * HZ);
	/* This is the bug. */
	kfree(planted);
	return 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The linux-driver developers");
MODULE_DESCRIPTION("Frees a timer that runs, on purpose");
