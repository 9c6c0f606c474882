// SPDX-License-Identifier: GPL-2.0-only
//! Text from the guest. It is not trusted: a driver may print anything, and the text is shown on a
//! terminal.

/// The longest line that is kept, in characters.
const LONGEST: usize = 2000;

/// Returns a line of the guest in a form that is safe to show and store. It has no control
/// characters, no characters that reverse the text's direction, and a limited length.
pub fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut clean = String::with_capacity(text.len());
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            clean.push('…');
            break;
        }
        match c {
            '\t' => clean.push(' '),
            c if c.is_control() || turns_direction(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    clean
}

/// Returns whether the character is invisible and changes the layout of the text around it.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Splits `text` into pieces of at most `most` bytes, between characters.
pub fn pieces(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > most {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(most));
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(clean(b"a\x1b[2Jb\x07\tc"), "a\\u{1b}[2Jb\\u{7} c");
        assert_eq!(clean("x\u{202e}y".as_bytes()), "x\\u{202e}y");
        assert_eq!(clean(b"\xff!"), "\u{fffd}!");
    }

    #[test]
    fn a_long_line_is_cut() {
        let line = clean("é".repeat(3000).as_bytes());
        assert_eq!(line.chars().count(), LONGEST + 1);
        assert!(line.ends_with("é…"));
    }

    #[test]
    fn pieces_are_cut_between_characters_and_lose_nothing() {
        let text = "aé".repeat(10);
        let cut = pieces(&text, 4);
        assert!(cut.iter().all(|piece| piece.len() <= 4));
        assert_eq!(cut.concat(), text);
        assert!(pieces("", 4).is_empty());
    }
}
