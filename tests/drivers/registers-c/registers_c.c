// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function for each accessor of registers, as ../registers/src/each.rs has them in Rust: kbuild/tests/mmio.rs compares
 * their instructions.
 */
#include <linux/io.h>
#include <linux/module.h>

/* As struct Mmio is in Rust. */
struct registers {
	u8 __iomem *base;
	unsigned long length;
};

#define EACH(read, write, type)						\
	type each_##read(const struct registers *registers);		\
	noinline type each_##read(const struct registers *registers)	\
	{								\
		return read(registers->base + 0x88);			\
	}								\
									\
	void each_##write(const struct registers *registers, type value); \
	noinline void each_##write(const struct registers *registers, type value) \
	{								\
		write(value, registers->base + 0x88);			\
	}

EACH(readb, writeb, u8)
EACH(readw, writew, u16)
EACH(readl, writel, u32)
EACH(readq, writeq, u64)
EACH(readb_relaxed, writeb_relaxed, u8)
EACH(readw_relaxed, writew_relaxed, u16)
EACH(readl_relaxed, writel_relaxed, u32)
EACH(readq_relaxed, writeq_relaxed, u64)

static int __init registers_init(void)
{
	return 0;
}

static void __exit registers_exit(void)
{
}

module_init(registers_init);
module_exit(registers_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The linux-driver developers");
MODULE_DESCRIPTION("Each accessor of registers");
