//! The word after `-o`, and objects in the form that it asks for.

use std::str::FromStr;

use serde_json::Value;

use crate::{
    jsonpath::{self, Path, Template},
    out::columns,
};
use kinds::words::nearest;

/// How to print.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    /// A table with more columns.
    Wide,
    /// The objects as YAML.
    Yaml,
    /// The objects as JSON.
    Json,
    /// kind/name, one a line.
    Name,
    /// A template of paths.
    JsonPath(Template),
    /// A table of one's own: headers and paths.
    Columns(Vec<(String, Path)>),
}

/// What can stand after `-o`.
const FORMS: [&str; 6] = ["wide", "yaml", "json", "name", "jsonpath=", "custom-columns="];

impl FromStr for Output {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let file = |path: &str| std::fs::read_to_string(path).map_err(|it| format!("{path}: {it}"));
        match word.split_once('=') {
            None => match word {
                "wide" => return Ok(Self::Wide),
                "yaml" => return Ok(Self::Yaml),
                "json" => return Ok(Self::Json),
                "name" => return Ok(Self::Name),
                _ => {}
            },
            Some(("jsonpath", template)) => return Template::read(template).map(Self::JsonPath),
            Some(("jsonpath-file", path)) => {
                return Template::read(file(path)?.trim_end()).map(Self::JsonPath);
            }
            Some(("custom-columns", spec)) => return own_columns(spec).map(Self::Columns),
            Some(("go-template" | "template", _)) => {
                return Err("go templates are not known here; use -o jsonpath='{...}'".to_owned());
            }
            Some(_) => {}
        }
        let near = nearest(word, FORMS).map_or(String::new(), |it| format!("; did you mean {it}?"));
        Err(format!("there are {}{near}", FORMS.map(|it| it.replace('=', "=...")).join(", ")))
    }
}

/// `NAME:.metadata.name,IP:.status.podIP`
fn own_columns(spec: &str) -> Result<Vec<(String, Path)>, String> {
    let column = |column: &str| match column.split_once(':') {
        Some((header, path)) => Ok((header.to_owned(), Path::read(path)?)),
        None => Err(format!("{column:?}: say columns as HEADER:.path, with commas between")),
    };
    spec.split(',').filter(|it| !it.is_empty()).map(column).collect()
}

/// The rows of a table of one's own.
pub(crate) fn own_table(wanted: &[(String, Path)], objects: &[Value], headers: bool) -> String {
    let mut lines: Vec<Vec<String>> = Vec::new();
    if headers {
        lines.push(wanted.iter().map(|(header, _)| header.clone()).collect());
    }
    for object in objects {
        let cell = |(_, path): &(String, Path)| {
            let found: Vec<String> = path.select(object).into_iter().map(jsonpath::text).collect();
            if found.is_empty() { "<none>".to_owned() } else { found.join(",") }
        };
        lines.push(wanted.iter().map(cell).collect());
    }
    columns(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_is_read_or_answered_with_the_forms_there_are() {
        assert_eq!("wide".parse(), Ok(Output::Wide));
        assert!(matches!("jsonpath={.a}".parse(), Ok(Output::JsonPath(_))));
        let said = "ymal".parse::<Output>().unwrap_err();
        assert!(said.contains("did you mean yaml?"), "{said}");
        assert!("go-template={{.a}}".parse::<Output>().unwrap_err().contains("jsonpath"));
        assert!("custom-columns=NAME".parse::<Output>().unwrap_err().contains("HEADER:.path"));
    }

    #[test]
    fn columns_of_ones_own_say_none_where_nothing_is() {
        let Ok(Output::Columns(wanted)) =
            "custom-columns=NAME:.metadata.name,IP:.status.ip".parse()
        else {
            panic!("it is a table");
        };
        let objects = [json!({"metadata": {"name": "a"}}), json!({"status": {"ip": "10.0.0.1"}})];
        let wanted = own_table(&wanted, &objects, true);
        assert_eq!(wanted, "NAME     IP\na        <none>\n<none>   10.0.0.1\n");
    }
}
