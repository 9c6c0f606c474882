// SPDX-License-Identifier: GPL-2.0-only
//! The order of Debian's versions (deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions as dpkg does.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, a), (epoch_b, b)) = (split_epoch(a), split_epoch(b));
    let ((upstream_a, revision_a), (upstream_b, revision_b)) =
        (split_revision(a), split_revision(b));
    compare_part(epoch_a, epoch_b)
        .then_with(|| compare_part(upstream_a, upstream_b))
        .then_with(|| compare_part(revision_a, revision_b))
}

fn split_epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("0", version))
}

fn split_revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, "0"))
}

/// Runs of other characters and runs of digits take turns; `~` sorts before the end of the text.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (x, y) = (sign(a), sign(b));
            match weight(x).cmp(&weight(y)) {
                Ordering::Equal if x.is_none() => break,
                Ordering::Equal => (a, b) = (&a[1..], &b[1..]),
                unequal => return unequal,
            }
        }
        let (x, y) = (digits(&mut a), digits(&mut b));
        // Without leading zeroes, the longer number is the larger one.
        match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// Returns the first character, if it is not a digit.
fn sign(text: &[u8]) -> Option<u8> {
    text.first().copied().filter(|c| !c.is_ascii_digit())
}

fn weight(sign: Option<u8>) -> i32 {
    match sign {
        Some(b'~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(c),
        Some(c) => i32::from(c) + 256,
    }
}

/// Takes the digits at the start off `text`; returns them without leading zeroes.
fn digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    &run[run.iter().position(|&c| c != b'0').unwrap_or(run.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        for (less, more) in [
            ("6.1.192-2", "6.1.192-10"),
            ("6.12.9-1", "6.12.117-1"),
            ("6.12.117-1~deb12u1", "6.12.117-1"),
            ("6.12.117-1~deb12u1", "6.12.117-1~deb12u2"),
            ("7.2.9-1~bpo13+1", "7.2.12-1~bpo13+1"),
            ("7.2~rc1-1", "7.2-1"),
            ("9-1", "1:1-1"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0+"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
        for (a, b) in [("1.0", "1.00"), ("0:1-1", "1-1"), ("1-0", "1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }
}
