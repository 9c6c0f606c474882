// SPDX-License-Identifier: GPL-2.0-only
//! Escaping of untrusted text, for HTML and for JSON in a script element.

use std::fmt::{self, Display, Write};

use crate::report::visible::visible;

/// A text for HTML, between tags or in a quoted attribute.
///
/// Control characters, and those that change the writing direction, are shown as codes. So a name
/// cannot look like another one.
pub(super) struct Text<T>(pub T);

impl<T: AsRef<str>> Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.as_ref().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(' ')?,
                c => f.write_str(&visible(c.encode_utf8(&mut [0; 4])))?,
            }
        }
        Ok(())
    }
}

/// Escapes JSON for a script element. No character can then end the element, open a comment, or end
/// a line of a script.
pub(super) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // JSON has these characters only in strings, where the escape means the same character.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str("\\u");
                let code = u32::from(c);
                for shift in [12, 8, 4, 0] {
                    out.extend(char::from_digit((code >> shift) & 15, 16));
                }
            }
            c => out.push(c),
        }
    }
    out
}
