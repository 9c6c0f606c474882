// SPDX-License-Identifier: GPL-2.0-only
//! Kernel messages that report a problem.
//!
//! A stock kernel prints none of these when it boots and when a driver behaves well. Two messages
//! look similar and are harmless: `loading out-of-tree module taints kernel` and `module
//! verification failed`. Every module from outside the kernel's own build causes both.

/// A pattern for one kind of message that reports a problem. A message matches if it starts with
/// `start` and contains each text of `holds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// The start of the message, after the time stamp. An empty text matches every message.
    pub start: &'static str,
    /// Texts that the message also contains, in any place.
    pub holds: &'static [&'static str],
    /// The meaning of the message, for a person.
    pub meaning: &'static str,
}

impl Pattern {
    fn fits(&self, message: &str) -> bool {
        message.starts_with(self.start) && self.holds.iter().all(|part| message.contains(part))
    }
}

const fn starts(start: &'static str, meaning: &'static str) -> Pattern {
    Pattern {
        start,
        holds: &[],
        meaning,
    }
}

const fn holds(holds: &'static [&'static str], meaning: &'static str) -> Pattern {
    Pattern {
        start: "",
        holds,
        meaning,
    }
}

const fn both(
    start: &'static str,
    holds: &'static [&'static str],
    meaning: &'static str,
) -> Pattern {
    Pattern {
        start,
        holds,
        meaning,
    }
}

/// The patterns, the more specific ones first: the first pattern that matches a message gives its
/// meaning.
pub const PATTERNS: &[Pattern] = &[
    // Memory, as the kernel's own checkers see it.
    starts("BUG: KASAN:", "KASAN found an invalid access to memory"),
    starts("BUG: KFENCE:", "KFENCE found an invalid access to memory"),
    starts(
        "BUG: KMSAN:",
        "KMSAN found a use of memory that was never initialised",
    ),
    starts("BUG: KCSAN:", "KCSAN found a data race"),
    starts("UBSAN:", "UBSAN found undefined behaviour"),
    both(
        "kmemleak:",
        &["new suspected memory leaks"],
        "kmemleak found memory to which no pointer exists any more",
    ),
    // A detector that has turned itself off reports nothing any more.
    both(
        "kmemleak:",
        &["disabled"],
        "kmemleak has turned itself off: it reports no leaks any more",
    ),
    starts(
        "kmemleak: Cannot",
        "kmemleak could not keep track of an object, and turns itself off",
    ),
    starts("BUG: Bad page", "a page's state is corrupt"),
    starts("BUG: non-zero pgtables_bytes", "page tables leaked"),
    starts(
        "usercopy: Kernel memory",
        "a copy from or to user space went past the kernel's object",
    ),
    holds(
        &["detected buffer overflow in"],
        "a fortified string function would have overflowed its buffer",
    ),
    starts(
        "list_add corruption",
        "a linked list is corrupt, or a node was added twice",
    ),
    starts("list_add double add", "a node was added to its list twice"),
    starts(
        "list_del corruption",
        "a linked list is corrupt, or a node was deleted twice",
    ),
    starts(
        "refcount_t:",
        "a reference count was used after it reached zero, or overflowed",
    ),
    starts(
        "ODEBUG: Out of memory",
        "debugobjects has turned itself off: it reports no misuse of objects any more",
    ),
    starts(
        "ODEBUG:",
        "an object (timer, work, …) was freed or initialised while in use",
    ),
    holds(
        &["Slab cache still has objects"],
        "a slab cache was destroyed with objects in it",
    ),
    // A message of the slab allocator: `BUG kmalloc-64 (Tainted: G): Redzone overwritten`.
    both(
        "BUG ",
        &["): "],
        "the slab allocator found a corrupt object",
    ),
    // Locks and contexts.
    starts(
        "WARNING: possible recursive locking",
        "lockdep: a task may take a lock that it already holds",
    ),
    starts(
        "WARNING: possible circular locking",
        "lockdep: locks are taken in orders that can deadlock",
    ),
    starts(
        "WARNING: possible irq lock inversion",
        "lockdep: an interrupt can deadlock on a lock",
    ),
    starts(
        "WARNING: inconsistent lock state",
        "lockdep: a lock is taken both in and out of interrupts, unsafely",
    ),
    starts(
        "WARNING: bad unlock balance",
        "lockdep: a lock was released that was not held",
    ),
    starts(
        "WARNING: held lock freed",
        "lockdep: memory with a held lock in it was freed",
    ),
    starts(
        "WARNING: lock held when returning to user space",
        "lockdep: a lock was not released",
    ),
    starts(
        "WARNING: suspicious RCU usage",
        "RCU-protected data was used outside a read-side section",
    ),
    starts(
        "WARNING: Nested lock was not taken",
        "lockdep: a lock is said to be nested in one that is not held",
    ),
    starts(
        "[ BUG: Invalid wait context",
        "lockdep: a sleeping lock is taken where the code must not sleep",
    ),
    starts("[ BUG:", "lockdep reports a misuse of a lock"),
    holds(
        &["turning off the locking correctness validator"],
        "lockdep has turned itself off: it reports no misuse of locks any more",
    ),
    starts(
        "INFO: trying to register non-static key",
        "lockdep: a lock was never initialised",
    ),
    starts(
        "INFO: possible",
        "lockdep: locks are used in a way that can deadlock",
    ),
    starts(
        "BUG: sleeping function called from invalid context",
        "code slept where it must not",
    ),
    starts(
        "BUG: scheduling while atomic",
        "code slept where it must not",
    ),
    starts("BUG: spinlock", "a spinlock was misused"),
    starts("BUG: rwlock", "a reader-writer lock was misused"),
    starts("BUG: using ", "preemptible code used per-CPU data"),
    both(
        "DMA-API:",
        &["device driver"],
        "a DMA mapping was created, used or removed incorrectly",
    ),
    both(
        "DMA-API:",
        &["overlapping mappings"],
        "the same memory was mapped for DMA more than once",
    ),
    both(
        "DMA-API:",
        &["disabling"],
        "the checks of DMA mappings have turned themselves off",
    ),
    both(
        "DMA-API:",
        &["dma-debug disabled"],
        "the checks of DMA mappings have turned themselves off",
    ),
    starts(
        "BUG: workqueue leaked",
        "a work function returned with a lock held or in atomic context",
    ),
    // Stalls.
    holds(
        &["BUG: soft lockup"],
        "a processor did not schedule for a long time",
    ),
    holds(
        &["hard LOCKUP"],
        "a processor took no interrupts for a long time",
    ),
    holds(&["BUG: workqueue lockup"], "a workqueue made no progress"),
    both(
        "rcu: INFO:",
        &["stall"],
        "RCU waits for a processor or task that makes no progress",
    ),
    both(
        "INFO: task ",
        &["blocked for more than"],
        "a task hangs in the kernel",
    ),
    starts(
        "unregister_netdevice: waiting for",
        "a network device's references were not all put",
    ),
    both(
        "irq ",
        &["nobody cared"],
        "an interrupt came that no handler claimed, until the kernel turned it off",
    ),
    holds(
        &["genirq: Flags mismatch"],
        "an interrupt was requested with other flags than its sharer's",
    ),
    // Complaints of the driver core.
    starts(
        "sysfs: cannot create duplicate filename",
        "something of that name is registered already",
    ),
    starts(
        "kobject: kobject_add_internal failed",
        "the kernel could not add an object to sysfs",
    ),
    starts(
        "kobject_add_internal failed",
        "the kernel could not add an object to sysfs",
    ),
    both(
        "kobject: '",
        &["tried to"],
        "a kobject was used before it was initialised, or initialised twice",
    ),
    holds(
        &["it is broken and must be fixed"],
        "an object has no release function",
    ),
    // Complaints of the module loader.
    holds(
        &["Unknown symbol"],
        "the module uses a symbol that this kernel does not export to it",
    ),
    holds(
        &["disagrees about version of symbol"],
        "the module was built for a kernel with another ABI",
    ),
    holds(
        &["this_module section size must match"],
        "the module was built for a kernel with another `struct module`",
    ),
    holds(
        &["version magic '", "' should be '"],
        "the module was built for another kernel",
    ),
    holds(
        &["Unknown rela relocation"],
        "the module has a relocation that the kernel cannot apply",
    ),
    // Generated code that does not fit the kernel's mitigations.
    holds(
        &["Unpatched return thunk"],
        "code was built without the kernel's return thunks",
    ),
    holds(
        &["issing ENDBR"],
        "an indirect branch went to code without endbr64 (IBT)",
    ),
    starts(
        "CFI failure",
        "an indirect call went to a function of another type",
    ),
    // Faults.
    starts("Kernel panic - not syncing", "the kernel panicked"),
    holds(&["kernel BUG at"], "a BUG() was hit"),
    starts(
        "BUG: kernel NULL pointer dereference",
        "a NULL pointer was followed in the kernel",
    ),
    holds(
        &["nable to handle kernel"],
        "the kernel touched memory that is not mapped",
    ),
    starts(
        "BUG: unable to handle",
        "the kernel touched memory that is not mapped",
    ),
    holds(
        &["general protection fault"],
        "the processor refused an instruction (often a wild pointer)",
    ),
    starts(
        "PANIC: double fault",
        "a fault happened within a fault (often a stack overflow)",
    ),
    starts("BUG: stack guard page", "the kernel's stack overflowed"),
    starts(
        "BUG: TASK stack guard page",
        "the kernel's stack overflowed",
    ),
    starts("divide error:", "a division by zero in the kernel"),
    starts(
        "invalid opcode:",
        "the kernel executed an invalid instruction",
    ),
    starts("Internal error:", "the kernel hit a fault"),
    starts("Oops:", "the kernel hit a fault"),
    // All remaining reports.
    starts("BUG:", "the kernel reports a bug"),
    starts("WARNING:", "a WARN() was hit"),
    starts("Call Trace:", "the kernel printed a stack trace"),
];

/// Returns the meaning of the message, if it reports a problem. `message` has no time stamp.
pub fn meaning(message: &str) -> Option<&'static str> {
    PATTERNS
        .iter()
        .find(|pattern| pattern.fits(message))
        .map(|pattern| pattern.meaning)
}

/// The starts of the messages of a panic in Rust code: of a driver's, and of the kernel's.
const PANICS: [&str; 2] = ["rust: ", "rust_kernel: "];
/// The number of lines of a panic's message that are shown.
const PANIC_LINES: usize = 4;

/// Returns the message of the panic that caused a `BUG()`, in one line. `before` are the messages
/// before that of the `BUG()`.
pub fn panic_message(before: &[&str]) -> Option<String> {
    let panics = |message: &str| {
        let mut starts = PANICS.iter();
        starts.any(|start| {
            message
                .strip_prefix(start)
                .is_some_and(|text| text.starts_with("panicked"))
        })
    };
    let first = before.iter().rposition(|message| panics(message))?;
    let (_, start) = before[first].split_once(' ')?;
    let more = before[first + 1..]
        .iter()
        .take_while(|message| !message.starts_with("------------[ cut here"));
    let lines: Vec<&str> = std::iter::once(start)
        .chain(more.copied())
        .take(PANIC_LINES)
        .map(str::trim)
        .collect();
    Some(lines.join(" "))
}

/// Messages that the kernel may print when an allocation is made to fail. At any other time they
/// report a problem. The meaning describes the consequence of the failed allocation.
pub const WITHOUT_MEMORY: &[Pattern] = &[
    both(
        "kobject: kobject_add_internal failed for ",
        &["(error: -12 parent: "],
        "an object has no folder in sysfs: the caller that adds it gets an error, or works without the folder (an interrupt, below /sys/kernel/irq)",
    ),
    both(
        "kobject_add_internal failed for ",
        &["(error: -12 parent: "],
        "the same message of older kernels",
    ),
];

/// Returns whether the message only says that there was no memory.
pub fn without_memory(message: &str) -> bool {
    WITHOUT_MEMORY.iter().any(|pattern| pattern.fits(message))
}

/// The first lines of reports that only say that there was no memory. Such a report has a stack
/// trace (`warn_alloc`).
pub const REPORTS_WITHOUT_MEMORY: &[Pattern] = &[
    holds(
        &[": vmalloc error: size ", " mode:"],
        "the caller that allocates gets an error: for example the module loader, before the module's code is in memory",
    ),
    holds(
        &[": page allocation failure: order:", " mode:"],
        "the caller that allocates gets an error",
    ),
];

/// Returns whether the message starts a report that only says that there was no memory. The next
/// stack trace then belongs to that report.
pub fn reports_no_memory(message: &str) -> bool {
    REPORTS_WITHOUT_MEMORY
        .iter()
        .any(|pattern| pattern.fits(message))
}

/// Returns whether the message starts a stack trace.
pub fn is_trace(message: &str) -> bool {
    message.starts_with("Call Trace:")
}

/// Returns whether this line ends a report of a problem.
pub fn ends_report(message: &str) -> bool {
    message.starts_with("---[ end Kernel panic") || message.starts_with("---[ end trace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_known_by_its_first_line() {
        for (message, part) in [
            (
                "WARNING: CPU: 1 PID: 1 at drivers/base/core.c:12 f+0x1/0x2",
                "WARN()",
            ),
            (
                "WARNING: drivers/base/core.c:12 at f+0x1/0x2, CPU#0: init/1",
                "WARN()",
            ),
            (
                "WARNING: possible circular locking dependency detected",
                "deadlock",
            ),
            (
                "BUG: kernel NULL pointer dereference, address: 0000000000000000",
                "NULL",
            ),
            (
                "BUG: unable to handle page fault for address: ffffa000",
                "not mapped",
            ),
            (
                "Unable to handle kernel paging request at virtual address dead",
                "not mapped",
            ),
            (
                "BUG kmalloc-64 (Tainted: G           OE): Redzone overwritten",
                "slab",
            ),
            (
                "BUG: KASAN: slab-use-after-free in f+0x1/0x2 [edu]",
                "KASAN",
            ),
            ("BUG: KASAN: double-free in kfree+0x1/0x2", "KASAN"),
            ("BUG: KASAN: invalid-free in kfree+0x1/0x2", "KASAN"),
            (
                "WARNING: possible recursive locking detected",
                "a lock that it already holds",
            ),
            (
                "WARNING: inconsistent lock state",
                "in and out of interrupts",
            ),
            ("WARNING: suspicious RCU usage", "read-side section"),
            ("[ BUG: Invalid wait context ]", "must not sleep"),
            (
                "turning off the locking correctness validator.",
                "turned itself off",
            ),
            (
                "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
                "must not",
            ),
            (
                "BUG: scheduling while atomic: init/1/0x00000002",
                "must not",
            ),
            ("BUG: spinlock bad magic on CPU#0, init/1", "spinlock"),
            (
                "ODEBUG: free active (active state 0) object: 00000000f1b2a7d4 object type: work_struct hint: f+0x0/0x10 [edu]",
                "in use",
            ),
            (
                "ODEBUG: Out of memory. ODEBUG disabled",
                "turned itself off",
            ),
            (
                "list_add double add: new=ffff888003a4f010, prev=ffff888003a4f010, next=ffff888003a4f000.",
                "twice",
            ),
            (
                "list_add corruption. next->prev should be prev (ffff888003a4f010), but was 0000000000000000. (next=ffff888003a4f010).",
                "list",
            ),
            (
                "list_del corruption, ffff888003a4f010->next is LIST_POISON1 (dead000000000100)",
                "list",
            ),
            (
                "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
                "no pointer exists",
            ),
            (
                "kmemleak: Kernel memory leak detector disabled",
                "turned itself off",
            ),
            (
                "UBSAN: array-index-out-of-bounds in drivers/edu.c:1:2",
                "undefined behaviour",
            ),
            (
                "BUG: using smp_processor_id() in preemptible [00000000] code: init/1",
                "per-CPU data",
            ),
            (
                "DMA-API: cacheline tracking ENOMEM, dma-debug disabled",
                "turned themselves off",
            ),
            (
                "DMA-API: edu 0000:00:01.0: device driver has pending DMA allocations while released from device [count=1]",
                "DMA",
            ),
            ("BUG: Something new", "reports a bug"),
            ("kernel BUG at lib/list_debug.c:1!", "BUG()"),
            ("Oops: 0000 [#1] PREEMPT SMP NOPTI", "fault"),
            (
                "Oops: general protection fault, probably for non-canonical address 0xdead",
                "refused",
            ),
            (
                "general protection fault, probably for non-canonical address 0xdead",
                "refused",
            ),
            ("rcu: INFO: rcu_preempt self-detected stall on CPU", "RCU"),
            (
                "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... }",
                "RCU",
            ),
            (
                "INFO: task init:1 blocked for more than 120 seconds.",
                "hangs",
            ),
            (
                "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [init:1]",
                "schedule",
            ),
            (
                "Kernel panic - not syncing: sysrq triggered crash",
                "panicked",
            ),
            ("edu: Unknown symbol foo (err -2)", "symbol"),
            (
                "edu: disagrees about version of symbol module_layout",
                "ABI",
            ),
            (
                "module edu: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time",
                "struct module",
            ),
            (
                "edu: version magic ''6.1 SMP ' should be '6.12 SMP '",
                "another kernel",
            ),
            (
                "irq 11: nobody cared (try booting with the \"irqpoll\" option)",
                "interrupt",
            ),
            (
                "Unpatched return thunk in use. This should not happen!",
                "thunks",
            ),
            ("traps: Missing ENDBR: f+0x0/0x10 [edu]", "endbr64"),
            ("Missing ENDBR: f+0x0/0x10 [edu]", "endbr64"),
            ("refcount_t: underflow; use-after-free.", "reference count"),
            (
                "kobject: '(null)' (0000): tried to add an uninitialized object, something is seriously wrong.",
                "kobject",
            ),
            (
                "sysfs: cannot create duplicate filename '/bus/pci/drivers/edu'",
                "registered already",
            ),
        ] {
            let meaning =
                meaning(message).unwrap_or_else(|| panic!("no problem seen in {message:?}"));
            assert!(
                meaning.contains(part),
                "{message:?} is taken for {meaning:?}"
            );
        }
    }

    #[test]
    fn harmless_messages_are_let_pass() {
        for message in [
            "edu: loading out-of-tree module taints kernel.",
            "edu: module verification failed: signature and/or required key missing - tainting kernel",
            "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
            "edu 0000:00:04.0: DEBUG: probing",
            "edu 0000:00:04.0: no WARNING here",
            "rcu: Hierarchical RCU implementation.",
            "rcu: INFO: something else",
            "Warning: unable to open an initial console.",
            "RAS: Correctable Errors collector initialized.",
            "kobject: 'edu' (0000): kobject_uevent_env",
            "kmemleak: Kernel memory leak detector initialized (mem pool available: 31234)",
            "DMA-API: preallocated 65536 debug entries",
            "DMA-API: debugging enabled by kernel config",
            "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
            "",
        ] {
            assert_eq!(meaning(message), None, "{message:?}");
        }
    }

    #[test]
    fn each_pattern_can_be_hit() {
        for pattern in PATTERNS {
            let message = format!("{} {}", pattern.start, pattern.holds.join(" "));
            assert!(!message.trim().is_empty());
            let message = message.trim_start();
            // An earlier, wider pattern must not hide a later one.
            assert_eq!(meaning(message), Some(pattern.meaning), "{message:?}");
        }
    }
}
