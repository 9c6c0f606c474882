// SPDX-License-Identifier: GPL-2.0-only
//! Figures: each a median of what was measured, beside another one that was measured in the same
//! run.

use linux_driver_host::table::aligned;
use serde::Serialize;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Seconds,
    Bytes,
    Instructions,
    /// Of what the figure names itself.
    Count,
}

/// How long something took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// On the clock.
    pub(super) wall: f64,
    /// On the processors, of this process and all that it started.
    pub(super) cpu: f64,
}

/// One thing that was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    what: String,
    unit: Unit,
    values: Vec<f64>,
    median: f64,
    min: f64,
    max: f64,
    /// The median of the seconds on the processors: it tells slow code from a busy machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<Beside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
}

/// What a figure is to be at most by itself.
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
    /// What the ratio is to be at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
}

impl Figure {
    /// The figure for these values, of which there has to be one at least.
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

    /// The same figure under another name.
    #[must_use]
    pub(super) fn renamed(mut self, what: &str) -> Self {
        self.what = what.to_owned();
        self
    }

    /// The figure for these times, of which there has to be one at least.
    pub(super) fn of_times(what: impl Into<String>, times: &[Time]) -> Self {
        let cpu: Vec<f64> = times.iter().map(|time| time.cpu).collect();
        let wall = times.iter().map(|time| time.wall).collect();
        Self {
            cpu: Some(middle(&cpu).1),
            ..Self::new(what, Unit::Seconds, wall)
        }
    }

    /// The figure with its ratio to `other`, and what that is to be at most if there is a target.
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

    /// The figure with what its median is to be at most.
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
            // Two digits say nothing of a hundredth of a second.
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
            // A driver's target is a few hundredths more than the twin's.
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

/// Whether a target is reached, in a word.
fn word(reached: bool) -> &'static str {
    if reached { "yes" } else { "NO" }
}

/// The smallest, the median and the largest.
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

/// The figures as a table.
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
    fn a_ratio_stands_beside_its_target() {
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
