//! Label selectors: the text form of queries and the object form of specifications.

use std::fmt;

use serde_json::Value;

use crate::{meta, names};

/// Which labels an object must have. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

/// A list of values is sorted and without duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Equals(String),
    NotEquals(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Less(i64),
    Greater(i64),
}

impl LabelSelector {
    /// Reads the text form: `app=web,tier!=db,version in (v1,v2),!canary,weight>3`.
    ///
    /// # Errors
    /// A sentence that says what cannot be read.
    ///
    /// Spec: `labels.Parse`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        let mut requirements = Vec::new();
        while !rest.is_empty() {
            let (requirement, after) =
                requirement(rest).map_err(|why| format!("unable to parse requirement: {why}"))?;
            requirements.push(requirement);
            rest = after.trim_start();
            match rest.strip_prefix(',') {
                Some(after) if !after.trim().is_empty() => rest = after.trim_start(),
                None if rest.is_empty() => {}
                _ => {
                    return Err(format!(
                        "unable to parse requirement: found '{rest}', expected: ',' or 'end of string'"
                    ));
                }
            }
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// Reads the object form, `{matchLabels, matchExpressions}`. `null` selects nothing in
    /// Kubernetes and is refused here; `{}` selects everything.
    ///
    /// # Errors
    /// A sentence that says what cannot be read.
    pub fn from_object(selector: &Value) -> Result<Self, String> {
        let Some(selector) = selector.as_object() else {
            return Err("a label selector must be an object".to_owned());
        };
        let mut requirements = Vec::new();
        let labels = selector.get("matchLabels").and_then(Value::as_object);
        for (key, value) in labels.into_iter().flatten() {
            let value = value.as_str().ok_or_else(|| format!("label {key:?} must be a string"))?;
            requirements.push(new_requirement(key, Test::Equals(value.to_owned()))?);
        }
        let expressions = selector.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            let key = expression.get("key").and_then(Value::as_str).unwrap_or("");
            let values = expression.get("values").and_then(Value::as_array);
            let mut values: Vec<String> = values
                .into_iter()
                .flatten()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect();
            values.sort();
            values.dedup();
            let test = match expression.get("operator").and_then(Value::as_str).unwrap_or("") {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::Absent,
                other => return Err(format!("{other:?} is not a valid label selector operator")),
            };
            requirements.push(new_requirement(key, test)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// Selects the objects that have all these labels: the `selector` of a Service.
    #[must_use]
    pub fn of_labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut requirements: Vec<Requirement> = labels
            .into_iter()
            .map(|(key, value)| Requirement {
                key: key.to_owned(),
                test: Test::Equals(value.to_owned()),
            })
            .collect();
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements }
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether the labels of an object match.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.requirements.is_empty() || self.matches_with(|key| meta::label(object, key))
    }

    /// Whether labels match that `value_of` looks up.
    pub fn matches_with<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = value_of(&requirement.key);
            let number = || value.and_then(|value| value.parse::<i64>().ok());
            let is_one_of = |values: &[String]| {
                value.is_some_and(|value| values.iter().any(|wanted| wanted == value))
            };
            match &requirement.test {
                Test::Equals(wanted) => value == Some(wanted.as_str()),
                Test::NotEquals(unwanted) => value != Some(unwanted.as_str()),
                Test::In(values) => is_one_of(values),
                Test::NotIn(values) => !is_one_of(values),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::Less(bound) => number().is_some_and(|number| number < *bound),
                Test::Greater(bound) => number().is_some_and(|number| *bound < number),
            }
        })
    }
}

impl fmt::Display for LabelSelector {
    /// The text form, sorted by key: `app=web,version in (v1,v2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, Requirement { key, test }) in self.requirements.iter().enumerate() {
            if idx != 0 {
                f.write_str(",")?;
            }
            match test {
                Test::Equals(value) => write!(f, "{key}={value}")?,
                Test::NotEquals(value) => write!(f, "{key}!={value}")?,
                Test::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
                Test::Less(bound) => write!(f, "{key}<{bound}")?,
                Test::Greater(bound) => write!(f, "{key}>{bound}")?,
            }
        }
        Ok(())
    }
}

/// One requirement at the start of `text`, and what follows it.
fn requirement(text: &str) -> Result<(Requirement, &str), String> {
    if let Some(rest) = text.strip_prefix('!') {
        let (key, rest) = word(rest.trim_start());
        return Ok((new_requirement(key, Test::Absent)?, rest));
    }
    let (key, rest) = word(text);
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with(',') {
        return Ok((new_requirement(key, Test::Exists)?, rest));
    }
    for (operator, make) in
        [("==", Test::Equals as fn(String) -> Test), ("=", Test::Equals), ("!=", Test::NotEquals)]
    {
        if let Some(rest) = rest.strip_prefix(operator) {
            let (value, rest) = word(rest.trim_start());
            return Ok((new_requirement(key, make(value.to_owned()))?, rest));
        }
    }
    for (operator, make) in [("<", Test::Less as fn(i64) -> Test), (">", Test::Greater)] {
        if let Some(rest) = rest.strip_prefix(operator) {
            let (value, rest) = word(rest.trim_start());
            let bound = value.parse().map_err(|_| {
                format!("values[0][{key}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer")
            })?;
            return Ok((new_requirement(key, make(bound))?, rest));
        }
    }
    let (operator, after) = word(rest);
    let make: fn(Vec<String>) -> Test = match operator {
        "in" => Test::In,
        "notin" => Test::NotIn,
        other => {
            return Err(format!(
                "found '{other}', expected: in, notin, =, ==, !=, gt, lt, 'end of string'"
            ));
        }
    };
    let (values, rest) = values(after.trim_start())?;
    Ok((new_requirement(key, make(values))?, rest))
}

/// `(a, b)` at the start of `text`, sorted, and what follows it.
fn values(text: &str) -> Result<(Vec<String>, &str), String> {
    let Some(inside) = text.strip_prefix('(') else {
        return Err(format!("found '{text}', expected: '('"));
    };
    let Some((inside, rest)) = inside.split_once(')') else {
        return Err("found '', expected: ',', or ')'".to_owned());
    };
    let mut values: Vec<String> = inside.split(',').map(|value| value.trim().to_owned()).collect();
    values.sort();
    values.dedup();
    Ok((values, rest))
}

/// The run of characters that belong to a key, value or operator, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, ',' | '=' | '!' | '<' | '>' | '(' | ')'))
        .unwrap_or(text.len());
    text.split_at(end)
}

fn new_requirement(key: &str, test: Test) -> Result<Requirement, String> {
    if let Some(why) = names::why_no_label_key(key) {
        return Err(format!("key: Invalid value: {key:?}: {why}"));
    }
    let values: &[String] = match &test {
        Test::Equals(value) | Test::NotEquals(value) => std::slice::from_ref(value),
        Test::In(values) | Test::NotIn(values) => {
            if values.is_empty() {
                return Err("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned());
            }
            values
        }
        Test::Exists | Test::Absent | Test::Less(_) | Test::Greater(_) => &[],
    };
    for value in values {
        if let Some(why) = names::why_no_label_value(value) {
            return Err(format!("values[0][{key}]: Invalid value: {value:?}: {why}"));
        }
    }
    Ok(Requirement { key: key.to_owned(), test })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator_of_the_text_form() {
        let object = json!({"metadata": {"labels": {"app": "web", "v": "v1", "n": "5", "e": ""}}});
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app = web , v=v1", true),
            ("app=db", false),
            ("app!=db", true),
            ("app!=web", false),
            ("none!=web", true),
            ("v in (v1,v2)", true),
            ("v in (v3)", false),
            ("v in ( v1 , v2 )", true),
            ("v notin (v1,v2)", false),
            ("none notin (v1)", true),
            ("none in (v1)", false),
            ("app", true),
            ("none", false),
            ("!none", true),
            ("!app", false),
            ("! none", true),
            ("n>4", true),
            ("n > 5", false),
            ("n<6", true),
            ("app>1", false),
            ("e=", true),
            ("app=", false),
            ("e in ()", true),
            ("app.kubernetes.io/name=x", false),
            ("app=web,v in (v1),!none,n>1", true),
        ] {
            let selector = LabelSelector::parse(text).unwrap();
            assert_eq!(selector.matches(&object), expected, "{text}");
        }
    }

    #[test]
    fn bad_text_is_refused() {
        for text in [
            "app=web,",
            ",app",
            "app=web db",
            "app in v1",
            "app in (v1",
            "=web",
            "a b",
            "n>x",
            "-app=web",
            "app=-web",
            "app!",
            "x/y/z=1",
        ] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_object_form_reads_as_its_text() {
        let selector = LabelSelector::from_object(&json!({
            "matchLabels": {"tier": "web", "app": "x"},
            "matchExpressions": [
                {"key": "v", "operator": "In", "values": ["v2", "v1"]},
                {"key": "w", "operator": "NotIn", "values": ["a"]},
                {"key": "y", "operator": "Exists"},
                {"key": "z", "operator": "DoesNotExist"},
            ],
        }))
        .unwrap();
        let text = "app=x,tier=web,v in (v1,v2),w notin (a),y,!z";
        assert_eq!(selector.to_string(), text);
        assert_eq!(LabelSelector::parse(text).unwrap(), selector);
        assert!(LabelSelector::from_object(&json!(null)).is_err());
        assert!(LabelSelector::from_object(&json!({})).unwrap().is_empty());
    }
}
