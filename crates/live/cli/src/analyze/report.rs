//! Findings as rows: for people with the place to jump to, for programs under istioctl's keys.

use std::{fmt::Write as _, str::FromStr};

use mesh::{Code, Finding, Severity};
use serde_json::{Value, json};

use super::shape::Fault;
use crate::documents::Document;

/// Something wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(super) severity: Severity,
    pub(super) code: String,
    name: &'static str,
    /// `VirtualService default/reviews`
    pub(super) object: String,
    /// File, line and column; nothing for an object of the mesh.
    pub(super) place: Option<(String, usize, usize)>,
    pub(super) path: String,
    text: String,
    help: String,
}

impl Row {
    pub(super) fn of(finding: &Finding, document: Option<&Document>) -> Self {
        let row = finding.code.row();
        Self {
            severity: row.severity,
            code: row.id.to_owned(),
            name: row.name,
            object: finding.object.to_string(),
            place: document.map(|it| place(it, &finding.path)),
            path: finding.path.clone(),
            text: finding.text.clone(),
            help: row.help.to_owned(),
        }
    }

    pub(super) fn of_shape(document: &Document, fault: &Fault) -> Self {
        let row = Code::SchemaValidationError.row();
        let text = |pointer: &str| document.value.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/name").unwrap_or("");
        let name = text("/metadata/namespace").map_or(name.to_owned(), |it| format!("{it}/{name}"));
        Self {
            severity: row.severity,
            code: row.id.to_owned(),
            name: row.name,
            object: format!("{} {name}", text("/kind").unwrap_or("")),
            place: Some(place(document, &fault.path)),
            path: fault.path.clone(),
            text: fault.text.clone(),
            help: fault.help.clone(),
        }
    }

    /// The finding for a page about something else: what, and below it what to do.
    pub(super) fn brief(&self, with_object: bool) -> [String; 2] {
        let object = if with_object { format!("({}) ", self.object) } else { String::new() };
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        let what = format!("{} [{}] {object}{path}{}", self.severity.word(), self.code, self.text);
        [what, format!("    {}", self.help)]
    }

    /// istioctl's keys, and where and what to do besides.
    pub(super) fn json(&self) -> Value {
        let mut row = json!({
            "code": self.code,
            "name": self.name,
            "level": self.severity.word(),
            "origin": self.object,
            "path": self.path,
            "message": self.text,
            "help": self.help,
        });
        if let Some((file, line, column)) = &self.place {
            row["reference"] = json!(format!("{file}:{line}"));
            row["line"] = json!(line);
            row["column"] = json!(column);
        }
        row
    }
}

fn place(document: &Document, path: &str) -> (String, usize, usize) {
    let (line, column) = document.locate(path);
    (document.file.clone(), line, column)
}

/// All rows for people, and what they come to.
pub(super) fn text(rows: &[Row], looked_at: &str) -> String {
    let mut out = String::new();
    for row in rows {
        let place = row.place.as_ref();
        let place =
            place.map_or(String::new(), |(file, line, column)| format!(" {file}:{line}:{column}"));
        let path = if row.path.is_empty() { String::new() } else { format!("{}: ", row.path) };
        // Writing to a String cannot fail.
        writeln!(
            out,
            "{} [{}] ({}{place}) {path}{}",
            row.severity.word(),
            row.code,
            row.object,
            row.text
        )
        .ok();
        if !row.help.is_empty() {
            writeln!(out, "    {}", row.help).ok();
        }
    }
    if rows.is_empty() {
        writeln!(out, "Nothing wrong was found in {looked_at}.").ok();
        return out;
    }
    let count = |severity: Severity, one: &str| {
        let n = rows.iter().filter(|it| it.severity == severity).count();
        (n > 0).then(|| format!("{n} {one}{}", if n == 1 { "" } else { "s" }))
    };
    let counts = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Info, "hint"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    writeln!(out, "\n{} in {looked_at}.", counts.join(", ")).ok();
    out
}

/// What a person does not want to hear: a code, perhaps of one object only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suppression {
    code: String,
    object: Option<String>,
}

impl FromStr for Suppression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (code, object) = match text.split_once('=') {
            Some((code, object)) if object.contains(' ') => (code, Some(object.to_owned())),
            Some(_) => return Err("say CODE, or \"CODE=KIND NAME.NAMESPACE\"".to_owned()),
            None => (text, None),
        };
        Ok(Self { code: code.to_owned(), object })
    }
}

impl Suppression {
    pub(super) fn fits(&self, row: &Row) -> bool {
        let Some(wanted) = &self.object else { return fits(&self.code, &row.code) };
        // istioctl writes `Kind name.namespace`, findings write `Kind namespace/name`.
        let (kind, name) = row.object.split_once(' ').unwrap_or((&row.object, ""));
        let istio = match name.split_once('/') {
            Some((namespace, name)) => format!("{kind} {name}.{namespace}"),
            None => format!("{kind} {name}"),
        };
        fits(&self.code, &row.code) && (fits(wanted, &istio) || fits(wanted, &row.object))
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_fits_anything() {
        for (pattern, text, wanted) in [
            ("IST0102", "IST0102", true),
            ("IST*", "IST0102", true),
            ("*", "", true),
            ("*.testing", "Pod a.testing", true),
            ("Pod *.a", "Pod b.a", true),
            ("Pod *.a", "Pod b.c", false),
            ("IST0102", "IST0103", false),
        ] {
            assert_eq!(fits(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn a_suppression_names_objects_in_either_way() {
        let row = Row {
            severity: Severity::Error,
            code: "IST0101".to_owned(),
            name: "",
            object: "VirtualService shop/reviews".to_owned(),
            place: None,
            path: String::new(),
            text: String::new(),
            help: String::new(),
        };
        for (text, wanted) in [
            ("IST0101", true),
            ("IST0101=VirtualService reviews.shop", true),
            ("IST0101=VirtualService shop/*", true),
            ("IST0101=VirtualService other.shop", false),
            ("IST0102", false),
        ] {
            assert_eq!(text.parse::<Suppression>().unwrap().fits(&row), wanted, "{text}");
        }
        assert!("IST0101=reviews".parse::<Suppression>().is_err());
    }
}
