// SPDX-License-Identifier: GPL-2.0-only
//! CI's workflow as GitHub reads it: jobs, steps, their conditions and the expressions in them.
//!
//! Anything unknown is an error, so that no step is misread.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// A workflow file.
#[derive(Debug, Deserialize)]
pub(crate) struct Workflow {
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) jobs: BTreeMap<String, Job>,
}

/// A job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Job {
    #[serde(rename = "if")]
    pub(crate) condition: Option<String>,
    #[expect(dead_code, reason = "each job is run by itself")]
    needs: Option<Value>,
    #[expect(dead_code, reason = "a test gives the matrix its values")]
    outputs: Option<Value>,
    #[expect(dead_code, reason = "a test says where it runs")]
    runs_on: String,
    pub(crate) container: Option<Value>,
    strategy: Option<Strategy>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Strategy {
    #[expect(dead_code, reason = "each job is run by itself")]
    fail_fast: Option<bool>,
    matrix: BTreeMap<String, Value>,
}

/// A step: either a script (`run`) or an action (`uses`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) id: Option<String>,
    #[serde(rename = "if")]
    pub(crate) condition: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) uses: Option<String>,
    #[serde(default)]
    with: BTreeMap<String, Value>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

impl Workflow {
    pub(crate) fn read(path: &Path) -> Self {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
}

impl Job {
    /// Checks that the file lists this value of the matrix.
    pub(crate) fn accepts(&self, name: &str, value: &str) {
        let values = self
            .strategy
            .as_ref()
            .and_then(|strategy| strategy.matrix.get(name));
        match values {
            Some(Value::Array(values)) => assert!(
                values.iter().any(|one| one == value),
                "{value}: not in {values:?}"
            ),
            // Another job computes the values.
            Some(Value::String(expression)) => {
                assert!(expression.contains("needs."), "what is `{expression}`?")
            }
            other => panic!("matrix.{name}: {other:?}"),
        }
    }
}

impl Step {
    /// Returns the value of one of the action's settings.
    pub(crate) fn with(&self, name: &str, values: &Values) -> String {
        match self.with.get(name) {
            Some(Value::String(text)) => values.filled(text),
            other => panic!("{:?}: {name}: {other:?}", self.uses),
        }
    }

    /// Returns the step's own environment.
    pub(crate) fn env(&self, values: &Values) -> Vec<(String, String)> {
        let filled = |(name, value): (&String, &String)| (name.clone(), values.filled(value));
        self.env.iter().map(filled).collect()
    }
}

/// The values of the expressions while a job runs: `matrix.kernel`, `steps.update.outputs.code`.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Returns the text with each `${{ … }}` replaced.
    pub(crate) fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            let (expression, after) = after
                .split_once("}}")
                .unwrap_or_else(|| panic!("no end: {text}"));
            filled += before;
            filled += &self.value(expression.trim());
            rest = after;
        }
        filled + rest
    }

    /// Returns whether a condition is true. It has no parentheses and calls no function.
    pub(crate) fn hold(&self, condition: &str) -> bool {
        condition
            .split("||")
            .any(|all| all.split("&&").all(|one| self.compared(one)))
    }

    fn compared(&self, comparison: &str) -> bool {
        // GitHub ignores case when it compares.
        let same = |(a, b): (&str, &str)| {
            self.value(a.trim())
                .eq_ignore_ascii_case(&self.value(b.trim()))
        };
        if let Some(operands) = comparison.split_once("==") {
            same(operands)
        } else if let Some(operands) = comparison.split_once("!=") {
            !same(operands)
        } else {
            panic!("`{comparison}` compares nothing")
        }
    }

    /// Returns the value of an operand: a text in quotes, or a name.
    fn value(&self, operand: &str) -> String {
        if let Some(text) = operand
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
        {
            return text.to_owned();
        }
        match self.0.get(operand) {
            Some(value) => value.clone(),
            // An output that the step did not set is empty. The step must exist.
            None if self.is_output(operand) => String::new(),
            None => panic!("what is `{operand}`?"),
        }
    }

    fn is_output(&self, operand: &str) -> bool {
        let step = operand.split_once(".outputs.").map(|(step, _)| step);
        step.is_some_and(|step| self.0.contains_key(step))
    }
}

#[test]
fn expressions_are_githubs() {
    let mut values = Values::default();
    values.set("matrix.kernel", "debian-6.12");
    values.set("steps.update", "");
    values.set("steps.update.outputs.code", "1");
    assert_eq!(
        values.filled("drift-${{ matrix.kernel }}!"),
        "drift-debian-6.12!"
    );
    let condition = |condition: &str| values.hold(condition);
    assert!(condition(
        "steps.update.outputs.drift == 'yes' || steps.update.outputs.code != '0'"
    ));
    assert!(!condition("steps.update.outputs.drift == 'yes'"));
    assert!(condition(
        "steps.update.outputs.drift == '' && matrix.kernel == 'Debian-6.12'"
    ));
    for unknown in [
        "steps.other.outputs.drift == ''",
        "always()",
        "matrix.shard != ''",
    ] {
        assert!(
            std::panic::catch_unwind(|| values.hold(unknown)).is_err(),
            "{unknown}"
        );
    }
}
