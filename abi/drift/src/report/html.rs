// SPDX-License-Identifier: GPL-2.0-only
//! The report as one self-contained page. It needs no network and no other file, and only its
//! pictures and filters need JavaScript.
//!
//! The page is a matrix of comparisons by types and functions. The page writes the content of a
//! cell once, as an article, for all kernels that share it. It writes each layout once too. The
//! browser draws a picture on demand, from layouts that the page contains as data. So a page of
//! hundreds of kernels stays small.
//!
//! All names and texts of a report may come from untrusted files. They reach the page only through
//! `escape`.

mod collect;
mod data;
mod escape;
mod page;

use crate::report::DriftReport;

/// Returns the page.
pub fn render(report: &DriftReport) -> String {
    let collected = collect::collect(report);
    page::page(report, &collected)
}

#[cfg(test)]
mod tests;
