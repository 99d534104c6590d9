//! The paper that `describe` writes on: fields in line, lists, tables, events.

use jiff::Timestamp;
use serde_json::Value;

use crate::{jsonpath::text, out::columns};

/// Annotations that are for programs.
const UNSHOWN: [&str; 1] = ["kubectl.kubernetes.io/last-applied-configuration"];

/// A text under construction.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    done: String,
    /// Fields that stand under one another and share the place of their values.
    fields: Vec<(String, String)>,
    /// Whether those stand under a title.
    inside: bool,
}

impl Sheet {
    /// `Name:  value`
    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.inner(0, name, value);
    }

    /// A field under a title, or under a title's title.
    pub(super) fn inner(&mut self, depth: usize, name: &str, value: &str) {
        if self.inside != (depth > 0) {
            self.flush();
            self.inside = depth > 0;
        }
        let name = if name.is_empty() { String::new() } else { format!("{name}:") };
        self.fields.push((format!("{}{name}", "  ".repeat(depth)), value.to_owned()));
    }

    /// `Labels:  a=b`, and the others below.
    pub(super) fn pairs(&mut self, name: &str, between: &str, pairs: &Value) {
        let mut pairs: Vec<_> = pairs.as_object().into_iter().flatten().collect();
        pairs.retain(|(key, _)| !UNSHOWN.contains(&key.as_str()));
        pairs.sort_by(|a, b| a.0.cmp(b.0));
        let pairs = pairs.iter().map(|(key, value)| format!("{key}{between}{}", text(value)));
        self.list(0, name, pairs);
    }

    /// The first value beside the name, the others below it; `<none>` without any.
    pub(super) fn list(&mut self, depth: usize, name: &str, values: impl Iterator<Item = String>) {
        let mut name = name;
        for value in values {
            self.inner(depth, name, &value);
            name = "";
        }
        if !name.is_empty() {
            self.inner(depth, name, "<none>");
        }
    }

    /// `Containers:` alone on its line.
    pub(super) fn title(&mut self, name: &str) {
        self.line(0, &format!("{name}:"));
    }

    /// A line as it is.
    pub(super) fn line(&mut self, depth: usize, text: &str) {
        self.flush();
        self.done += &"  ".repeat(depth);
        self.done += text.trim_end();
        self.done.push('\n');
    }

    /// A text of several lines under its name.
    pub(super) fn block(&mut self, name: &str, value: &str) {
        self.line(1, &format!("{name}:"));
        for line in value.lines() {
            self.line(2, line);
        }
    }

    /// Rows in columns.
    pub(super) fn table(&mut self, depth: usize, rows: &[Vec<String>]) {
        for line in columns(rows).lines() {
            self.line(depth, line);
        }
    }

    /// What happened, oldest first.
    pub(super) fn events(&mut self, events: &[Value], now: Timestamp) {
        if events.is_empty() {
            self.field("Events", "<none>");
            return;
        }
        self.title("Events");
        let mut events: Vec<&Value> = events.iter().collect();
        events.sort_by_key(|it| moment(it, "lastTimestamp"));
        let mut rows =
            vec![["Type", "Reason", "Age", "From", "Message"].map(str::to_owned).to_vec()];
        for event in events {
            let (first, last) = (moment(event, "firstTimestamp"), moment(event, "lastTimestamp"));
            let count = event["count"].as_u64().unwrap_or(1);
            let since = match count {
                0 | 1 => age(&last, now),
                n => format!("{} (x{n} over {})", age(&last, now), age(&first, now)),
            };
            let from = match text(&event["source"]["component"]) {
                it if it.is_empty() => text(&event["reportingComponent"]),
                it => it,
            };
            let message = text(&event["message"]).replace('\n', " ");
            rows.push(vec![text(&event["type"]), text(&event["reason"]), since, from, message]);
        }
        self.table(1, &rows);
    }

    /// All of it.
    pub(super) fn text(mut self) -> String {
        self.flush();
        self.done
    }

    fn flush(&mut self) {
        let width = self.fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in self.fields.drain(..) {
            let gap = " ".repeat(width - name.chars().count() + 2);
            self.done += format!("{name}{gap}{value}").trim_end();
            self.done.push('\n');
        }
    }
}

/// When an event was; events of newer clients have an eventTime alone.
fn moment(event: &Value, field: &str) -> String {
    let times = [&event[field], &event["eventTime"], &event["metadata"]["creationTimestamp"]];
    times.into_iter().map(text).find(|it| !it.is_empty()).unwrap_or_default()
}

/// How long ago a moment was, as kubectl says it: `7s`, `3m12s`, `5h`, `9d`.
pub(super) fn age(at: &str, now: Timestamp) -> String {
    let Ok(at) = at.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = now.as_second().saturating_sub(at.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 != 0 => format!("{minutes}m{}s", seconds % 60),
        120..10800 => format!("{minutes}m"),
        10800..28800 if minutes % 60 != 0 => format!("{hours}h{}m", minutes % 60),
        10800..172_800 => format!("{hours}h"),
        172_800..691_200 if hours % 24 != 0 => format!("{days}d{}h", hours % 24),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let now: Timestamp = "2030-01-10T12:00:00Z".parse().unwrap();
        for (at, wanted) in [
            ("2030-01-10T11:59:53Z", "7s"),
            ("2030-01-10T11:56:48Z", "3m12s"),
            ("2030-01-10T11:30:00Z", "30m"),
            ("2030-01-10T07:00:00Z", "5h"),
            ("2030-01-01T12:00:00Z", "9d"),
            ("2030-01-10T12:00:09Z", "0s"),
            ("yesterday", "<unknown>"),
        ] {
            assert_eq!(age(at, now), wanted, "{at}");
        }
    }

    #[test]
    fn values_of_neighbours_stand_under_one_another() {
        let mut sheet = Sheet::default();
        sheet.field("Name", "a");
        sheet.list(0, "Selector", ["x=1".to_owned(), "y=2".to_owned()].into_iter());
        sheet.title("Containers");
        sheet.inner(1, "Image", "b");
        assert_eq!(
            sheet.text(),
            "Name:      a\nSelector:  x=1\n           y=2\nContainers:\n  Image:  b\n"
        );
    }
}
