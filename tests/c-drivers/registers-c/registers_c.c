// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function for each register accessor, like those in Rust in ../registers/src/each.rs.
 * kbuild/tests/mmio.rs compares their instructions.
 */
#include <linux/io.h>
#include <linux/module.h>

/* Same layout as struct Mmio in Rust. */
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

/* Same layout as struct Ports in Rust. */
struct ports {
	u16 start;
	u16 length;
};

#define EACH_PORT(in, out, type)					\
	type each_##in(const struct ports *ports);			\
	noinline type each_##in(const struct ports *ports)		\
	{								\
		return in(ports->start + 0x8);				\
	}								\
									\
	void each_##out(const struct ports *ports, type value);		\
	noinline void each_##out(const struct ports *ports, type value)	\
	{								\
		out(value, ports->start + 0x8);				\
	}

EACH_PORT(inb, outb, u8)
EACH_PORT(inw, outw, u16)
EACH_PORT(inl, outl, u32)

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
