//! Whether the promises of a task's README, of its suite and of its cases agree.

use std::collections::BTreeSet;

use ledger::Listing;

/// The numbered promises of a README: its lines that begin, behind list marks and emphasis, with
/// `P1`, `P2`, … and what follows up to a blank line or the next item.
pub fn of_readme(text: &str) -> Vec<(String, String)> {
    let mut promises: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if let Some((number, words)) = numbered(line) {
            promises.push((number, words));
            open = true;
        } else if line.trim().is_empty() || line.starts_with(['-', '*', '#', '|']) {
            open = false;
        } else if let (true, Some((_, words))) = (open, promises.last_mut()) {
            *words = format!("{words} {line}");
        }
    }
    promises.into_iter().map(|(number, words)| (number, plain(&words))).collect()
}

fn numbered(line: &str) -> Option<(String, String)> {
    let text = line.trim_start_matches([' ', '-', '*', '#', '|', '_']);
    let digits = text.strip_prefix('P')?;
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    if end == 0 || !digits[end..].starts_with(['.', ':', ' ', '*', '|', '_']) {
        return None;
    }
    let words = digits[end..].trim_start_matches(['.', ':', ' ', '*', '|', '_', '—', '–']);
    Some((format!("P{}", &digits[..end]), words.to_owned()))
}

/// Words without markdown: emphasis, code marks, line breaks.
fn plain(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !matches!(c, '*' | '`' | '|')).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where README, suite and cases disagree, one sentence each. `kills` are the cases that faulty
/// variants name; every case must be among them.
pub fn disagreements(readme: &str, listing: &Listing, kills: &BTreeSet<String>) -> Vec<String> {
    let mut out = Vec::new();
    let told = of_readme(readme);
    for (number, words) in &listing.promises {
        match told.iter().find(|(other, _)| other == number) {
            None => out.push(format!("{number} is promised by the suite and not by the README")),
            Some((_, other)) if *other != plain(words) => out.push(format!(
                "{number} reads differently: README “{other}”, suite “{}”",
                plain(words)
            )),
            Some(_) => {}
        }
        if !listing.cases.iter().any(|case| case.promise == *number) {
            out.push(format!("{number} has no case"));
        }
    }
    for (number, _) in &told {
        if !listing.promises.iter().any(|(other, _)| other == number) {
            out.push(format!("{number} is promised by the README and not by the suite"));
        }
    }
    for case in &listing.cases {
        if !listing.promises.iter().any(|(number, _)| *number == case.promise) {
            out.push(format!("{} quotes {}, which nobody promises", case.name, case.promise));
        }
        if case.hints.is_empty() {
            out.push(format!("{} has no hint", case.name));
        }
        if !kills.contains(&case.name) {
            out.push(format!("{} is the named killer of no faulty variant", case.name));
        }
    }
    for name in kills {
        if !listing.cases.iter().any(|case| case.name == *name) {
            out.push(format!("a faulty variant names the case {name}, which does not exist"));
        }
    }
    out
}
