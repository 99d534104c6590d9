//! One rule of a VirtualService: what it matches and what it does.

use std::collections::BTreeSet;
use std::time::Duration;

use kinds::istio;

use super::matching::WrittenScope;
use super::notes::{Bad, Notes};
use super::text::is_clean;
use crate::findings::Code;
use crate::model::Origin;
use crate::model::route::{
    Abort, Action, Answer, Body, Cors, Destination, Fault, Forward, HttpRule, Mirror, Redirect,
    RedirectPort, Retry, Rewrite, Share, StreamRule, TextMatch, Weighted,
};

/// gRPC's status names in the order of their numbers.
///
/// Spec: gRPC, "Status codes and their use in gRPC" (doc/statuscodes.md).
const GRPC: &[&str] = &[
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The words of `retryOn`.
///
/// Spec: Envoy, "Router filter", x-envoy-retry-on and x-envoy-retry-grpc-on.
const RETRY_ON: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

impl Notes<'_> {
    /// Reads one HTTP rule; `Err` leaves the rule out. `origin` is the object that wrote it.
    pub(super) fn http_rule(
        &mut self,
        path: &str,
        written: &istio::HttpRoute,
        origin: Origin,
    ) -> Result<HttpRule, Bad> {
        let mut matches = Vec::new();
        for (index, one) in written.matches.iter().enumerate() {
            matches.push(self.http_match(&format!("{path}.match[{index}]"), one)?);
        }
        let actions = [
            !written.route.is_empty(),
            written.redirect.is_some(),
            written.direct_response.is_some(),
        ];
        let action = match actions.iter().filter(|set| **set).count() {
            1 => self.action(path, written)?,
            0 => {
                return Err(
                    self.wrong(path, "the rule says neither route, redirect nor directResponse")
                );
            }
            _ => {
                let text = "the rule must say one of route, redirect and directResponse";
                return Err(self.wrong(path, text));
            }
        };
        let fault = self.fault(&format!("{path}.fault"), written.fault.as_ref());
        Ok(HttpRule {
            origin,
            name: written.name.clone().filter(|name| !name.is_empty()),
            matches,
            action,
            headers: self.headers(&format!("{path}.headers"), written.headers.as_ref()),
            fault,
            cors: written
                .cors_policy
                .as_ref()
                .map(|cors| self.cors(&format!("{path}.corsPolicy"), cors)),
        })
    }

    fn action(&mut self, path: &str, written: &istio::HttpRoute) -> Result<Action, Bad> {
        if written.route.is_empty() {
            self.only_with_route(path, written);
        }
        if let Some(redirect) = &written.redirect {
            return self.redirect(&format!("{path}.redirect"), redirect).map(Action::Redirect);
        }
        if let Some(answer) = &written.direct_response {
            return self.answer(&format!("{path}.directResponse"), answer).map(Action::Answer);
        }
        let mut to = Vec::new();
        for (index, one) in written.route.iter().enumerate() {
            let path = format!("{path}.route[{index}]");
            to.push(Weighted {
                destination: self.destination(&format!("{path}.destination"), &one.destination)?,
                weight: self.weight(&path, one.weight)?,
                headers: self.headers(&format!("{path}.headers"), one.headers.as_ref()),
            });
        }
        Ok(Action::Forward(Forward {
            to: self.weighted(&format!("{path}.route"), to)?,
            rewrite: self.rewrite(&format!("{path}.rewrite"), written.rewrite.as_ref())?,
            mirrors: self.mirrors(path, written),
            timeout: self
                .duration(&format!("{path}.timeout"), written.timeout.as_ref())
                .filter(|timeout| !timeout.is_zero()),
            retry: written
                .retries
                .as_ref()
                .map(|retries| self.retry(&format!("{path}.retries"), retries)),
        }))
    }

    /// Notes what has no effect on a redirect or an answer.
    fn only_with_route(&mut self, path: &str, written: &istio::HttpRoute) {
        let fields = [
            ("rewrite", written.rewrite.is_some()),
            ("timeout", written.timeout.is_some()),
            ("retries", written.retries.is_some()),
            ("mirror", written.mirror.is_some()),
            ("mirrors", !written.mirrors.is_empty()),
        ];
        for (field, _) in fields.into_iter().filter(|(_, set)| *set) {
            let text = format!("{field} has no effect without route");
            self.note(Code::FieldNotHonoured, &format!("{path}.{field}"), text);
        }
    }

    fn weight(&mut self, path: &str, weight: Option<i32>) -> Result<u32, Bad> {
        let weight = weight.unwrap_or(0);
        u32::try_from(weight)
            .map_err(|_| self.wrong(&format!("{path}.weight"), format!("{weight} is below zero")))
    }

    /// Destinations that get something: one alone gets all, a zero among several gets nothing.
    fn weighted(&mut self, path: &str, mut to: Vec<Weighted>) -> Result<Vec<Weighted>, Bad> {
        if let [only] = to.as_mut_slice() {
            only.weight = 100;
            return Ok(to);
        }
        to.retain(|one| one.weight > 0);
        let total: u64 = to.iter().map(|one| u64::from(one.weight)).sum();
        if total == 0 {
            return Err(self.wrong(path, "all weights are zero, so nothing gets the requests"));
        }
        if total > u64::from(u32::MAX) {
            return Err(self.wrong(path, format!("the weights sum to {total}, beyond 4294967295")));
        }
        Ok(to)
    }

    pub(super) fn destination(
        &mut self,
        path: &str,
        written: &istio::Destination,
    ) -> Result<Destination, Bad> {
        let host = self.host(&format!("{path}.host"), &written.host)?;
        // A pattern may be the host of a ServiceEntry, everything cannot.
        if host == "*" {
            let text = format!("{host:?} is everything: a destination is one host");
            return Err(self.wrong(&format!("{path}.host"), text));
        }
        let port = written.port.as_ref().filter(|port| port.number != 0);
        let port = port.map(|port| self.port(&format!("{path}.port.number"), port.number));
        Ok(Destination {
            host,
            subset: written.subset.clone().filter(|subset| !subset.is_empty()),
            port: port.transpose()?,
        })
    }

    fn rewrite(
        &mut self,
        path: &str,
        written: Option<&istio::Rewrite>,
    ) -> Result<Option<Rewrite>, Bad> {
        let Some(written) = written else { return Ok(None) };
        let mut rewrite = Rewrite {
            uri: written.uri.clone().filter(|uri| !uri.is_empty()),
            authority: written.authority.clone().filter(|text| !text.is_empty()),
            regex: None,
        };
        let texts = [("uri", &rewrite.uri), ("authority", &rewrite.authority)];
        for (field, text) in texts {
            if text.as_ref().is_some_and(|text| !is_clean(text)) {
                return Err(self.wrong(&format!("{path}.{field}"), "it holds control characters"));
            }
        }
        if let Some(regex) = &written.uri_regex_rewrite {
            let path = format!("{path}.uriRegexRewrite");
            if rewrite.uri.is_some() {
                return Err(self.wrong(&path, "uri and uriRegexRewrite exclude each other"));
            }
            super::text::check_regex(&regex.match_)
                .map_err(|why| self.wrong(&format!("{path}.match"), why))?;
            check_substitution(&regex.match_, &regex.rewrite)
                .map_err(|why| self.wrong(&format!("{path}.rewrite"), why))?;
            rewrite.regex = Some((regex.match_.clone(), regex.rewrite.clone()));
        }
        Ok(Some(rewrite))
    }

    fn mirrors(&mut self, path: &str, written: &istio::HttpRoute) -> Vec<Mirror> {
        let mut mirrors = Vec::new();
        if let Some(one) = &written.mirror {
            let old = written.mirror_percent.or(written.mirror_percent_snake).map(f64::from);
            let percent =
                written.mirror_percentage.as_ref().map(|percent| percent.value.unwrap_or(0.0));
            let share = percent.or(old).unwrap_or(100.0);
            let share = self.share(&format!("{path}.mirrorPercentage"), share);
            if let Ok(destination) = self.destination(&format!("{path}.mirror"), one) {
                mirrors.push(Mirror { destination, share });
            }
        }
        for (index, one) in written.mirrors.iter().enumerate() {
            let path = format!("{path}.mirrors[{index}]");
            let percent =
                one.percentage.as_ref().map_or(100.0, |percent| percent.value.unwrap_or(0.0));
            let share = self.share(&format!("{path}.percentage"), percent);
            if let Ok(destination) =
                self.destination(&format!("{path}.destination"), &one.destination)
            {
                mirrors.push(Mirror { destination, share });
            }
        }
        mirrors.retain(|mirror| mirror.share != Share::NONE);
        mirrors
    }

    pub(super) fn retry(&mut self, path: &str, written: &istio::Retries) -> Retry {
        let mut retry = Retry {
            attempts: u32::try_from(written.attempts).unwrap_or(0),
            per_try: self
                .duration(&format!("{path}.perTryTimeout"), written.per_try_timeout.as_ref())
                .filter(|time| !time.is_zero()),
            remote_localities: written.retry_remote_localities.unwrap_or(false),
            may_repeat_hosts: written.retry_ignore_previous_hosts == Some(false),
            backoff: self
                .duration(&format!("{path}.backoff"), written.backoff.as_ref())
                .filter(|time| *time >= Duration::from_millis(1)),
            ..Retry::default()
        };
        let mut seen = BTreeSet::new();
        for word in written.retry_on.iter().flat_map(|words| words.split(',')).map(str::trim) {
            if word.is_empty() || !seen.insert(word) {
                continue;
            }
            match word.parse::<u32>() {
                Ok(code) if (100..600).contains(&code) => retry.codes.push(code),
                _ if RETRY_ON.contains(&word) => retry.on.push(word.to_owned()),
                _ => drop(self.wrong(
                    &format!("{path}.retryOn"),
                    format!("{word:?} is neither a condition nor a status code"),
                )),
            }
        }
        retry
    }

    fn redirect(&mut self, path: &str, written: &istio::Redirect) -> Result<Redirect, Bad> {
        let texts = [
            ("uri", &written.uri),
            ("prefixRewrite", &written.prefix_rewrite),
            ("authority", &written.authority),
            ("scheme", &written.scheme),
        ];
        for (field, text) in texts {
            if text.as_ref().is_some_and(|text| !is_clean(text)) {
                return Err(self.wrong(&format!("{path}.{field}"), "it holds control characters"));
            }
        }
        let code = written.redirect_code.filter(|code| *code != 0).unwrap_or(301);
        if !matches!(code, 301 | 302 | 303 | 307 | 308) {
            let text = format!("{code} is none of 301, 302, 303, 307 and 308");
            return Err(self.wrong(&format!("{path}.redirectCode"), text));
        }
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let port = match (written.port.filter(|port| *port != 0), written.derive_port) {
            (Some(port), _) => RedirectPort::Number(self.port(&format!("{path}.port"), port)?),
            (None, Some(istio::DerivePort::FromRequestPort)) => RedirectPort::OfRequest,
            _ => RedirectPort::OfScheme,
        };
        let redirect = Redirect {
            uri: some(&written.uri),
            prefix: some(&written.prefix_rewrite),
            authority: some(&written.authority),
            scheme: some(&written.scheme),
            port,
            code,
        };
        if redirect.uri.is_some() && redirect.prefix.is_some() {
            return Err(self.wrong(path, "uri and prefixRewrite exclude each other"));
        }
        Ok(redirect)
    }

    fn answer(&mut self, path: &str, written: &istio::DirectResponse) -> Result<Answer, Bad> {
        if !(200..600).contains(&written.status) {
            let text = format!("{} is no status from 200 to 599", written.status);
            return Err(self.wrong(&format!("{path}.status"), text));
        }
        let body = written.body.as_ref().and_then(|body| match (&body.string, &body.bytes) {
            (Some(text), _) => Some(Ok(Body::Text(text.clone()))),
            (None, Some(bytes)) => Some(super::text::base64(bytes).map(Body::Bytes)),
            (None, None) => None,
        });
        let body =
            body.transpose().map_err(|why| self.wrong(&format!("{path}.body.bytes"), why))?;
        let length = match &body {
            Some(Body::Text(text)) => text.len(),
            Some(Body::Bytes(bytes)) => bytes.len(),
            None => 0,
        };
        if length > 1 << 20 {
            return Err(self.wrong(&format!("{path}.body"), "the body is larger than 1 MiB"));
        }
        Ok(Answer { status: written.status, body })
    }

    fn fault(&mut self, path: &str, written: Option<&istio::Fault>) -> Fault {
        let mut fault = Fault::default();
        let Some(written) = written else { return fault };
        if let Some(delay) = &written.delay {
            let path = format!("{path}.delay");
            self.ignored(delay.exponential_delay.is_some(), &format!("{path}.exponentialDelay"));
            let percent = match (&delay.percentage, delay.percent) {
                (Some(percent), _) => percent.value.unwrap_or(0.0),
                (None, percent) => f64::from(percent.unwrap_or(0)),
            };
            let share = self.share(&format!("{path}.percentage"), percent);
            let time = self.duration(&format!("{path}.fixedDelay"), delay.fixed_delay.as_ref());
            fault.delay = time.filter(|time| !time.is_zero()).map(|time| (time, share));
        }
        if let Some(abort) = &written.abort {
            let path = format!("{path}.abort");
            self.ignored(abort.http2_error.is_some(), &format!("{path}.http2Error"));
            let percent =
                abort.percentage.as_ref().and_then(|percent| percent.value).unwrap_or(0.0);
            let share = self.share(&format!("{path}.percentage"), percent);
            let how = match (abort.http_status, &abort.grpc_status) {
                (Some(status), _) => match u32::try_from(status) {
                    Ok(status) if (200..600).contains(&status) => Some(Abort::Http(status)),
                    _ => {
                        let text = format!("{status} is no status from 200 to 599");
                        self.wrong(&format!("{path}.httpStatus"), text);
                        None
                    }
                },
                (None, Some(status)) => self.grpc(&format!("{path}.grpcStatus"), status),
                (None, None) => None,
            };
            fault.abort = how.map(|how| (how, share));
        }
        fault.delay = fault.delay.filter(|(_, share)| *share != Share::NONE);
        fault.abort = fault.abort.filter(|(_, share)| *share != Share::NONE);
        fault
    }

    fn grpc(&mut self, path: &str, status: &str) -> Option<Abort> {
        let number = GRPC.iter().position(|name| name.eq_ignore_ascii_case(status));
        let number = number.or_else(|| status.parse().ok().filter(|number| *number < GRPC.len()));
        let number = number.and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.wrong(path, format!("{status:?} is no gRPC status"));
        }
        number.map(Abort::Grpc)
    }

    fn cors(&mut self, path: &str, written: &istio::Cors) -> Cors {
        let mut cors = Cors {
            methods: written.allow_methods.clone(),
            headers: written.allow_headers.clone(),
            expose: written.expose_headers.clone(),
            max_age: self.duration(&format!("{path}.maxAge"), written.max_age.as_ref()),
            credentials: written.allow_credentials,
            forward_unmatched: written.unmatched_preflights
                != Some(istio::UnmatchedPreflights::Ignore),
            origins: Vec::new(),
        };
        for (index, origin) in written.allow_origins.iter().enumerate() {
            match self.text(&format!("{path}.allowOrigins[{index}]"), origin) {
                // As in Istio's own older field, `*` alone is everybody.
                Ok(TextMatch::Exact(text)) if text == "*" => cors.origins.push(TextMatch::Present),
                Ok(origin) => cors.origins.push(origin),
                Err(Bad) => {}
            }
        }
        if written.allow_origins.is_empty() {
            cors.origins.extend(written.allow_origin.iter().map(|origin| match origin.as_str() {
                "*" => TextMatch::Present,
                text => TextMatch::Exact(text.to_owned()),
            }));
        }
        cors
    }

    /// Reads one rule of the lists `tls` (with server names) and `tcp`.
    pub(super) fn stream_rule<'a>(
        &mut self,
        path: &str,
        matches: impl Iterator<Item = (&'a [String], &'a [String], WrittenScope<'a>)>,
        route: &[istio::TcpDestination],
    ) -> Result<StreamRule, Bad> {
        let mut read = Vec::new();
        for (index, (names, subnets, scope)) in matches.enumerate() {
            read.push(self.stream_match(
                &format!("{path}.match[{index}]"),
                names,
                subnets,
                &scope,
            )?);
        }
        let mut to = Vec::new();
        for (index, one) in route.iter().enumerate() {
            let path = format!("{path}.route[{index}]");
            to.push(Weighted {
                destination: self.destination(&format!("{path}.destination"), &one.destination)?,
                weight: self.weight(&path, one.weight)?,
                headers: Default::default(),
            });
        }
        if to.is_empty() {
            return Err(self.wrong(&format!("{path}.route"), "the rule has no destination"));
        }
        Ok(StreamRule { matches: read, to: self.weighted(&format!("{path}.route"), to)? })
    }

    /// Notes that a rule cannot be reached.
    pub(super) fn unreachable(&mut self, path: &str, by: usize) {
        let text = format!("http[{by}] takes every request before it");
        self.note(Code::VirtualServiceUnreachableRule, path, text);
    }
}

/// Whether the substitution names only groups that the expression has (Envoy refuses others).
fn check_substitution(pattern: &str, substitution: &str) -> Result<(), String> {
    let groups = regex::Regex::new(pattern).map_or(1, |regex| regex.captures_len());
    let mut rest = substitution;
    while let Some(at) = rest.find('\\') {
        let next = rest[at + 1..].chars().next();
        match next {
            Some('\\') => {}
            Some(digit) if digit.to_digit(10).is_some_and(|digit| (digit as usize) < groups) => {}
            Some(digit) if digit.is_ascii_digit() => {
                return Err(format!("\\{digit} is no group of {pattern:?}"));
            }
            _ => return Err(r"after \ there must be a digit or another \".to_owned()),
        }
        rest = &rest[at + 2..];
    }
    if !is_clean(substitution) {
        return Err("it holds control characters".to_owned());
    }
    Ok(())
}
