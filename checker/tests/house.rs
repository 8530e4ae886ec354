//! The house is in order: no two files import each other, directly or around corners, and no folder
//! holds more than one can look over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemMod, UseTree};

/// More files than this in one folder are too many.
const MOST: usize = 12;

/// The files of a crate by the path of their module: `judge::run::queue`; the root is empty.
struct Crate {
    modules: BTreeMap<Vec<String>, PathBuf>,
}

impl Crate {
    fn read(src: &Path) -> Self {
        let mut modules = BTreeMap::new();
        for path in files(src) {
            let inside = path.strip_prefix(src).unwrap().with_extension("");
            let mut module: Vec<String> =
                inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                module.pop();
            }
            modules.insert(module, path);
        }
        Self { modules }
    }

    /// Which files each file imports from.
    fn imports(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let of = |(module, path): (&Vec<String>, &PathBuf)| {
            let text = fs::read_to_string(path).unwrap();
            let file: File = syn::parse_file(&text).unwrap();
            let mut paths = Paths { module, named: Vec::new() };
            paths.visit_file(&file);
            let found = paths.named.iter().filter_map(|named| self.file_of(module, named));
            found.filter(|other| *other != path).map(PathBuf::as_path).collect()
        };
        self.modules.iter().map(|entry| (entry.1.as_path(), of(entry))).collect()
    }

    /// The file that a path leads to, seen from a module: that of the longest part which is one.
    fn file_of(&self, from: &[String], named: &[String]) -> Option<&PathBuf> {
        let mut at = from.to_vec();
        let mut rest = named;
        match rest.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            // A child of this very file's, or another crate.
            child => {
                at.push(child.to_owned());
                self.modules.get(&at)?;
            }
        }
        rest = &rest[1..];
        while let Some((first, behind)) = rest.split_first() {
            if first == "super" {
                at.pop();
            } else {
                at.push(first.clone());
                if !self.modules.contains_key(&at) {
                    at.pop();
                    break;
                }
            }
            rest = behind;
        }
        self.modules.get(&at)
    }
}

/// All paths in a file but those of its tests.
struct Paths<'a> {
    module: &'a [String],
    named: Vec<Vec<String>>,
}

impl Paths<'_> {
    fn take_use(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.take_use(&with(path.ident.to_string()), &path.tree),
            UseTree::Name(name) => self.named.push(with(name.ident.to_string())),
            UseTree::Rename(name) => self.named.push(with(name.ident.to_string())),
            UseTree::Glob(_) => self.named.push(before.to_vec()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.take_use(before, tree);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Use(import) = item {
            self.take_use(&[], &import.tree);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        // A module within a file would need a path of its own; only tests are such.
        if module.content.is_some() {
            assert!(
                module.attrs.iter().any(is_test),
                "{:?}: `mod {}` has no file of its own",
                self.module,
                module.ident
            );
            return;
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.named
                .push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }
}

fn is_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|what| what == "test")
}

/// The Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// A way from a file over its imports back to it, if there is one.
fn circle<'a>(imports: &BTreeMap<&'a Path, BTreeSet<&'a Path>>) -> Option<Vec<&'a Path>> {
    fn go<'a>(
        at: &'a Path,
        way: &mut Vec<&'a Path>,
        done: &mut BTreeSet<&'a Path>,
        imports: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
    ) -> bool {
        if let Some(first) = way.iter().position(|before| *before == at) {
            way.drain(..first);
            return true;
        }
        if !done.insert(at) {
            return false;
        }
        way.push(at);
        if imports[at].iter().any(|next| go(next, way, done, imports)) {
            return true;
        }
        way.pop();
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    imports.keys().any(|file| go(file, &mut way, &mut done, imports)).then_some(way)
}

fn has_no_circle(src: &str) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(src);
    let read = Crate::read(&src);
    let imports = read.imports();
    assert!(
        imports.values().map(BTreeSet::len).sum::<usize>() >= imports.len(),
        "so few imports were found in {} that the test must be at fault",
        src.display()
    );
    let shown = |path: &Path| path.strip_prefix(&src).unwrap().display().to_string();
    if let Some(way) = circle(&imports) {
        let names: Vec<String> = way.into_iter().map(shown).collect();
        panic!("these import each other in a circle: {}", names.join(" → "));
    }
}

#[test]
fn no_files_of_the_checker_import_each_other() {
    has_no_circle("src");
}

#[test]
fn no_files_of_the_simulation_import_each_other() {
    has_no_circle("sim/core/src");
}

#[test]
fn a_report_knows_the_verdict_and_nobody_else() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = Crate::read(&src);
    let report = src.join("report");
    for (file, others) in read.imports() {
        if !file.starts_with(&report) {
            continue;
        }
        for other in others {
            assert!(
                other.starts_with(&report) || other.ends_with("judge/verdict.rs"),
                "{} imports {}",
                file.display(),
                other.display()
            );
        }
    }
}

#[test]
fn no_folder_holds_too_many_files() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for path in files(&src) {
        *counts.entry(path.parent().unwrap().to_owned()).or_default() += 1;
    }
    for (folder, count) in counts {
        assert!(count <= MOST, "{} holds {count} files", folder.display());
    }
}

#[test]
fn a_circle_is_found_around_corners() {
    let (a, b, c) = (Path::new("a"), Path::new("b"), Path::new("c"));
    let straight = BTreeMap::from([
        (a, BTreeSet::from([b, c])),
        (b, BTreeSet::from([c])),
        (c, BTreeSet::new()),
    ]);
    assert_eq!(circle(&straight), None);
    let mut round = straight;
    round.insert(c, BTreeSet::from([a]));
    assert_eq!(circle(&round), Some(vec![a, b, c]));
}
