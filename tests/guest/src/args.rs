// SPDX-License-Identifier: GPL-2.0-only
//! The arguments of a command.

use std::str::FromStr;

use crate::outcome::{Failure, Result};

/// The arguments that are not read yet.
pub(crate) struct Args<'a>(Vec<&'a str>);

impl<'a> Args<'a> {
    pub(crate) fn new(args: &'a [String]) -> Self {
        Self(args.iter().map(String::as_str).collect())
    }

    /// Returns the value after this option, if the option is given.
    pub(crate) fn option<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(at) = self.0.iter().position(|arg| *arg == name) else {
            return Ok(None);
        };
        self.0.remove(at);
        self.value(at, name).map(Some)
    }

    /// Returns the two values after this option, if the option is given.
    pub(crate) fn pair(&mut self, name: &str) -> Result<Option<(&'a str, &'a str)>> {
        let Some(at) = self.0.iter().position(|arg| *arg == name) else {
            return Ok(None);
        };
        if at + 2 >= self.0.len() {
            return Err(Failure::new(format_args!("{name} needs two values")));
        }
        self.0.remove(at);
        Ok(Some((self.0.remove(at), self.0.remove(at))))
    }

    /// Returns the next argument that is not an option. The caller reads the options first.
    pub(crate) fn next<T: FromStr>(&mut self, what: &str) -> Result<T> {
        self.value(0, what)
    }

    /// Returns an error if arguments are left.
    pub(crate) fn end(&self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(arg) => Err(Failure::new(format_args!("unexpected argument {arg:?}"))),
        }
    }

    fn value<T: FromStr>(&mut self, at: usize, what: &str) -> Result<T> {
        if at >= self.0.len() {
            return Err(Failure::new(format_args!("{what} is missing")));
        }
        let word = self.0.remove(at);
        word.parse()
            .map_err(|_| Failure::new(format_args!("{what} cannot be {word:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_come_anywhere() {
        let words = ["/dev/edu", "--calls", "5", "--unbind", "a", "b"].map(str::to_owned);
        let mut args = Args::new(&words);
        assert_eq!(args.option::<u64>("--calls").unwrap(), Some(5));
        assert_eq!(args.option::<u64>("--seed").unwrap(), None);
        assert_eq!(args.pair("--unbind").unwrap(), Some(("a", "b")));
        assert_eq!(args.next::<String>("the path").unwrap(), "/dev/edu");
        args.end().unwrap();
        assert!(args.next::<String>("the path").is_err());
        let words = ["--calls", "x"].map(str::to_owned);
        assert!(Args::new(&words).option::<u64>("--calls").is_err());
        assert!(Args::new(&words).end().is_err());
    }
}
