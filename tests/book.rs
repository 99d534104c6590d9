//! Plays the pages of the book; `BLESS=1` writes the right-hand columns as they came out.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn every_page_tells_the_truth() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book");
    let mut failures = Vec::new();
    let mut rows = 0;
    for path in pages(&book) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(&book).unwrap().display();
        match explain::book::play(&text) {
            Ok(played) => {
                rows += played.rows;
                failures.extend(played.failures.iter().map(|it| format!("{name}: {it}")));
                if std::env::var_os("BLESS").is_some() {
                    fs::write(&path, played.text).unwrap();
                }
            }
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(rows >= 25, "the book lost its tables: {rows} rows");
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|it| it == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}
