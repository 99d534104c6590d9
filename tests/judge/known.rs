//! Where the two are known to differ, on purpose or not mended yet: `known.md`, read anew at every run.

use std::{collections::BTreeMap, path::Path};

/// The cases of both lists, by `area/name`; true for those that are not mended yet.
#[derive(Debug, Default)]
pub(crate) struct Known {
    cases: BTreeMap<String, bool>,
}

impl Known {
    /// Reads the lists: under the heading `Open` or `Deliberate` a bullet for each case, in backquotes.
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("judge/known.md");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut known = Self::default();
        let mut is_open = None;
        for line in text.lines() {
            match line.strip_prefix("## ") {
                Some("Open") => is_open = Some(true),
                Some("Deliberate") => is_open = Some(false),
                Some(other) => panic!("known.md: {other:?} is neither Open nor Deliberate"),
                None => {}
            }
            if let Some(rest) = line.strip_prefix("- `") {
                let name = rest.split('`').next().unwrap_or_default().to_owned();
                let is_open = is_open.expect("known.md: a case above the first heading");
                let twice = known.cases.insert(name.clone(), is_open).is_some();
                assert!(!twice, "known.md names {name} twice");
            }
        }
        known
    }

    /// Whether a case is on a list, and if so, whether on that of what is not mended.
    pub(crate) fn is_open(&self, name: &str) -> Option<bool> {
        self.cases.get(name).copied()
    }

    /// All cases of both lists.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.keys().map(String::as_str)
    }
}
