// SPDX-License-Identifier: GPL-2.0-only
//! Error numbers by their names, as in `<errno.h>`.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An error number of the kernel. A plan names it (`"EBUSY"`) or gives its value (`16`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        /// The name of each number. For a number with several names, the first one is displayed.
        const NAMES: &[(&str, i32)] = &[
            $((stringify!($name), libc::$name),)*
            ("EWOULDBLOCK", libc::EAGAIN),
            ("EDEADLOCK", libc::EDEADLK),
            ("ENOTSUP", libc::EOPNOTSUPP),
            // A number of the kernel itself, which drivers return to user space.
            ("ENOTSUPP", 524),
        ];
    };
}

names! {
    EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, ECHILD, EAGAIN, ENOMEM, EACCES, EFAULT, ENOTBLK,
    EBUSY, EEXIST, EXDEV, ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, ETXTBSY, EFBIG, ENOSPC, ESPIPE,
    EROFS, EMLINK, EPIPE, EDOM, ERANGE, EDEADLK, ENAMETOOLONG, ENOLCK, ENOSYS, ENOTEMPTY, ELOOP, ENOMSG, EIDRM,
    ECHRNG, EL2NSYNC, EL3HLT, EL3RST, ELNRNG, EUNATCH, ENOCSI, EL2HLT, EBADE, EBADR, EXFULL, ENOANO, EBADRQC,
    EBADSLT, EBFONT, ENOSTR, ENODATA, ETIME, ENOSR, ENONET, ENOPKG, EREMOTE, ENOLINK, EADV, ESRMNT, ECOMM, EPROTO,
    EMULTIHOP, EDOTDOT, EBADMSG, EOVERFLOW, ENOTUNIQ, EBADFD, EREMCHG, ELIBACC, ELIBBAD, ELIBSCN, ELIBMAX, ELIBEXEC,
    EILSEQ, ERESTART, ESTRPIPE, EUSERS, ENOTSOCK, EDESTADDRREQ, EMSGSIZE, EPROTOTYPE, ENOPROTOOPT, EPROTONOSUPPORT,
    ESOCKTNOSUPPORT, EOPNOTSUPP, EPFNOSUPPORT, EAFNOSUPPORT, EADDRINUSE, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH,
    ENETRESET, ECONNABORTED, ECONNRESET, ENOBUFS, EISCONN, ENOTCONN, ESHUTDOWN, ETOOMANYREFS, ETIMEDOUT,
    ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EALREADY, EINPROGRESS, ESTALE, EUCLEAN, ENOTNAM, ENAVAIL, EISNAM,
    EREMOTEIO, EDQUOT, ENOMEDIUM, EMEDIUMTYPE, ECANCELED, ENOKEY, EKEYEXPIRED, EKEYREVOKED, EKEYREJECTED, EOWNERDEAD,
    ENOTRECOVERABLE, ERFKILL,
}

impl FromStr for Errno {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, number)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Self(*number));
        }
        match text.parse() {
            Ok(number @ 1..=4095) => Ok(Self(number)),
            _ => Err(format!(
                "{text:?} is not an error number: expected a name such as EBUSY, or 1 to 4095"
            )),
        }
    }
}

impl Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Errno {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Errno {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(i32),
            Name(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(number) => number.to_string(),
            Raw::Name(name) => name,
        }
        .parse()
        .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_names_are_the_same() {
        assert_eq!("EBUSY".parse(), Ok(Errno(16)));
        assert_eq!("16".parse(), Ok(Errno(16)));
        assert_eq!("EWOULDBLOCK".parse::<Errno>(), "EAGAIN".parse());
        assert_eq!(Errno(11).to_string(), "EAGAIN");
        assert_eq!(Errno(524).to_string(), "ENOTSUPP");
        assert_eq!(Errno(999).to_string(), "999");
        for wrong in ["EBUSSY", "0", "-16", "5000", ""] {
            assert!(wrong.parse::<Errno>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_plan_takes_either() {
        assert_eq!(
            serde_json::from_str::<Vec<Errno>>(r#"["ENODEV", 19]"#).unwrap(),
            [Errno(19), Errno(19)]
        );
        assert!(serde_json::from_str::<Errno>("0").is_err());
        assert_eq!(serde_json::to_string(&Errno(19)).unwrap(), r#""ENODEV""#);
    }
}
