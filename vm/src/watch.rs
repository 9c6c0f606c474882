// SPDX-License-Identifier: GPL-2.0-only
//! Watches for the messages of a step: those that must come, and those that must not.

use regex_lite::Regex;

use crate::Step;

/// The messages that a step still waits for.
#[derive(Debug)]
pub struct Watch {
    /// The patterns that must match a message, each with `true` once a message has matched.
    expect: Vec<(Regex, bool)>,
    never: Vec<Regex>,
    exactly: bool,
}

impl Watch {
    /// Makes the watch of this step. The error names a pattern that is not a regular expression.
    pub fn new(step: &Step) -> Result<Self, String> {
        let regex = |text: &String| Regex::new(text).map_err(|e| format!("{text:?}: {e}"));
        Ok(Self {
            expect: step
                .expect
                .iter()
                .map(|text| Ok((regex(text)?, false)))
                .collect::<Result<_, String>>()?,
            never: step.never.iter().map(regex).collect::<Result<_, _>>()?,
            exactly: step.exactly,
        })
    }

    /// Takes the next message. The error is the reason why the message fails the step.
    pub fn see(&mut self, message: &str) -> Result<(), String> {
        if self.never.iter().any(|regex| regex.is_match(message)) {
            return Err(format!("a message matches a pattern of `never`: {message}"));
        }
        let next = self.expect.iter().position(|(_, came)| !came);
        for (number, (regex, came)) in self.expect.iter_mut().enumerate() {
            if !regex.is_match(message) {
                continue;
            }
            if self.exactly && Some(number) != next {
                let what = if *came {
                    "was logged twice"
                } else {
                    "was logged too early"
                };
                return Err(format!("this message {what}: {message}"));
            }
            *came = true;
        }
        Ok(())
    }

    /// Returns the patterns that no message has matched yet, for a person, if there are any.
    pub fn missing(&self) -> Option<String> {
        let missing: Vec<String> = self
            .expect
            .iter()
            .filter(|(_, came)| !came)
            .map(|(regex, _)| format!("{:?}", regex.as_str()))
            .collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    fn watch(exactly: bool) -> Watch {
        let step = Step::new("a", Action::Expect {})
            .expecting("one$")
            .expecting("two$")
            .never("three");
        Watch::new(&Step { exactly, ..step }).unwrap()
    }

    #[test]
    fn messages_come_in_any_order_and_number() {
        let mut watch = watch(false);
        for message in ["two", "another", "two"] {
            watch.see(message).unwrap();
        }
        assert_eq!(watch.missing().as_deref(), Some(r#""one$""#));
        watch.see("one").unwrap();
        assert_eq!(watch.missing(), None);
        assert!(watch.see("three").unwrap_err().contains("`never`: three"));
    }

    #[test]
    fn or_in_this_order_and_each_once() {
        let mut exact = watch(true);
        assert!(exact.see("two").unwrap_err().contains("too early: two"));
        for message in ["one", "another", "two"] {
            exact.see(message).unwrap();
        }
        assert_eq!(exact.missing(), None);
        for message in ["one", "two"] {
            assert!(
                exact.see(message).unwrap_err().contains("twice"),
                "{message}"
            );
        }
    }
}
