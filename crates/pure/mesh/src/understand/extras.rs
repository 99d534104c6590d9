//! Annotations of DestinationRules to breakers, fallbacks and the growth of ejections.

use std::collections::BTreeMap;
use std::time::Duration;

use kinds::istio;
use serde_json::{Map, Value};

use super::notes::{Bad, Notes, thousandths};
use super::text::{is_clean, is_header_name};
use crate::findings::Code;
use crate::model::Origin;
use crate::model::extras::{BREAKER, Breaker, Extra, Extras, FALLBACK, Fallback, GROWTH, Growth};

/// So many bytes of an answer are told to each proxy for each cluster.
const LARGEST_BODY: usize = 16 * 1024;
/// So many headers has an answer at most.
const MOST_HEADERS: usize = 32;
/// Nothing of a breaker takes longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Headers that say how a message is framed: a fixed answer has no say in that.
const FRAMING: [&str; 6] =
    ["connection", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade"];

const FOR_FIELDS: &str = "subset, port";
const BREAKER_FIELDS: &str =
    "errors, within, share, of, openFor, maxOpenFor, growth, trials, on, for, off";
const FALLBACK_FIELDS: &str = "status, body, headers, grpcStatus for an answer; host, subset, port for a destination; for, off";

impl Notes<'_> {
    /// What the annotations of a rule say.
    pub(super) fn extras(&mut self, object: &istio::DestinationRule) -> Extras {
        let mut extras = Extras::default();
        let Some(annotations) = object.metadata.annotations.as_ref() else { return extras };
        if let Some(text) = annotations.get(BREAKER) {
            extras.breakers = self.each(object, BREAKER, text, Notes::breaker);
        }
        if let Some(text) = annotations.get(FALLBACK) {
            extras.fallbacks = self.each(object, FALLBACK, text, Notes::fallback);
        }
        if let Some(word) = annotations.get(GROWTH) {
            extras.ejection_growth = self.growth(&path_of(GROWTH), word);
        }
        extras
    }

    /// Says that ejections cannot grow where there are none.
    pub(super) fn growth_without_ejection(&mut self, extras: &Extras, has_ejection: bool) {
        if extras.ejection_growth.is_some() && !has_ejection {
            let text =
                "no trafficPolicy of the rule has outlierDetection, so nothing is ejected; add it";
            self.wrong(&path_of(GROWTH), text);
        }
    }

    /// Adds what a younger rule of the same host says and the older does not.
    pub(super) fn merge_extras(&mut self, old: &mut Extras, young: Extras) {
        self.merge_each(BREAKER, &mut old.breakers, young.breakers);
        self.merge_each(FALLBACK, &mut old.fallbacks, young.fallbacks);
        if old.ejection_growth.is_none() {
            old.ejection_growth = young.ejection_growth;
        }
    }

    fn merge_each<T>(&mut self, name: &str, old: &mut Vec<Extra<T>>, young: Vec<Extra<T>>) {
        for extra in young {
            if let Some(rival) = old.iter().find(|other| other.is_beside(&extra)) {
                let text = format!("{} says this for the same part already", rival.origin);
                self.note(Code::OlderDestinationRule, &path_of(name), text);
            } else {
                old.push(extra);
            }
        }
    }

    /// Reads an annotation that holds one mapping or a list of them.
    fn each<T: Eq>(
        &mut self,
        object: &istio::DestinationRule,
        name: &str,
        text: &str,
        read: fn(&mut Self, &mut Fields) -> Result<T, Bad>,
    ) -> Vec<Extra<T>> {
        let path = path_of(name);
        let items = match serde_saphyr::from_str::<Value>(text) {
            Ok(one @ Value::Object(_)) => vec![(path, one)],
            Ok(Value::Array(items)) => {
                let place = |(at, item)| (format!("{path}[{at}]"), item);
                items.into_iter().enumerate().map(place).collect()
            }
            Ok(_) => {
                let text = "it is neither a mapping such as \"{errors: 5, within: 10s}\" nor a list of them, \
                            so it does nothing";
                self.wrong(&path, text);
                return Vec::new();
            }
            Err(why) => {
                self.wrong(&path, format!("it is no YAML, so it does nothing: {why}"));
                return Vec::new();
            }
        };
        let mut all: Vec<Extra<T>> = Vec::new();
        for (path, item) in items {
            let Value::Object(map) = item else {
                self.wrong(&path, "it is no mapping, so it does nothing");
                continue;
            };
            let mut fields = Fields { path, map };
            let Ok(extra) = self.extra(object, &mut fields, read) else { continue };
            if all.iter().any(|other| other.is_beside(&extra)) {
                let text = "an entry before it is for the same part, and it alone is used";
                self.wrong(&fields.path, text);
            } else {
                all.push(extra);
            }
        }
        all
    }

    /// One entry: whom it is for, and what holds there.
    fn extra<T>(
        &mut self,
        object: &istio::DestinationRule,
        fields: &mut Fields,
        read: fn(&mut Self, &mut Fields) -> Result<T, Bad>,
    ) -> Result<Extra<T>, Bad> {
        let (mut subset, mut port) = (None, None);
        if let Some((path, part)) = fields.take("for") {
            let Value::Object(map) = part else {
                return Err(self.wrong(&path, format!("say which part: {FOR_FIELDS}")));
            };
            let mut part = Fields { path, map };
            subset = self.word(&mut part, "subset")?;
            if let Some((path, value)) = part.take("port") {
                port = Some(self.whole_number(&path, &value, 1, 65_535)?);
            }
            self.unknown(&part, FOR_FIELDS);
            if subset.is_none() && port.is_none() {
                return Err(self.wrong(&part.path, format!("say which part: {FOR_FIELDS}")));
            }
            let known = |name: &String| object.spec.subsets.iter().any(|own| own.name == *name);
            if let Some(name) = subset.as_ref().filter(|name| !known(name)) {
                let text = format!("this rule has no subset {name:?}");
                self.note(Code::ReferencedResourceNotFound, &part.at("subset"), text);
            }
        }
        let off = fields.take("off");
        let is_off = off.as_ref().is_some_and(|(_, value)| *value == Value::Bool(true));
        if let Some((path, value)) = &off
            && !value.is_boolean()
        {
            return Err(self.wrong(path, format!("{value} is neither true nor false")));
        }
        let what = if is_off {
            self.unknown(fields, "for, where off is true");
            None
        } else {
            Some(read(self, fields)?)
        };
        let origin = Origin { namespace: self.key.namespace.clone(), name: self.key.name.clone() };
        let port = port.and_then(|port| u16::try_from(port).ok());
        Ok(Extra { origin, subset, port, what })
    }

    fn breaker(&mut self, fields: &mut Fields) -> Result<Breaker, Bad> {
        let errors = self.count(fields, "errors", 1, 1000)?;
        let within = self.time(fields, "within")?;
        let share = match fields.take("share") {
            None => None,
            Some((path, value)) => Some(self.percent(&path, &value)?),
        };
        let of = self.count(fields, "of", 1, 10_000)?;
        let open_for = self.time(fields, "openFor")?.unwrap_or(Duration::from_secs(30));
        let max_open_for = self.time(fields, "maxOpenFor")?;
        let growth = match self.word(fields, "growth")? {
            None => None,
            Some(word) => self.growth(&fields.at("growth"), &word),
        };
        let trials = self.count(fields, "trials", 1, 100)?.unwrap_or(1);
        let on = match fields.take("on") {
            None => vec!["5xx".to_owned()],
            Some((path, value)) => self.errors_counted(&path, &value)?,
        };
        self.unknown(fields, BREAKER_FIELDS);
        for (one, other, has, has_other) in [
            ("errors", "within", errors.is_some(), within.is_some()),
            ("share", "of", share.is_some(), of.is_some()),
        ] {
            if has != has_other {
                let (there, missing) = if has { (one, other) } else { (other, one) };
                let text = format!(
                    "it needs {missing} too, as in {{errors: 5, within: 10s}} or {{share: 50%, of: 20}}"
                );
                return Err(self.wrong(&fields.at(there), text));
            }
        }
        if errors.is_none() && share.is_none() {
            let text = "it says not when to open: add errors and within, or share and of";
            return Err(self.wrong(&fields.path, text));
        }
        if let Some(most) = max_open_for.filter(|most| *most < open_for) {
            let text = format!("{most:?} is less than openFor, which is used instead");
            self.wrong(&fields.at("maxOpenFor"), text);
        }
        Ok(Breaker {
            errors: errors.zip(within),
            share: share.zip(of),
            open_for,
            max_open_for: max_open_for.unwrap_or(Duration::from_secs(300)).max(open_for),
            growth: growth.unwrap_or(Growth::Exponential),
            trials,
            on,
        })
    }

    fn fallback(&mut self, fields: &mut Fields) -> Result<Fallback, Bad> {
        const OF_ANSWER: [&str; 4] = ["status", "body", "headers", "grpcStatus"];
        const OF_DESTINATION: [&str; 3] = ["host", "subset", "port"];
        let says = |names: &[&str]| names.iter().any(|name| fields.map.contains_key(*name));
        let fallback = match (says(&OF_ANSWER), says(&OF_DESTINATION)) {
            (true, false) => self.fixed_answer(fields)?,
            (false, true) => {
                let host = match self.word(fields, "host")? {
                    None => None,
                    Some(host) => Some(self.host(&fields.at("host"), &host)?),
                };
                let subset = self.word(fields, "subset")?;
                let port = self.count(fields, "port", 1, 65_535)?;
                let port = port.and_then(|port| u16::try_from(port).ok());
                Fallback::To { host, subset, port }
            }
            (both, _) => {
                let text = if both {
                    "it is an answer or a destination, not both"
                } else {
                    "it says nothing"
                };
                let text = format!("{text}; the fields are {FALLBACK_FIELDS}");
                return Err(self.wrong(&fields.path, text));
            }
        };
        self.unknown(fields, FALLBACK_FIELDS);
        Ok(fallback)
    }

    fn fixed_answer(&mut self, fields: &mut Fields) -> Result<Fallback, Bad> {
        let status = self.count(fields, "status", 200, 599)?.unwrap_or(200);
        let grpc_status = self.count(fields, "grpcStatus", 0, 16)?;
        let body = self.word(fields, "body")?.unwrap_or_default();
        if body.len() > LARGEST_BODY {
            let text = format!("{} bytes are more than {LARGEST_BODY}", body.len());
            return Err(self.wrong(&fields.at("body"), text));
        }
        let mut headers = BTreeMap::new();
        if let Some((path, value)) = fields.take("headers") {
            let Value::Object(map) = value else {
                return Err(self.wrong(&path, "it is no mapping of names to values"));
            };
            if map.len() > MOST_HEADERS {
                let text = format!("{} headers are more than {MOST_HEADERS}", map.len());
                return Err(self.wrong(&path, text));
            }
            for (name, value) in map {
                let own = format!("{path}[{name}]");
                let lower = name.to_ascii_lowercase();
                if !is_header_name(&name) || name.starts_with(':') || FRAMING.contains(&&*lower) {
                    self.wrong(&own, "an answer cannot have such a header; it is left out");
                    continue;
                }
                match plain(&value).filter(|text| is_clean(text)) {
                    Some(text) => drop(headers.insert(lower, text)),
                    None => drop(self.wrong(&own, "it is no text on one line; it is left out")),
                }
            }
        }
        let status = u16::try_from(status).unwrap_or(200);
        Ok(Fallback::Answer { status, grpc_status, headers, body })
    }

    /// What counts as an error: one word, several with commas between, or a list.
    fn errors_counted(&mut self, path: &str, value: &Value) -> Result<Vec<String>, Bad> {
        let words: Vec<String> = match value {
            Value::Array(items) => items.iter().filter_map(plain).collect(),
            other => plain(other)
                .iter()
                .flat_map(|text| text.split(','))
                .map(|word| word.trim().to_owned())
                .collect(),
        };
        let known = |word: &String| {
            matches!(word.as_str(), "5xx" | "gateway-error" | "connect-failure")
                || word.parse().is_ok_and(|status: u16| (400..=599).contains(&status))
        };
        match words.iter().find(|word| !known(word)) {
            None if !words.is_empty() => Ok(words),
            bad => {
                let bad = bad.map_or_else(|| value.to_string(), |word| format!("{word:?}"));
                let text = format!(
                    "{bad} is none of 5xx, gateway-error, connect-failure or a status from 400 to 599"
                );
                Err(self.wrong(path, text))
            }
        }
    }

    /// A percentage, `50%` or `50`, in thousandths of a percent.
    fn percent(&mut self, path: &str, value: &Value) -> Result<u32, Bad> {
        let text = plain(value).unwrap_or_default();
        let number = text.strip_suffix('%').unwrap_or(&text).trim().parse::<f64>();
        match number.ok().filter(|percent| (0.001..=100.0).contains(percent)) {
            Some(percent) => Ok(thousandths(percent)),
            None => Err(self.wrong(path, format!("{value} is no percentage such as 50%"))),
        }
    }

    fn growth(&mut self, path: &str, word: &str) -> Option<Growth> {
        match word {
            "linear" => Some(Growth::Linear),
            "exponential" => Some(Growth::Exponential),
            _ => {
                self.wrong(path, format!("{word:?} is neither linear nor exponential"));
                None
            }
        }
    }

    fn count(
        &mut self,
        fields: &mut Fields,
        name: &str,
        least: u32,
        most: u32,
    ) -> Result<Option<u32>, Bad> {
        match fields.take(name) {
            None => Ok(None),
            Some((path, value)) => self.whole_number(&path, &value, least, most).map(Some),
        }
    }

    fn whole_number(
        &mut self,
        path: &str,
        value: &Value,
        least: u32,
        most: u32,
    ) -> Result<u32, Bad> {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            self.wrong(path, format!("{value} is no whole number from {least} to {most}"))
        })
    }

    /// A duration of a millisecond at least.
    fn time(&mut self, fields: &mut Fields, name: &str) -> Result<Option<Duration>, Bad> {
        let Some((path, value)) = fields.take(name) else { return Ok(None) };
        let text = plain(&value).unwrap_or_default();
        let Some(time) = self.duration(&path, Some(&text).filter(|text| !text.is_empty())) else {
            return Err(Bad);
        };
        if !(Duration::from_millis(1)..=LONGEST).contains(&time) {
            return Err(self.wrong(&path, format!("{text} is not between 1ms and 24h")));
        }
        Ok(Some(time))
    }

    fn word(&mut self, fields: &mut Fields, name: &str) -> Result<Option<String>, Bad> {
        match fields.take(name) {
            None => Ok(None),
            Some((path, value)) => plain(&value)
                .map(Some)
                .ok_or_else(|| self.wrong(&path, format!("{value} is no text"))),
        }
    }

    /// Notes what was not taken.
    fn unknown(&mut self, fields: &Fields, known: &str) {
        for name in fields.map.keys() {
            let text =
                format!("there is no such field, so it does nothing; the fields are {known}");
            self.wrong(&fields.at(name), text);
        }
    }
}

/// A mapping that is read field by field, and where it stands.
struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// Takes a field out, with its place; a null counts as absent.
    fn take(&mut self, name: &str) -> Option<(String, Value)> {
        let value = self.map.remove(name).filter(|value| !value.is_null())?;
        Some((self.at(name), value))
    }
}

/// The place of an annotation.
fn path_of(name: &str) -> String {
    format!("metadata.annotations[{name}]")
}

/// A text, or what YAML took for something else.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(word) => Some(word.to_string()),
        _ => None,
    }
}
