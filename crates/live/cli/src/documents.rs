//! YAML and JSON files as documents that remember where they came from.

mod locate;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
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
    /// The text it was read from, and where in that text it is when a List holds it.
    source: Arc<str>,
    within: String,
}

/// What files hold: the objects, and what could not be read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) documents: Vec<Document>,
    pub(crate) errors: Vec<anyhow::Error>,
}

impl Document {
    /// `file:line`, for messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// Line and column, both from 1, of a part such as `spec.http[0].route`; of the nearest part
    /// around it where it is not there.
    pub(crate) fn locate(&self, path: &str) -> (usize, usize) {
        let whole = match (self.within.as_str(), path) {
            ("", path) => path.to_owned(),
            (within, "") => within.to_owned(),
            (within, path) => format!("{within}.{path}"),
        };
        let (line, column) = locate::locate(&self.source, &whole);
        (self.line + line - 1, column)
    }
}

/// Reads files, the YAML and JSON files of folders (by name, not below), or `-` for standard input.
///
/// # Errors
/// When a file cannot be read or is not YAML: the text names the file, the line and the column.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut reading = read_each(paths, false)?;
    if reading.errors.is_empty() { Ok(reading.documents) } else { Err(reading.errors.remove(0)) }
}

/// The same, but a document that cannot be read harms only itself.
///
/// # Errors
/// When standard input is wanted twice.
pub(crate) fn read_each(paths: &[PathBuf], below: bool) -> anyhow::Result<Reading> {
    let inputs = paths.iter().filter(|it| it.as_os_str() == "-").count();
    anyhow::ensure!(inputs < 2, "standard input can be read once: say -f - once");
    let mut reading = Reading::default();
    for path in paths {
        if let Err(error) = read_path(path, below, &mut reading) {
            reading.errors.push(error);
        }
    }
    Ok(reading)
}

fn read_path(path: &Path, below: bool, into: &mut Reading) -> anyhow::Result<()> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
        parse_each("standard input", &text, into);
        return Ok(());
    }
    if let Some(url) =
        path.to_str().filter(|it| it.starts_with("http://") || it.starts_with("https://"))
    {
        anyhow::bail!("{url}: lateen reads files\n  try: curl -fsSL {url} | lateen apply -f -");
    }
    for file in files(path, below)? {
        let bytes = std::fs::read(&file).map_err(|error| missing(&file, &error))?;
        match String::from_utf8(bytes) {
            Ok(text) => parse_each(&file.display().to_string(), &text, into),
            Err(_) => {
                into.errors.push(anyhow::anyhow!("{}: this is not text (UTF-8)", file.display()));
            }
        }
    }
    Ok(())
}

fn missing(path: &Path, error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            anyhow::anyhow!("the path \"{}\" does not exist", path.display())
        }
        _ => anyhow::anyhow!("read {}: {error}", path.display()),
    }
}

fn files(path: &Path, below: bool) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    let entries = std::fs::read_dir(path).map_err(|error| missing(path, &error))?;
    let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    let mut deeper = false;
    for entry in entries {
        if entry.is_dir() {
            deeper = true;
            if below {
                found.extend(files(&entry, below).unwrap_or_default());
            }
        } else if entry.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json") {
            found.push(entry);
        }
    }
    let more = if deeper && !below { "; -R looks into the folders below" } else { "" };
    anyhow::ensure!(
        !found.is_empty(),
        "{}: no .yaml, .yml or .json file in it{more}",
        path.display()
    );
    Ok(found)
}

/// The documents of one text; Lists are opened, empty documents are left out.
///
/// # Errors
/// When the text is not YAML or a document is no object: the text names the place.
pub fn parse(file: &str, text: &str) -> anyhow::Result<Vec<Document>> {
    let mut reading = Reading::default();
    parse_each(file, text, &mut reading);
    if reading.errors.is_empty() { Ok(reading.documents) } else { Err(reading.errors.remove(0)) }
}

fn parse_each(file: &str, text: &str, into: &mut Reading) {
    for (line, part) in split(text) {
        match parse_one(file, line, &part) {
            Ok(found) => into.documents.extend(found),
            Err(error) => into.errors.push(error),
        }
    }
}

fn parse_one(file: &str, line: usize, part: &str) -> anyhow::Result<Vec<Document>> {
    // As kubectl reads YAML: 0644 is octal, which file modes are written in.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let mut value: Value = serde_saphyr::from_str_with_options(part, options)
        .map_err(|error| broken(file, line, part, &error))?;
    whole_numbers(&mut value);
    if value.is_null() {
        return Ok(Vec::new());
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
    let source: Arc<str> = part.into();
    let document = |value: &Value, within: String| Document {
        file: file.to_owned(),
        line,
        value: value.clone(),
        source: Arc::clone(&source),
        within,
    };
    let is_list = value["kind"].as_str().is_some_and(|it| it.ends_with("List"));
    Ok(match value["items"].as_array().filter(|_| is_list) {
        Some(items) => {
            let items = items.iter().enumerate();
            items.map(|(idx, value)| document(value, format!("items[{idx}]"))).collect()
        }
        None => vec![document(&value, String::new())],
    })
}

/// Writes `1.0` and `1e3` as the whole numbers that they are: JSON from Go's encoder does, and
/// fields that count take nothing else.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|it| it.fract() == 0.0);
            // The text of a whole float is its digits, exactly, up to the size of an i64.
            let whole = whole.and_then(|it| format!("{it:.0}").parse::<i64>().ok());
            if let Some(whole) = whole {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

/// What is wrong with a text, in a line that an editor can jump to, and the line itself.
fn broken(file: &str, line: usize, part: &str, error: &serde_saphyr::Error) -> anyhow::Error {
    let at = error.location();
    let number = |it: u64| usize::try_from(it).unwrap_or(1).max(1);
    let row = at.map_or(1, |at| number(at.line()));
    let column = at.map_or(1, |at| number(at.column()));
    let said = error.to_string();
    let said = said.lines().next().unwrap_or("not YAML").trim_start_matches("error: ");
    // The library counts within the document and knows options that nobody has here.
    let said = match said.strip_prefix(&format!("line {row} column {column}: ")) {
        Some(said) => said,
        None => said,
    };
    let said = said.split(", set ").next().unwrap_or(said);
    let shown = part.lines().nth(row - 1).unwrap_or("").replace('\t', " ");
    let shown: String = shown.chars().take(120).collect();
    let arrow =
        if column <= 120 { format!("\n  | {}^", " ".repeat(column - 1)) } else { String::new() };
    let row = line + row - 1;
    anyhow::anyhow!("{file}:{row}:{column}: this is not YAML: {said}\n  | {shown}{arrow}")
}

/// Cuts a stream at its `---` lines; the number is that of a part's first line.
fn split(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
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
        let said = parse("f", "apiVersion: v1\nkind: A\ndata: {a: b}\ndata: {c: d}\n").unwrap_err();
        let said = said.to_string();
        assert!(
            said.starts_with("f:4:1: this is not YAML: duplicate mapping key: data\n"),
            "{said}"
        );
        assert!(said.ends_with("\n  | data: {c: d}\n  | ^"), "{said}");
    }

    #[test]
    fn a_broken_document_harms_only_itself() {
        let good = |name: &str| format!("apiVersion: v1\nkind: {name}\n");
        let text = format!("{}---\na: [b\n---\n{}", good("A"), good("B"));
        let mut reading = Reading::default();
        parse_each("f", &text, &mut reading);
        let kinds: Vec<_> = reading.documents.iter().map(|it| it.value["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B"]);
        assert_eq!(reading.errors.len(), 1);
        let said = read_each(&["-".into(), "-".into()], false).unwrap_err().to_string();
        assert!(said.contains("once"), "{said}");
    }

    #[test]
    fn a_list_is_opened_and_a_document_without_kind_is_refused() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A}\n- {apiVersion: v1, kind: B}\n";
        let found = parse("f", list).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].locate("kind"), (5, 20));
        let said = parse("f", "spec: {}\n").unwrap_err().to_string();
        assert_eq!(said, "f:1: the object has no apiVersion");
    }

    #[test]
    fn yaml_words_are_what_kubectl_reads() {
        let text = "apiVersion: v1
kind: A
data: { a: \"1\", b: 1, c: true, d: ~, e: 1.5, f: 0644, g: 0o644, h: 1e3, i: 089, j: 007, k: yes,
  l: 12:30, m: 2001-01-01, n: 0x1F, o: 1.10, p: 3d, q: -0644, r: \"yes\", s: 1., t: 0.0 }
";
        let value = &parse("f", text).unwrap()[0].value;
        // What stock kubectl 1.32 makes of the same.
        let wanted = serde_json::json!({ "a": "1", "b": 1, "c": true, "d": null, "e": 1.5, "f": 420,
            "g": 420, "h": 1000, "i": 89, "j": 7, "k": true, "l": "12:30", "m": "2001-01-01",
            "n": 31, "o": 1.1, "p": "3d", "q": -420, "r": "yes", "s": 1, "t": 0 });
        for (name, wanted) in wanted.as_object().unwrap() {
            assert_eq!(value["data"][name], *wanted, "{name}");
        }
    }
}
