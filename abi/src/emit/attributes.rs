// SPDX-License-Identifier: GPL-2.0-only
//! The layout that C chooses for members, and the attributes that change it to the kernel's layout.
//!
//! BTF records the offset of each member but not the attributes. C's own layout is computed by the
//! rules of the ABIs of x86_64 and arm64. If the kernel's offset differs, the smallest sufficient
//! attribute is chosen.

use crate::btf::Item;

/// The attributes of a struct or union and its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Its alignment in bytes.
    pub(super) align: u64,
    /// `true` if it is packed.
    pub(super) packed: bool,
    /// The alignment to request with `aligned`.
    pub(super) aligned: Option<u64>,
    /// The attributes of each member.
    pub(super) members: Vec<MemberAttributes>,
}

/// The attributes that bring a member to its offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MemberAttributes {
    /// The alignment to request with `aligned`.
    pub(super) aligned: Option<u64>,
    /// The width of the unnamed bit field to write before it.
    pub(super) gap: Option<u64>,
}

/// The layout of a member.
pub(super) struct MemberLayout {
    pub(super) offset: u64,
    /// The number of its bits, if it is a bit field.
    pub(super) bits: Option<u64>,
    pub(super) size: u64,
    pub(super) align: u64,
}

impl Attributes {
    /// Returns the attributes to write after the closing brace.
    pub(super) fn to_c(&self) -> String {
        let packed = self.packed.then(|| "packed".to_owned());
        let aligned = self.aligned.map(|align| format!("aligned({align})"));
        let all: Vec<String> = packed.into_iter().chain(aligned).collect();
        if all.is_empty() {
            String::new()
        } else {
            format!(" __attribute__(({}))", all.join(", "))
        }
    }
}

/// Returns the attributes of a struct or union of `size` bytes, or `None` if no attributes lead to
/// this layout. `declared` is the alignment that it is known to have.
///
/// The kernel's own attributes are unknown. The type is packed only if its layout needs that.
pub(super) fn attributes_for(
    members: &[MemberLayout],
    union: bool,
    size: u64,
    declared: u64,
) -> Option<Attributes> {
    [false, true]
        .into_iter()
        .find_map(|packed| try_attributes(members, union, size, declared, packed))
}

/// Returns the attributes for these members, if there are any.
fn try_attributes(
    pieces: &[MemberLayout],
    union: bool,
    size: u64,
    declared: u64,
    packed: bool,
) -> Option<Attributes> {
    let (mut at, mut end, mut align) = (0_u64, 0_u64, 1_u64);
    let mut members = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if union {
            at = 0;
        }
        let mut own = if packed { 1 } else { piece.align };
        let extra = match piece.bits {
            Some(bits) => bit_field(piece, bits, at, packed)?,
            None => aligned_to(at, own.checked_mul(8)?, piece.offset)?,
        };
        own = own.max(extra.aligned.unwrap_or(1));
        align = align.max(own);
        at = piece
            .offset
            .checked_add(piece.bits.unwrap_or(piece.size.checked_mul(8)?))?;
        end = end.max(at);
        members.push(extra);
    }
    let wanted = align.max(declared);
    let end = end.div_ceil(8).checked_mul(8)?;
    let last = aligned_to(end, wanted.checked_mul(8)?, size.checked_mul(8)?)?;
    let wanted = wanted.max(last.aligned.unwrap_or(1));
    Some(Attributes {
        align: wanted,
        packed,
        aligned: (wanted > align).then_some(wanted),
        members,
    })
}

/// Returns the alignment, of at least `least` bits, that leads from one offset to the other.
fn aligned_to(from: u64, least: u64, to: u64) -> Option<MemberAttributes> {
    let mut aligned = least.max(8);
    while from.checked_next_multiple_of(aligned)? < to {
        aligned = aligned
            .checked_mul(2)
            .filter(|aligned| *aligned <= 8 << 16)?;
    }
    (from.checked_next_multiple_of(aligned)? == to).then_some(MemberAttributes {
        aligned: (aligned > least).then_some(aligned / 8),
        gap: None,
    })
}

/// Returns the attributes of a bit field. C puts it right after the member before it, unless it
/// would cross a boundary of its type there.
fn bit_field(piece: &MemberLayout, bits: u64, at: u64, packed: bool) -> Option<MemberAttributes> {
    let unit = piece.size.checked_mul(8)?.max(8);
    let start = |at: u64, bits: u64| {
        let crosses = at / unit != at.checked_add(bits)?.checked_sub(1)? / unit;
        if crosses && !packed {
            at.checked_next_multiple_of(unit)
        } else {
            Some(at)
        }
    };
    if start(at, bits)? == piece.offset {
        return Some(MemberAttributes::default());
    }
    let gap = piece.offset.checked_sub(at).filter(|gap| *gap <= unit)?;
    // gcc and clang drop an unnamed bit field from the BTF.
    (start(at, gap)? == at && start(piece.offset, bits)? == piece.offset)
        .then_some(MemberAttributes {
            aligned: None,
            gap: Some(gap),
        })
        .or_else(|| aligned_to(at, 8, piece.offset))
}

/// Returns the alignment of a type that is not a struct or union.
pub(super) fn alignment_of_scalar(item: &Item<'_>) -> u64 {
    match item {
        Item::Int { size, .. } | Item::Float { size, .. } | Item::Enum { size, .. } => {
            u64::from((*size).clamp(1, 16).next_power_of_two())
        }
        Item::Pointer(_) => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: u64, size: u64, align: u64) -> MemberLayout {
        MemberLayout {
            offset,
            bits: None,
            size,
            align,
        }
    }

    fn bits(offset: u64, bits: u64, size: u64) -> MemberLayout {
        MemberLayout {
            bits: Some(bits),
            ..piece(offset, size, size)
        }
    }

    #[test]
    fn cs_own_layout_needs_no_attributes() {
        let plan = try_attributes(&[piece(0, 1, 1), piece(64, 8, 8)], false, 16, 8, false).unwrap();
        assert_eq!((plan.align, plan.to_c().as_str()), (8, ""));
        let plan = try_attributes(
            &[bits(0, 3, 4), bits(3, 29, 4), bits(32, 2, 1)],
            false,
            8,
            4,
            false,
        )
        .unwrap();
        assert!(
            plan.members
                .iter()
                .all(|extra| *extra == MemberAttributes::default())
        );
    }

    #[test]
    fn a_member_at_a_larger_offset_is_aligned() {
        let plan =
            try_attributes(&[piece(0, 4, 4), piece(512, 8, 8)], false, 128, 8, false).unwrap();
        assert_eq!(plan.members[1].aligned, Some(64));
        assert_eq!((plan.align, plan.aligned), (64, None));
    }

    #[test]
    fn a_member_at_a_smaller_offset_is_packed() {
        let pieces = [piece(0, 1, 1), piece(8, 8, 8)];
        assert_eq!(try_attributes(&pieces, false, 9, 1, false), None);
        let plan = try_attributes(&pieces, false, 9, 1, true).unwrap();
        assert_eq!(
            (plan.align, plan.to_c().as_str()),
            (1, " __attribute__((packed))")
        );
    }

    #[test]
    fn a_size_beyond_the_last_member_is_an_alignment() {
        let plan = try_attributes(&[piece(0, 8, 8)], false, 64, 8, false).unwrap();
        assert_eq!(plan.to_c(), " __attribute__((aligned(64)))");
        let plan = try_attributes(&[piece(0, 8, 8)], false, 64, 64, false).unwrap();
        assert_eq!(plan.aligned, Some(64));
    }

    #[test]
    fn skipped_bits_become_an_unnamed_bit_field() {
        let plan = try_attributes(&[bits(0, 1, 4), bits(8, 1, 4)], false, 4, 4, false).unwrap();
        assert_eq!(plan.members[1].gap, Some(7));
    }

    #[test]
    fn numbers_that_overflow_have_no_layout() {
        assert_eq!(
            try_attributes(&[piece(u64::MAX, 8, 8)], false, 8, 8, false),
            None
        );
        assert_eq!(
            try_attributes(&[piece(0, u64::MAX, 8)], false, 8, 8, true),
            None
        );
        assert_eq!(
            try_attributes(&[piece(0, 8, 8)], false, u64::MAX, 8, false),
            None
        );
    }
}
