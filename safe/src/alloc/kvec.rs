// SPDX-License-Identifier: GPL-2.0-only
//! Growable arrays.
//!
//! C headers: `include/linux/slab.h`, `include/linux/vmalloc.h`. C code reallocates arrays itself
//! (`krealloc_array`).

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::size_of;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

use pinned_init::Zeroable;

use super::allocator::{Allocator, KVmalloc, Kmalloc, Vmalloc};
use super::{__GFP_ZERO, Flags};
use crate::error::{Result, code::ENOMEM};

/// A growable array of values in memory of the allocator `A`. See [`KVec`], [`VVec`], [`KVVec`].
///
/// # Context
///
/// Methods that take [`Flags`]: as the flags say. All others: any.
///
/// # Errors
///
/// Methods that take [`Flags`] return [`ENOMEM`] if there is no memory, or if the size overflows.
/// The vector stays as it was.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::alloc::{GFP_KERNEL, KVec};
/// use linux_driver::error::Result;
///
/// fn squares(n: u32) -> Result<KVec<u32>> {
///     let mut squares = KVec::new();
///     for i in 0..n {
///         squares.push(i * i, GFP_KERNEL)?;
///     }
///     Ok(squares)
/// }
/// ```
///
/// # Invariants
///
/// The first `len` of `capacity` elements from `pointer` on are initialised. If `T` has a size and
/// the capacity is not 0, the memory is from `A`, with the layout of an array of `capacity`
/// elements. Otherwise the pointer is dangling.
pub struct Vec<T, A: Allocator> {
    pointer: NonNull<T>,
    /// The number of elements that the memory has room for; 0 if `T` has no size.
    capacity: usize,
    len: usize,
    _allocator: PhantomData<A>,
}

/// A vector in memory of `kmalloc`.
#[doc(alias = "krealloc")]
pub type KVec<T> = Vec<T, Kmalloc>;
/// A vector in memory of `vmalloc`.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::alloc::{GFP_KERNEL, VVec};
/// use linux_driver::error::Result;
/// use linux_driver::io::Mmio;
///
/// /// Returns a copy of the device's memory, of at least a megabyte, for the CPU only.
/// fn dump(memory: &Mmio<0x10_0000>) -> Result<VVec<u8>> {
///     let mut copy = VVec::zeroed(memory.len(), GFP_KERNEL)?;
///     memory.memcpy_fromio(&mut copy, 0)?;
///     Ok(copy)
/// }
/// ```
#[doc(alias = "__vmalloc")]
pub type VVec<T> = Vec<T, Vmalloc>;
/// A vector in memory of `kvmalloc`.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::alloc::{GFP_KERNEL_ACCOUNT, KVVec};
/// use linux_driver::error::{Result, code::EINVAL};
///
/// /// Returns a counter for each rule. User space chooses the number, from a few to a million, so
/// /// the memory is charged to the process.
/// fn counters(rules: usize) -> Result<KVVec<u64>> {
///     if rules > 1 << 20 {
///         return Err(EINVAL);
///     }
///     KVVec::zeroed(rules, GFP_KERNEL_ACCOUNT)
/// }
/// ```
#[doc(alias = "kvmalloc")]
pub type KVVec<T> = Vec<T, KVmalloc>;

// SAFETY: a vector owns its values, so sending the vector is sending the values.
unsafe impl<T: Send, A: Allocator> Send for Vec<T, A> {}
// SAFETY: a shared reference to a vector gives only shared references to its values.
unsafe impl<T: Sync, A: Allocator> Sync for Vec<T, A> {}

impl<T, A: Allocator> Default for Vec<T, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, A: Allocator> Vec<T, A> {
    /// Returns an empty vector, without memory.
    pub const fn new() -> Self {
        // INVARIANT: the vector has no elements.
        Self {
            pointer: NonNull::dangling(),
            capacity: 0,
            len: 0,
            _allocator: PhantomData,
        }
    }

    /// Returns an empty vector, with memory for `capacity` values.
    pub fn with_capacity(capacity: usize, flags: Flags) -> Result<Self> {
        let mut this = Self::new();
        this.reallocate(capacity, flags)?;
        Ok(this)
    }

    /// Returns `len` values that are all zeroes: C's `kcalloc` and its variants.
    #[doc(alias = "kcalloc")]
    #[doc(alias = "kvcalloc")]
    pub fn zeroed(len: usize, flags: Flags) -> Result<Self>
    where
        T: Zeroable,
    {
        let mut this = Self::with_capacity(len, flags | __GFP_ZERO)?;
        // INVARIANT: zeroes are valid values of `T`. (A `T` without a size needs no memory.)
        this.len = len;
        Ok(this)
    }

    /// Returns the number of values for which there is memory.
    pub const fn capacity(&self) -> usize {
        if size_of::<T>() == 0 {
            usize::MAX
        } else {
            self.capacity
        }
    }

    /// Reserves memory for `additional` more values. At least doubles the capacity when it grows,
    /// so that pushing values one by one seldom copies them.
    pub fn reserve(&mut self, additional: usize, flags: Flags) -> Result {
        if additional <= self.capacity() - self.len {
            return Ok(());
        }
        let needed = self.len.checked_add(additional).ok_or(ENOMEM)?;
        self.reallocate(needed.max(self.capacity.saturating_mul(2)), flags)
    }

    /// Allocates memory for `capacity` values, which is more than the current capacity.
    fn reallocate(&mut self, capacity: usize, flags: Flags) -> Result {
        if size_of::<T>() == 0 || capacity == 0 {
            return Ok(());
        }
        // Fails for more than `isize::MAX` bytes.
        let layout = Layout::array::<T>(capacity).map_err(|_| ENOMEM)?;
        // SAFETY: `realloc` requires
        // - old memory, if any, of this allocator, with its layout: by the type's invariant
        //   `memory` returns both;
        // - a new layout whose size is not 0: neither the capacity nor the size of `T` is 0.
        let memory = unsafe { A::realloc(self.memory(), layout, flags)? };
        // INVARIANT: `realloc` has kept the old values.
        self.pointer = memory.cast();
        self.capacity = capacity;
        Ok(())
    }

    /// Returns the memory, if there is any, with its layout.
    fn memory(&self) -> Option<(NonNull<u8>, Layout)> {
        if size_of::<T>() == 0 || self.capacity == 0 {
            return None;
        }
        // Does not fail: the layout was made when the memory was allocated.
        let layout = Layout::array::<T>(self.capacity).ok()?;
        Some((self.pointer.cast(), layout))
    }

    /// Adds a value at the end. If that fails, the value is dropped.
    pub fn push(&mut self, value: T, flags: Flags) -> Result {
        self.reserve(1, flags)?;
        // SAFETY: `reserve` has made room for one more.
        unsafe { self.push_unchecked(value) };
        Ok(())
    }

    /// Adds a value at the end if there already is memory for it; otherwise returns the value.
    ///
    /// # Context
    ///
    /// Any.
    pub fn push_within_capacity(&mut self, value: T) -> Result<(), T> {
        if self.len == self.capacity() {
            return Err(value);
        }
        // SAFETY: there is room for one more.
        unsafe { self.push_unchecked(value) };
        Ok(())
    }

    /// Adds a value at the end.
    ///
    /// # Safety
    ///
    /// There is room for one more value.
    unsafe fn push_unchecked(&mut self, value: T) {
        // SAFETY: the address is within the memory, by the caller's promise, or `T` has no size.
        let slot = unsafe { self.pointer.add(self.len) };
        // SAFETY: the memory is valid for writes, as above.
        unsafe { slot.write(value) };
        // INVARIANT: written above. (This does not overflow: the capacity is larger than `len`.)
        self.len += 1;
    }

    /// Removes and returns the last value.
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the index is less than the old length.
        let slot = unsafe { self.pointer.add(self.len) };
        // INVARIANT: the vector now ends before this value.
        // SAFETY: the value is initialised, and is moved out once.
        Some(unsafe { slot.read() })
    }

    /// Removes and returns the value at `index`, and moves the values after it by one. Returns
    /// `None` if `index` is out of range.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        if index > last {
            return None;
        }
        // INVARIANT: one value fewer; the values after it are moved below.
        self.len = last;
        // SAFETY: the index is less than the old length.
        let slot = unsafe { self.pointer.add(index) };
        // SAFETY: the value is initialised, and is moved out once.
        let value = unsafe { slot.read() };
        // SAFETY: the address is within the old values, or at their end.
        let next = unsafe { slot.add(1) };
        // SAFETY: the values after `slot` are within the old length.
        unsafe { ptr::copy(next.as_ptr(), slot.as_ptr(), last - index) };
        Some(value)
    }

    /// Drops all values after the first `len`. The memory stays allocated.
    pub fn truncate(&mut self, len: usize) {
        let Some(surplus) = self.len.checked_sub(len) else {
            return;
        };
        // INVARIANT: the vector now ends there.
        self.len = len;
        // SAFETY: the address is within the old values, or at their end.
        let first = unsafe { self.pointer.add(len) };
        // SAFETY: these values are initialised, and the vector does not own them any more.
        unsafe { ptr::slice_from_raw_parts_mut(first.as_ptr(), surplus).drop_in_place() };
    }

    /// Drops all values. The memory stays allocated.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Adds clones of `values` at the end.
    pub fn extend_from_slice(&mut self, values: &[T], flags: Flags) -> Result
    where
        T: Clone,
    {
        self.reserve(values.len(), flags)?;
        for value in values {
            // SAFETY: `reserve` has made room for all of them.
            unsafe { self.push_unchecked(value.clone()) };
        }
        Ok(())
    }

    /// Sets the length to `len`: drops the surplus values, or adds clones of `value`.
    pub fn resize(&mut self, len: usize, value: T, flags: Flags) -> Result
    where
        T: Clone,
    {
        let Some(more) = len.checked_sub(self.len) else {
            self.truncate(len);
            return Ok(());
        };
        self.reserve(more, flags)?;
        for _ in 0..more {
            // SAFETY: `reserve` has made room for all of them.
            unsafe { self.push_unchecked(value.clone()) };
        }
        Ok(())
    }
}

impl<T, A: Allocator> Deref for Vec<T, A> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: by the type's invariant `len` values are initialised.
        unsafe { core::slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }
}

impl<T, A: Allocator> DerefMut for Vec<T, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: by the type's invariant `len` values are initialised, and the vector is borrowed
        // exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

impl<T, A: Allocator> Drop for Vec<T, A> {
    fn drop(&mut self) {
        self.truncate(0);
        if let Some((memory, _)) = self.memory() {
            // SAFETY: by the type's invariant the memory is from this allocator; it is not used
            // after this.
            unsafe { A::free(memory) };
        }
    }
}

impl<'a, T, A: Allocator> IntoIterator for &'a Vec<T, A> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T, A: Allocator> IntoIterator for &'a mut Vec<T, A> {
    type Item = &'a mut T;
    type IntoIter = core::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T, A: Allocator> IntoIterator for Vec<T, A> {
    type Item = T;
    type IntoIter = IntoIter<T, A>;

    fn into_iter(mut self) -> IntoIter<T, A> {
        let end = self.len;
        // INVARIANT: the values now belong to the iterator; the vector keeps the memory.
        self.len = 0;
        IntoIter {
            memory: self,
            next: 0,
            end,
        }
    }
}

/// An iterator that moves the values out of a vector.
///
/// # Invariants
///
/// The elements from `next` to `end` in the vector's memory are initialised, and belong to this
/// iterator.
pub struct IntoIter<T, A: Allocator> {
    memory: Vec<T, A>,
    next: usize,
    end: usize,
}

impl<T, A: Allocator> Iterator for IntoIter<T, A> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next == self.end {
            return None;
        }
        // SAFETY: the index is within the memory.
        let slot = unsafe { self.memory.pointer.add(self.next) };
        // INVARIANT: the value now belongs to the caller.
        self.next += 1;
        // SAFETY: by the type's invariant the value is initialised; it is moved out once.
        Some(unsafe { slot.read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.next;
        (left, Some(left))
    }
}

impl<T, A: Allocator> ExactSizeIterator for IntoIter<T, A> {}

impl<T, A: Allocator> Drop for IntoIter<T, A> {
    fn drop(&mut self) {
        // SAFETY: the address is within the memory, or at its end.
        let first = unsafe { self.memory.pointer.add(self.next) };
        let left = ptr::slice_from_raw_parts_mut(first.as_ptr(), self.end - self.next);
        // SAFETY: by the type's invariant these values are initialised; they are not used after
        // this.
        unsafe { left.drop_in_place() };
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::super::allocator::host::Host;
    use super::super::{GFP_ATOMIC, GFP_KERNEL};
    use super::*;

    /// A value that counts how many of its kind exist.
    #[derive(Debug)]
    struct Counted(Rc<Cell<isize>>, u8);

    impl Counted {
        fn new(alive: &Rc<Cell<isize>>, value: u8) -> Self {
            alive.set(alive.get() + 1);
            Self(alive.clone(), value)
        }
    }

    impl Clone for Counted {
        fn clone(&self) -> Self {
            Self::new(&self.0, self.1)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    fn values(vec: &[Counted]) -> std::vec::Vec<u8> {
        vec.iter().map(|value| value.1).collect()
    }

    #[test]
    fn values_are_dropped_once() {
        let alive = Rc::new(Cell::new(0));
        let mut vec = Vec::<Counted, Host>::new();
        for i in 0..100 {
            vec.push(Counted::new(&alive, i), GFP_KERNEL).unwrap();
        }
        assert_eq!((vec.len(), alive.get()), (100, 100));
        assert!(vec.capacity() < 200);
        vec.truncate(4);
        assert_eq!((values(&vec), alive.get()), (std::vec![0, 1, 2, 3], 4));
        vec.truncate(9);
        assert_eq!(vec.remove(1).map(|value| value.1), Some(1));
        assert_eq!((values(&vec), alive.get()), (std::vec![0, 2, 3], 3));
        assert!(vec.remove(3).is_none());
        assert_eq!(vec.pop().map(|value| value.1), Some(3));
        let more = vec.iter().cloned().collect::<std::vec::Vec<_>>();
        vec.extend_from_slice(&more, GFP_ATOMIC).unwrap();
        drop(more);
        assert_eq!((values(&vec), alive.get()), (std::vec![0, 2, 0, 2], 4));
        vec.resize(6, Counted::new(&alive, 9), GFP_KERNEL).unwrap();
        assert_eq!(
            (values(&vec), alive.get()),
            (std::vec![0, 2, 0, 2, 9, 9], 6)
        );
        vec.resize(3, Counted::new(&alive, 9), GFP_KERNEL).unwrap();
        assert_eq!((values(&vec), alive.get()), (std::vec![0, 2, 0], 3));
        let mut rest = vec.into_iter();
        assert_eq!(rest.next().map(|value| value.1), Some(0));
        assert_eq!((rest.len(), alive.get()), (2, 2));
        drop(rest);
        assert_eq!(alive.get(), 0);
        let mut vec = Vec::<Counted, Host>::new();
        assert!(vec.pop().is_none());
        vec.push(Counted::new(&alive, 1), GFP_KERNEL).unwrap();
        drop(vec);
        assert_eq!(alive.get(), 0);
    }

    #[test]
    fn an_allocation_that_fails_changes_nothing() {
        let alive = Rc::new(Cell::new(0));
        let mut vec = Vec::<Counted, Host>::new();
        vec.push(Counted::new(&alive, 7), GFP_KERNEL).unwrap();
        for len in [1 << 20, usize::MAX / 16, usize::MAX / 16 + 1, usize::MAX] {
            assert_eq!(vec.reserve(len, GFP_KERNEL), Err(ENOMEM));
            assert_eq!(
                vec.resize(len, Counted::new(&alive, 8), GFP_KERNEL),
                Err(ENOMEM)
            );
            assert!(Vec::<Counted, Host>::with_capacity(len, GFP_KERNEL).is_err());
            assert_eq!((values(&vec), alive.get()), (std::vec![7], 1));
        }
        let mut full = Vec::<u8, Host>::with_capacity(1, GFP_KERNEL).unwrap();
        assert_eq!(full.push_within_capacity(1), Ok(()));
        assert_eq!(full.push_within_capacity(2), Err(2));
        assert_eq!(full[..], [1]);
    }

    #[test]
    fn values_without_a_size_take_no_memory() {
        let mut vec = Vec::<(), Host>::with_capacity(usize::MAX, GFP_KERNEL).unwrap();
        assert!(vec.memory().is_none());
        vec.extend_from_slice(&[(); 5], GFP_KERNEL).unwrap();
        assert_eq!((vec.len(), vec.capacity()), (5, usize::MAX));
        assert_eq!(vec.pop(), Some(()));
        assert_eq!(vec.into_iter().count(), 4);
        let mut full = Vec::<(), Host>::zeroed(usize::MAX, GFP_KERNEL).unwrap();
        assert_eq!(full.push((), GFP_KERNEL), Err(ENOMEM));
        full.clear();
        assert!(full.is_empty());
    }

    #[test]
    fn alignment_is_kept() {
        #[repr(align(64))]
        #[derive(Clone, PartialEq)]
        struct Line(u8);
        let mut vec = Vec::<Line, Host>::new();
        for i in 0..50 {
            vec.push(Line(i), GFP_KERNEL).unwrap();
            assert_eq!(vec.as_ptr().addr() % 64, 0);
        }
        assert!(
            vec.iter()
                .enumerate()
                .all(|(i, line)| usize::from(line.0) == i)
        );
    }
}
