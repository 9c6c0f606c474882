// SPDX-License-Identifier: GPL-2.0-only
//! Figures. Each is the median of measured values, and can have a ratio to another figure of the
//! same run.

use linux_driver_host::table::aligned;
use serde::Serialize;

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Seconds,
    Bytes,
    Instructions,
    /// The unit that the figure's name gives.
    Count,
}

/// A measured duration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// The time on the clock, in seconds.
    pub(super) wall: f64,
    /// The time on the processors, in seconds, of this process and all processes that it started.
    pub(super) cpu: f64,
}

/// A measured figure.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    what: String,
    unit: Unit,
    values: Vec<f64>,
    median: f64,
    min: f64,
    max: f64,
    /// The median of the processor time, in seconds. It tells slow code from a busy machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<Beside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
}

/// The highest value of a figure that reaches its target.
#[derive(Debug, Clone, Serialize)]
struct Limit {
    target: f64,
    reached: bool,
}

/// A figure's ratio to another one.
#[derive(Debug, Clone, Serialize)]
struct Beside {
    what: String,
    ratio: f64,
    /// The highest ratio that reaches the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
}

impl Figure {
    /// Makes the figure for these values. There must be at least one.
    pub(super) fn new(what: impl Into<String>, unit: Unit, values: Vec<f64>) -> Self {
        let (min, median, max) = middle(&values);
        Self {
            what: what.into(),
            unit,
            values,
            median,
            min,
            max,
            cpu: None,
            beside: None,
            limit: None,
        }
    }

    /// Renames the figure.
    #[must_use]
    pub(super) fn renamed(mut self, what: &str) -> Self {
        self.what = what.to_owned();
        self
    }

    /// Makes the figure for these times. There must be at least one.
    pub(super) fn of_times(what: impl Into<String>, times: &[Time]) -> Self {
        let cpu: Vec<f64> = times.iter().map(|time| time.cpu).collect();
        let wall = times.iter().map(|time| time.wall).collect();
        Self {
            cpu: Some(middle(&cpu).1),
            ..Self::new(what, Unit::Seconds, wall)
        }
    }

    /// Adds the ratio to `other`, with the highest ratio that reaches the target if there is one.
    #[must_use]
    pub(super) fn beside(mut self, other: &Self, target: Option<f64>) -> Self {
        let ratio = self.median / other.median;
        let reached = target.map(|target| ratio <= target);
        self.beside = Some(Beside {
            what: other.what.clone(),
            ratio,
            target,
            reached,
        });
        self
    }

    /// Adds the highest median that reaches the target.
    #[must_use]
    pub(super) fn at_most(mut self, target: f64) -> Self {
        self.limit = Some(Limit {
            target,
            reached: self.median <= target,
        });
        self
    }

    fn text(&self, value: f64) -> String {
        match self.unit {
            // Two decimals are too few for values below a second.
            Unit::Seconds if self.max < 1.0 => format!("{value:.4}"),
            Unit::Seconds => format!("{value:.2}"),
            Unit::Bytes | Unit::Instructions | Unit::Count => format!("{value:.0}"),
        }
    }

    fn row(&self) -> Vec<String> {
        let median = match self.unit {
            Unit::Seconds => format!("{} s", self.text(self.median)),
            Unit::Bytes => format!("{} bytes", self.text(self.median)),
            Unit::Instructions => format!("{} instructions", self.text(self.median)),
            Unit::Count => self.text(self.median),
        };
        let range = match self.values.len() {
            1 => String::new(),
            count => format!("{}..{} ({count})", self.text(self.min), self.text(self.max)),
        };
        let cpu = self
            .cpu
            .map_or_else(String::new, |cpu| format!("{cpu:.2} s"));
        let mut row = vec![self.what.clone(), median, range, cpu];
        if let Some(beside) = &self.beside {
            let target = beside
                .target
                .map_or_else(String::new, |target| format!("at most {target}"));
            let reached = beside.reached.map_or("", word);
            // The target for a driver exceeds the twin's value by only a few hundredths, so two
            // decimals are too few.
            let digits = if self.unit == Unit::Instructions {
                3
            } else {
                2
            };
            row.extend([
                format!("{:.digits$} x {}", beside.ratio, beside.what),
                target,
                reached.to_owned(),
            ]);
        } else if let Some(limit) = &self.limit {
            row.extend([
                String::new(),
                format!("at most {}", limit.target),
                word(limit.reached).to_owned(),
            ]);
        }
        row
    }
}

/// Returns one word that says whether a target is reached.
fn word(reached: bool) -> &'static str {
    if reached { "yes" } else { "NO" }
}

/// Returns the smallest value, the median and the largest value.
fn middle(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let (last, middle) = (sorted.len().wrapping_sub(1), sorted.len() / 2);
    let median = if sorted.len().is_multiple_of(2) {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    } else {
        at(middle)
    };
    (at(0), median, at(last))
}

/// Formats the figures as a table.
pub(super) fn as_text(figures: &[Figure]) -> String {
    let head = [
        "WHAT",
        "MEDIAN",
        "MIN..MAX (ROUNDS)",
        "CPU",
        "RATIO",
        "TARGET",
        "REACHED",
    ]
    .map(str::to_owned)
    .to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(figures.iter().map(Figure::row))
        .collect();
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(what: &str, values: &[f64]) -> Figure {
        Figure::new(what, Unit::Seconds, values.to_vec())
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(
            seconds("odd", &[9.0, 1.0, 2.0]).median.to_bits(),
            2.0_f64.to_bits()
        );
        assert_eq!(
            seconds("even", &[9.0, 1.0, 2.0, 4.0]).median.to_bits(),
            3.0_f64.to_bits()
        );
        assert!(seconds("none", &[]).median.is_nan());
        let times = [5.0, 7.0, 6.0].map(|wall| Time {
            wall,
            cpu: wall / 2.0,
        });
        let text = as_text(&[Figure::of_times("times", &times)]);
        let last: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(
            last,
            ["times", "6.00", "s", "5.00..7.00", "(3)", "3.00", "s"]
        );
    }

    #[test]
    fn a_ratio_is_printed_with_its_target() {
        let c = seconds("c", &[2.0, 2.0, 8.0]);
        let rust = |value: f64| seconds("rust", &[value]).beside(&c, Some(1.5));
        let text = as_text(&[c.clone(), rust(3.0), rust(3.1), rust(1.0).beside(&c, None)]);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[1], ["c", "2.00", "s", "2.00..8.00", "(3)"]);
        assert_eq!(
            lines[2][3..],
            ["1.50", "x", "c", "at", "most", "1.5", "yes"]
        );
        assert_eq!(lines[3][3..], ["1.55", "x", "c", "at", "most", "1.5", "NO"]);
        assert_eq!(lines[4][3..], ["0.50", "x", "c"]);
    }

    #[test]
    fn a_limit_needs_no_other_figure() {
        let frame = |value| Figure::new("frame", Unit::Bytes, vec![value]).at_most(1024.0);
        let text = as_text(&[frame(1024.0), frame(1025.0)]);
        let words: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_whitespace().last())
            .collect();
        assert_eq!(words, ["REACHED", "yes", "NO"]);
    }
}
