//! The query of a request, read as Kubernetes reads it.

use std::time::Duration;

/// The parameters of one request, in the order they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`. Clients also write `?&a=b`; empty pairs are skipped.
    pub(crate) fn parse(text: Option<&str>) -> Query {
        let text = text.unwrap_or_default();
        Query(
            form_urlencoded::parse(text.as_bytes())
                .filter(|(name, _)| !name.is_empty())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// The first value of a parameter; nothing when it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A switch: present and neither `0` nor `false`.
    pub(crate) fn switch(&self, name: &str) -> bool {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .is_some_and(|(_, value)| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// A whole number; the error is the sentence for the client.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, String> {
        self.text(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| format!("query parameter {name}={text:?} is not a whole number"))
            })
            .transpose()
    }

    /// A number of seconds; zero or less means that there is no limit.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, String> {
        Ok(self
            .number(name)?
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs))
    }

    /// The parameters again as text, without those named.
    pub(crate) fn without(&self, names: &[&str]) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            if !names.contains(&name.as_str()) {
                text.append_pair(name, value);
            }
        }
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_kubernetes_reads_them() {
        let query = Query::parse(Some(
            "&watch=1&limit=500&labelSelector=app%3Dweb&empty=&command=a&command=b+c",
        ));
        assert!(query.switch("watch"));
        assert!(!query.switch("allowWatchBookmarks"));
        assert_eq!(query.number("limit"), Ok(Some(500)));
        assert_eq!(query.text("labelSelector"), Some("app=web"));
        assert_eq!(query.text("empty"), None);
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(
            query.without(&["watch", "limit", "labelSelector", "empty"]),
            "command=a&command=b+c"
        );
        assert!(Query::parse(Some("limit=many")).number("limit").is_err());
        assert_eq!(Query::parse(Some("timeoutSeconds=0")).seconds("timeoutSeconds"), Ok(None));
        assert!(!Query::parse(Some("watch=false")).switch("watch"));
    }
}
