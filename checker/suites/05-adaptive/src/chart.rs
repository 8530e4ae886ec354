//! Load, size and wait over time, as small charts for a terminal.

use rasciigraph::{Config, plot};

use crate::traffic::Played;

/// So wide, with the numbers before it, that a terminal of 80 columns has room for it.
const COLUMNS: usize = 54;
const ROWS: u32 = 3;

/// The charts of a played script, one below the other.
pub fn draw(played: &Played, seconds: u32) -> String {
    let wanted = column(played, |look| f64::from(look.wanted));
    let open = column(played, |look| f64::from(look.open));
    let wait = column(played, |look| look.wait.as_secs_f64() * 1_000.0);
    let charts =
        [("connections wanted", wanted), ("connections open", open), ("longest wait, in ms", wait)];
    charts.map(|(title, values)| chart(title, values, seconds)).join("\n")
}

/// The highest value of each column: what is short and high must be seen.
fn column(played: &Played, value: fn(&crate::traffic::Look) -> f64) -> Vec<f64> {
    let looks = &played.looks;
    let bounds = |column: usize| column * looks.len() / COLUMNS;
    let columns = 0..COLUMNS.min(looks.len());
    columns
        .map(|column| {
            looks[bounds(column)..bounds(column + 1)].iter().map(value).fold(0.0, f64::max)
        })
        .collect()
}

/// A line of text may not begin with a space, lest it loses it: each begins with a bar.
fn chart(title: &str, values: Vec<f64>, seconds: u32) -> String {
    let drawn = plot(values, Config::default().with_height(ROWS));
    let rows: Vec<String> = drawn.lines().map(|row| format!("│{}", row.trim_end())).collect();
    format!("{title}, from 0 to {seconds} s\n{}", rows.join("\n"))
}
