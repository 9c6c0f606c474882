// SPDX-License-Identifier: GPL-2.0-only
//! Numbers as text, without `core::fmt`.

/// As many decimal digits as a `u64` has at most.
pub(crate) type Digits = [u8; 20];

/// The number in decimal digits.
#[inline(never)]
pub(crate) fn decimal(mut number: u64, digits: &mut Digits) -> &[u8] {
    let mut at = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        at -= 1;
        if number == 0 {
            break;
        }
    }
    digits.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_format() {
        for number in [0, 7, 10, 99, 100, 4_294_967_296, u64::MAX] {
            assert_eq!(decimal(number, &mut Digits::default()), number.to_string().as_bytes());
        }
    }
}
