//! Matches of rules.

use std::collections::BTreeMap;

use kinds::istio;

use super::notes::{Bad, Notes};
use super::text::is_header_name;
use crate::findings::Code;
use crate::model::Origin;
use crate::model::route::{Bind, HttpMatch, Scope, StreamMatch, TextMatch};

/// The parts that say for which proxies and listeners a match is.
pub(super) struct WrittenScope<'a> {
    pub(super) port: Option<u32>,
    pub(super) source_labels: &'a BTreeMap<String, String>,
    pub(super) source_namespace: Option<&'a String>,
    pub(super) gateways: &'a [String],
}

impl Notes<'_> {
    /// Reads where a rule applies: `mesh`, `name` or `namespace/name`.
    pub(super) fn bind(&self, word: &str) -> Bind {
        match word.split_once('/') {
            _ if word == "mesh" => Bind::Mesh,
            Some((namespace, name)) => {
                Bind::Gateway(Origin { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            None => Bind::Gateway(Origin {
                namespace: self.namespace().to_owned(),
                name: word.to_owned(),
            }),
        }
    }

    fn scope(&mut self, path: &str, written: &WrittenScope<'_>) -> Result<Scope, Bad> {
        let port = written.port.filter(|port| *port != 0);
        let port = port.map(|port| self.port(&format!("{path}.port"), port)).transpose()?;
        Ok(Scope {
            port,
            source_labels: written.source_labels.clone(),
            source_namespace: written.source_namespace.cloned().filter(|text| !text.is_empty()),
            binds: (!written.gateways.is_empty())
                .then(|| written.gateways.iter().map(|word| self.bind(word)).collect()),
        })
    }

    /// Reads one match of an HTTP rule. A part that cannot be read makes the whole bad, for without
    /// it more would match than was meant.
    pub(super) fn http_match(
        &mut self,
        path: &str,
        written: &istio::HttpMatch,
    ) -> Result<HttpMatch, Bad> {
        let scope = self.scope(
            path,
            &WrittenScope {
                port: written.port,
                source_labels: &written.source_labels,
                source_namespace: written.source_namespace.as_ref(),
                gateways: &written.gateways,
            },
        )?;
        let uri = self.whole(path, "uri", written.uri.as_ref())?;
        if written.ignore_uri_case && matches!(uri, Some(TextMatch::Regex(_))) {
            let text = "ignoreUriCase has no effect on a regex: begin it with (?i)";
            self.note(Code::FieldNotHonoured, &format!("{path}.ignoreUriCase"), text);
        }
        Ok(HttpMatch {
            name: written.name.clone().filter(|name| !name.is_empty()),
            uri,
            ignore_uri_case: written.ignore_uri_case,
            scheme: self.whole(path, "scheme", written.scheme.as_ref())?,
            method: self.whole(path, "method", written.method.as_ref())?,
            authority: self.whole(path, "authority", written.authority.as_ref())?,
            headers: self.header_matches(&format!("{path}.headers"), &written.headers)?,
            without_headers: self
                .header_matches(&format!("{path}.withoutHeaders"), &written.without_headers)?,
            query: self.query_matches(path, &written.query_params)?,
            stat_prefix: written.stat_prefix.clone().filter(|text| !text.is_empty()),
            scope,
        })
    }

    /// A match of a part that is always there: "present" says nothing.
    fn whole(
        &mut self,
        path: &str,
        field: &str,
        written: Option<&istio::StringMatch>,
    ) -> Result<Option<TextMatch>, Bad> {
        let Some(written) = written else { return Ok(None) };
        let text = self.text(&format!("{path}.{field}"), written)?;
        Ok((text != TextMatch::Present).then_some(text))
    }

    fn header_matches(
        &mut self,
        path: &str,
        written: &BTreeMap<String, istio::StringMatch>,
    ) -> Result<BTreeMap<String, TextMatch>, Bad> {
        let mut matches = BTreeMap::new();
        for (name, text) in written {
            let path = format!("{path}[{name}]");
            let lower = name.to_ascii_lowercase();
            if name.starts_with('@') {
                let text =
                    "matching on claims of a token does nothing yet, so the rule is left out";
                self.note(Code::FieldNotHonoured, &path, text);
                return Err(Bad);
            }
            if matches!(lower.as_str(), "uri" | "scheme" | "method" | "authority") {
                let text = format!("{lower:?} is no header: use the field {lower} of the match");
                self.note(Code::FieldNotHonoured, &path, text);
                continue;
            }
            if !is_header_name(&lower) {
                return Err(self.wrong(&path, format!("{name:?} is no header name")));
            }
            let text = self.text(&path, text)?;
            matches.insert(lower, text);
        }
        Ok(matches)
    }

    fn query_matches(
        &mut self,
        path: &str,
        written: &BTreeMap<String, istio::StringMatch>,
    ) -> Result<BTreeMap<String, TextMatch>, Bad> {
        let mut matches = BTreeMap::new();
        for (name, text) in written {
            let path = format!("{path}.queryParams[{name}]");
            if name.is_empty() || name.len() > 1024 {
                return Err(self.wrong(&path, "a query parameter needs a name"));
            }
            let text = self.text(&path, text)?;
            matches.insert(name.clone(), text);
        }
        Ok(matches)
    }

    /// Reads one match of a TLS or TCP rule.
    pub(super) fn stream_match(
        &mut self,
        path: &str,
        names: &[String],
        subnets: &[String],
        scope: &WrittenScope<'_>,
    ) -> Result<StreamMatch, Bad> {
        for (index, subnet) in subnets.iter().enumerate() {
            if crate::host::network(subnet).is_none() {
                let path = format!("{path}.destinationSubnets[{index}]");
                return Err(self.wrong(&path, format!("{subnet:?} is no address or network")));
            }
        }
        let mut hosts = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let text = name.to_ascii_lowercase();
            let tail = text.strip_prefix("*.").unwrap_or(&text);
            // Envoy takes `*` only as the whole first label.
            if text != "*" && (tail.is_empty() || tail.contains('*')) {
                let path = format!("{path}.sniHosts[{index}]");
                return Err(self.wrong(&path, format!("{name:?} is no server name")));
            }
            hosts.push(text);
        }
        Ok(StreamMatch {
            names: hosts,
            destinations: subnets.to_vec(),
            scope: self.scope(path, scope)?,
        })
    }
}
