// SPDX-License-Identifier: GPL-2.0-only
//! Escaping of untrusted names and texts. BTF may contain any bytes, and a name must neither
//! control a terminal nor look like another one.

use std::borrow::Cow;

/// Returns the text with each invisible or misleading character replaced by its code.
pub fn visible(text: &str) -> Cow<'_, str> {
    // Almost all texts are plain, and checking bytes is faster than checking characters.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(misleads) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if misleads(c) {
            out += &format!("\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Escapes such characters in a JSON document, which stays the same document.
pub fn visible_json(text: &str) -> Cow<'_, str> {
    // JSON already escapes the control characters, and has line breaks only between its parts.
    let hidden = |c: char| misleads(c) && c != '\n';
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out += &format!("\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Returns whether a character is invisible, or changes how others look.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert!(matches!(visible("pci_dev → …"), Cow::Borrowed(_)));
        assert_eq!(
            visible("a\u{1b}[31m\u{7}\n\u{9b}1m\u{202e}b"),
            "a\\u{1b}[31m\\u{7}\\u{a}\\u{9b}1m\\u{202e}b"
        );
    }

    #[test]
    fn json_stays_the_same_document() {
        let text = serde_json::to_string_pretty(
            &serde_json::json!({ "a\u{1b}\n": ["\u{9b}", "\u{e0041}", "ü"] }),
        )
        .unwrap();
        let shown = visible_json(&text);
        assert!(!shown.chars().any(|c| misleads(c) && c != '\n'), "{shown}");
        assert!(shown.contains('ü'));
        let (before, after): (serde_json::Value, serde_json::Value) = (
            serde_json::from_str(&text).unwrap(),
            serde_json::from_str(&shown).unwrap(),
        );
        assert_eq!(before, after);
    }
}
