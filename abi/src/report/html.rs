// SPDX-License-Identifier: GPL-2.0-only
//! A report as one page that needs nothing else: no network, no other file, and for reading no
//! JavaScript.
//!
//! The page is a matrix of checks by types and functions. What a cell says is written once, as an
//! article, however many kernels it holds for; so is a layout. Pictures are drawn in the browser
//! when they are asked for, from the layouts that stand in the page as data. So a page of hundreds
//! of kernels stays small.
//!
//! All names and texts of a report come from files that somebody else may have written: nothing of
//! them reaches the page but through `escape`.

mod collect;
mod data;
mod escape;
mod page;

use crate::report::DriftReport;

/// The page.
pub fn render(report: &DriftReport) -> String {
    let collected = collect::collect(report);
    page::page(report, &collected)
}

#[cfg(test)]
mod tests;
