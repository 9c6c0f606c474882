// SPDX-License-Identifier: GPL-2.0-only
//! The written form of a step: one flat table, in a plan, in a manifest and in the job for the
//! guest.
//!
//! One key names the action and holds its object: `bind = "pci:1234:11e8"`. The other keys of the
//! action and the keys of the step are in the same table. A step without an action only expects
//! messages.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Action, Step};

/// The keys of every step, without those of its action.
const OF_STEP: [&str; 7] = [
    "name",
    "expect",
    "exactly",
    "never",
    "fails",
    "timeout-s",
    "needs-config",
];

/// The keys that name an action.
const ACTIONS: [&str; 30] = [
    "load",
    "load-by-alias",
    "unload",
    "wait-bound",
    "devices-bound",
    "wait-unbound",
    "wait-gone",
    "unbind",
    "bind",
    "remove",
    "rescan",
    "write",
    "read",
    "exists",
    "absent",
    "sleep-ms",
    "repeat",
    "unplug",
    "surprise-unplug",
    "plug",
    "monitor",
    "monitor-line",
    "exec",
    "spawn",
    "join",
    "kmemleak",
    "fail-allocations",
    "count-allocations",
    "suspend",
    "shutdown",
];

/// The key of an action without an object: `rescan = true`.
const RESCAN: &str = "rescan";
/// The key that holds the kind of an action in the derived implementations.
const KIND: &str = "do";
/// The kind of a step without an action.
const NO_ACTION: &str = "expect";

/// Returns the action that these keys describe.
fn action(mut keys: Map<String, Value>) -> Result<Action, String> {
    let named: Vec<&str> = ACTIONS
        .into_iter()
        .filter(|action| keys.contains_key(*action))
        .collect();
    let kind = match named[..] {
        [kind] => kind,
        [] if keys.is_empty() => NO_ACTION,
        [] => {
            let found: Vec<String> = keys.keys().map(|key| format!("`{key}`")).collect();
            return Err(format!(
                "expected a key that names an action, found {}. The keys of every step: {}. \
                 The actions: {}",
                found.join(", "),
                OF_STEP.join(", "),
                ACTIONS.join(", ")
            ));
        }
        [..] => {
            return Err(format!(
                "expected one action, found `{}`: make a step of each",
                named.join("` and `")
            ));
        }
    };
    if kind == RESCAN && keys.remove(RESCAN) != Some(Value::Bool(true)) {
        return Err("expected `rescan = true`, found another value".to_owned());
    }
    keys.insert(KIND.to_owned(), kind.into());
    Action::deserialize(Value::Object(keys)).map_err(|e| format!("`{kind}`: {e}"))
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        action(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = Self::serialize(self, serde_json::value::Serializer);
        let mut value = value.map_err(S::Error::custom)?;
        if let Value::Object(keys) = &mut value {
            keys.remove(KIND);
            if matches!(self, Self::Rescan {}) {
                keys.insert(RESCAN.to_owned(), true.into());
            }
        }
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys: Map<String, Value> = Map::deserialize(deserializer)?;
        let (mut step, of_action): (Map<_, _>, Map<_, _>) = keys
            .into_iter()
            .partition(|(key, _)| OF_STEP.contains(&key.as_str()));
        let name = step.get("name").map(Value::to_string);
        step.insert("action".to_owned(), Value::Object(of_action));
        Self::deserialize(Value::Object(step)).map_err(|e| {
            D::Error::custom(match name {
                Some(name) => format!("step {name}: {e}"),
                None => format!("a step without `name`: {e}"),
            })
        })
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = Self::serialize(self, serde_json::value::Serializer);
        let mut value = value.map_err(S::Error::custom)?;
        if let Value::Object(keys) = &mut value
            && let Some(Value::Object(of_action)) = keys.remove("action")
        {
            keys.extend(of_action);
        }
        value.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(step: &str) -> String {
        toml::from_str::<Step>(step).unwrap_err().to_string()
    }

    #[test]
    fn a_key_of_an_action_names_it() {
        let step: Step = toml::from_str(
            "name = \"a\"\nbind = \"platform/x\"\ndriver = \"d\"\nexpect = ['bound$']\nfails = \"EBUSY\"",
        )
        .unwrap();
        assert!(matches!(&step.action, Action::Bind { driver, .. } if driver == "d"));
        assert_eq!(step.expect, ["bound$"]);
        let step: Step = toml::from_str("name = \"a\"\nload = \"edu\"").unwrap();
        assert!(matches!(&step.action, Action::Load { module, .. } if module == "/edu.ko"));
        let step: Step = toml::from_str("name = \"a\"\nexpect = ['b']").unwrap();
        assert_eq!(step.action, Action::Expect {});
    }

    #[test]
    fn an_error_names_the_step_what_was_expected_and_what_was_found() {
        for (step, parts) in [
            (
                "name = \"one\"\nlaod = \"edu\"",
                ["step \"one\"", "`laod`", "load, load-by-alias"],
            ),
            (
                "name = \"one\"\nload = \"edu\"\nunload = \"edu\"",
                ["step \"one\"", "one action", "`load` and `unload`"],
            ),
            (
                "name = \"one\"\nbind = \"platform/x\"\ndrivr = \"d\"",
                ["step \"one\"", "`drivr`", "`driver`"],
            ),
            (
                "name = \"one\"\nwrite = \"/x\"",
                ["step \"one\"", "`write`", "`data`"],
            ),
            (
                "name = \"one\"\nsleep-ms = \"long\"",
                ["step \"one\"", "`sleep-ms`", "\"long\""],
            ),
            (
                "name = \"one\"\nunbind = \"edu\"",
                ["step \"one\"", "`unbind`", "pci:VENDOR:DEVICE"],
            ),
            (
                "name = \"one\"\nrescan = 1",
                ["step \"one\"", "`rescan = true`", "found"],
            ),
            (
                "name = \"one\"\nexpect = 1",
                ["step \"one\"", "invalid type", "sequence"],
            ),
            ("load = \"edu\"", ["without `name`", "missing", "name"]),
            (
                "name = \"one\"\nrepeat = 2\nactions = [{ doze = 1 }]",
                ["step \"one\"", "`repeat`", "`doze`"],
            ),
        ] {
            let error = wrong(step);
            for part in parts {
                assert!(error.contains(part), "{step}: no {part:?} in {error}");
            }
        }
    }
}
