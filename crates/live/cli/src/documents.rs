//! YAML and JSON files as documents that remember where they came from.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::Value;

/// One object of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The file, or `-` for standard input.
    pub file: String,
    /// The line of the file at which the document begins, from 1.
    pub line: usize,
    /// The object.
    pub value: Value,
}

impl Document {
    /// `file:line`, for messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Reads files, the YAML and JSON files of folders (by name, not below), or `-` for standard input.
///
/// # Errors
/// When a file cannot be read or is not YAML: the text names the file, the line and the column.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("read standard input")?;
            documents.extend(parse("-", &text)?);
            continue;
        }
        for file in files(path)? {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("read {}", file.display()))?;
            documents.extend(parse(&file.display().to_string(), &text)?);
        }
    }
    Ok(documents)
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("read {}", path.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|it| it.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json"))
        .collect();
    files.sort();
    anyhow::ensure!(!files.is_empty(), "{}: no .yaml, .yml or .json file in it", path.display());
    Ok(files)
}

/// The documents of one text; Lists are opened, empty documents are left out.
///
/// # Errors
/// When the text is not YAML or a document is no object: the text names the place.
pub fn parse(file: &str, text: &str) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for (line, part) in split(text) {
        let value: Value = match serde_saphyr::from_str(&part) {
            Ok(value) => value,
            Err(error) => {
                let at = error.location().map(|at| (at.line(), at.column()));
                let (row, column) = at.unwrap_or((1, 1));
                let row = line + usize::try_from(row).unwrap_or(1) - 1;
                let said = error.to_string();
                let said = said.lines().next().unwrap_or("not YAML").to_owned();
                let shown = text.lines().nth(row - 1).unwrap_or("");
                anyhow::bail!("{file}:{row}:{column}: this is not YAML: {said}\n  | {shown}");
            }
        };
        if value.is_null() {
            continue;
        }
        anyhow::ensure!(
            value.is_object(),
            "{file}:{line}: an object is wanted here, with apiVersion and kind"
        );
        for name in ["apiVersion", "kind"] {
            anyhow::ensure!(
                value[name].as_str().is_some_and(|it| !it.is_empty()),
                "{file}:{line}: the object has no {name}"
            );
        }
        let items = value["items"]
            .as_array()
            .filter(|_| value["kind"].as_str().is_some_and(|it| it.ends_with("List")));
        match items {
            Some(items) => documents.extend(items.iter().map(|value| Document {
                file: file.to_owned(),
                line,
                value: value.clone(),
            })),
            None => documents.push(Document { file: file.to_owned(), line, value }),
        }
    }
    Ok(documents)
}

/// Cuts a stream at its `---` lines; the number is that of a part's first line.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut parts = vec![(1, String::new())];
    for (idx, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") || line == "..." {
            parts.push((idx + 2, String::new()));
        } else if let Some((_, part)) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts.retain(|(_, part)| {
        part.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_knows_its_line() {
        let text = "# a comment\n---\napiVersion: v1\nkind: A\n---\n# only this\n---\napiVersion: v1\nkind: B\n";
        let found = parse("f", text).unwrap();
        let found: Vec<_> =
            found.iter().map(|it| (it.line, it.value["kind"].as_str().unwrap())).collect();
        assert_eq!(found, [(3, "A"), (8, "B")]);
    }

    #[test]
    fn broken_yaml_is_named_by_file_line_and_text() {
        let text = "apiVersion: v1\nkind: A\n---\napiVersion: v1\nkind: B\nspec: [a, b\n";
        let said = parse("routes.yaml", text).unwrap_err().to_string();
        assert!(said.starts_with("routes.yaml:"), "{said}");
        let line: usize = said.split(':').nth(1).unwrap().parse().unwrap();
        assert!((6..=7).contains(&line), "{said}");
    }

    #[test]
    fn a_list_is_opened_and_a_document_without_kind_is_refused() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A}\n- {apiVersion: v1, kind: B}\n";
        assert_eq!(parse("f", list).unwrap().len(), 2);
        let said = parse("f", "spec: {}\n").unwrap_err().to_string();
        assert_eq!(said, "f:1: the object has no apiVersion");
    }

    #[test]
    fn yaml_words_stay_what_kubernetes_reads() {
        let value = &parse("f", "apiVersion: v1\nkind: A\na: \"1\"\nb: 1\nc: true\nd: ~\ne: 1.5\n")
            .unwrap()[0]
            .value;
        assert_eq!(value["a"], "1");
        assert_eq!(value["b"], 1);
        assert_eq!(value["c"], true);
        assert!(value["d"].is_null());
        assert_eq!(value["e"], 1.5);
    }
}
