//! The server's tables as lines of text.

use std::cmp::Ordering;

use serde_json::Value;

use crate::{
    jsonpath::{Path, text},
    out::lay_out,
};

/// What a table shows besides the server's columns.
#[derive(Debug)]
pub(super) struct Shape {
    /// `kind/` before each name, where several kinds are shown.
    pub(super) prefix: Option<String>,
    pub(super) wide: bool,
    pub(super) namespaces: bool,
    pub(super) labels: bool,
    pub(super) label_columns: Vec<String>,
    pub(super) headers: bool,
}

/// Prints tables in columns; the header once, and widths that only grow.
#[derive(Debug)]
pub(super) struct Printer {
    shape: Shape,
    widths: Vec<usize>,
    columns: Vec<Value>,
    began: bool,
}

impl Printer {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, widths: Vec::new(), columns: Vec::new(), began: false }
    }

    /// Takes in the columns that a table declares; later tables of a watch declare none.
    pub(super) fn know(&mut self, table: &Value) {
        if let Some(columns) = table["columnDefinitions"].as_array().filter(|it| !it.is_empty()) {
            self.columns.clone_from(columns);
        }
    }

    pub(super) fn print(&mut self, rows: &[Value]) -> String {
        let shape = &self.shape;
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|idx| shape.wide || self.columns[*idx]["priority"].as_i64().unwrap_or(0) == 0)
            .collect();
        let mut lines = Vec::new();
        if !self.began && !rows.is_empty() {
            self.began = true;
            let mut header = Vec::new();
            if shape.namespaces {
                header.push("NAMESPACE".to_owned());
            }
            header.extend(shown.iter().map(|idx| text(&self.columns[*idx]["name"]).to_uppercase()));
            header.extend(
                shape
                    .label_columns
                    .iter()
                    .map(|label| label.rsplit('/').next().unwrap_or(label).to_uppercase()),
            );
            if shape.labels {
                header.push("LABELS".to_owned());
            }
            if shape.headers {
                lines.push(header);
            }
        }
        for row in rows {
            let metadata = &row["object"]["metadata"];
            let mut line = Vec::new();
            if shape.namespaces {
                line.push(text(&metadata["namespace"]));
            }
            for idx in &shown {
                let cell = text(&row["cells"][*idx]);
                line.push(match &shape.prefix {
                    Some(prefix) if *idx == 0 => format!("{prefix}/{cell}"),
                    _ => cell,
                });
            }
            line.extend(shape.label_columns.iter().map(|label| text(&metadata["labels"][label])));
            if shape.labels {
                line.push(labels(&metadata["labels"]));
            }
            lines.push(line);
        }
        lay_out(&mut self.widths, &lines)
    }
}

/// `a=b,c=d` in the order of the names.
pub(crate) fn labels(labels: &Value) -> String {
    let mut pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect();
    pairs.sort();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

/// Sorts rows that hold their whole objects.
pub(super) fn sort(rows: &mut [Value], by: &Path) {
    rows.sort_by(|a, b| order(by, &a["object"], &b["object"]));
}

/// Numbers by size, words by the alphabet; what is not there comes first.
pub(super) fn order(by: &Path, a: &Value, b: &Value) -> Ordering {
    match (by.select(a).first(), by.select(b).first()) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Some(a), Some(b)) => text(a).cmp(&text(b)),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape() -> Shape {
        Shape {
            prefix: None,
            wide: false,
            namespaces: false,
            labels: false,
            label_columns: Vec::new(),
            headers: true,
        }
    }

    fn table() -> Value {
        json!({
            "columnDefinitions": [ { "name": "Name" }, { "name": "Ready" }, { "name": "IP", "priority": 1 } ],
            "rows": [
                { "cells": ["b", "2/2", "10.0.0.1"],
                  "object": { "metadata": { "namespace": "x", "labels": { "version": "v1", "app": "b" } }, "n": 10 } },
                { "cells": ["a", "1/2", "10.0.0.2"], "object": { "metadata": { "namespace": "y" }, "n": 9 } } ] })
    }

    fn printed(shape: Shape) -> String {
        let mut printer = Printer::new(shape);
        printer.know(&table());
        printer.print(table()["rows"].as_array().unwrap())
    }

    #[test]
    fn a_table_shows_what_was_asked_for() {
        assert_eq!(printed(shape()), "NAME   READY\nb      2/2\na      1/2\n");
        let wide = Shape { wide: true, namespaces: true, ..shape() };
        assert_eq!(
            printed(wide),
            "NAMESPACE   NAME   READY   IP\nx           b      2/2     10.0.0.1\ny           a      1/2     10.0.0.2\n"
        );
        let labels = Shape { labels: true, label_columns: vec!["version".to_owned()], ..shape() };
        assert_eq!(
            printed(labels),
            "NAME   READY   VERSION   LABELS\nb      2/2     v1        app=b,version=v1\na      1/2               <none>\n"
        );
        let bare = Shape { headers: false, prefix: Some("pod".to_owned()), ..shape() };
        assert_eq!(printed(bare), "pod/b   2/2\npod/a   1/2\n");
    }

    #[test]
    fn rows_are_sorted_by_a_path() {
        let mut rows = table()["rows"].as_array().unwrap().clone();
        sort(&mut rows, &Path::read(".n").unwrap());
        assert_eq!(rows[0]["cells"][0], "a", "9 comes before 10");
    }
}
