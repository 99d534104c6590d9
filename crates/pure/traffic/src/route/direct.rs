//! Routes that answer by themselves: redirects and direct responses.

use std::{borrow::Cow, sync::Arc};

use xds::{core, route as proto};

use crate::{
    answer::Answer,
    compile::Bad,
    flags::Flags,
    head::{Head, split_path},
    http::split_port,
    levels::EditList,
    path::PathRewrite,
    route::Route,
};

/// A route that answers by itself.
#[derive(Debug)]
pub(crate) struct Direct {
    kind: Kind,
    response_edits: Option<Arc<EditList>>,
}

#[derive(Debug)]
enum Kind {
    Redirect(Redirect),
    Response { status: u16, body: Box<[u8]> },
}

/// A redirect. Spec: Envoy `RedirectAction`.
#[derive(Debug)]
struct Redirect {
    status: u16,
    scheme: Option<Box<str>>,
    host: Option<Box<str>>,
    port: Option<u32>,
    path: PathChange,
    strip_query: bool,
}

#[derive(Debug)]
enum PathChange {
    Whole(Box<str>),
    Rewrite(PathRewrite),
}

impl Direct {
    /// Everything to https, at the same place.
    pub(crate) fn to_https() -> Self {
        Self {
            kind: Kind::Redirect(Redirect {
                status: 301,
                scheme: Some("https".into()),
                host: None,
                port: None,
                path: PathChange::Rewrite(PathRewrite::Keep),
                strip_query: false,
            }),
            response_edits: None,
        }
    }

    pub(crate) fn redirect(
        action: &proto::RedirectAction,
        response_edits: Option<Arc<EditList>>,
    ) -> Result<Self, Bad> {
        use proto::redirect_action::{
            PathRewriteSpecifier as PathRule, RedirectResponseCode as Code,
            SchemeRewriteSpecifier as Scheme,
        };
        let status = match action.response_code() {
            Code::MovedPermanently => 301,
            Code::Found => 302,
            Code::SeeOther => 303,
            Code::TemporaryRedirect => 307,
            Code::PermanentRedirect => 308,
        };
        let scheme = match &action.scheme_rewrite_specifier {
            Some(Scheme::HttpsRedirect(true)) => Some("https".into()),
            Some(Scheme::SchemeRedirect(scheme)) => Some(scheme.as_str().into()),
            _ => None,
        };
        let path = match &action.path_rewrite_specifier {
            Some(PathRule::PathRedirect(path)) => PathChange::Whole(path.as_str().into()),
            Some(PathRule::PrefixRewrite(prefix)) => {
                PathChange::Rewrite(PathRewrite::compile(prefix, None)?)
            }
            Some(PathRule::RegexRewrite(rewrite)) => {
                PathChange::Rewrite(PathRewrite::compile("", Some(rewrite))?)
            }
            Some(PathRule::PathRewrite(_)) => return Err(Bad::unsupported("path_rewrite")),
            None => PathChange::Rewrite(PathRewrite::Keep),
        };
        let host = &action.host_redirect;
        let redirect = Redirect {
            status,
            scheme,
            host: (!host.is_empty()).then(|| host.as_str().into()),
            port: (action.port_redirect != 0).then_some(action.port_redirect),
            path,
            strip_query: action.strip_query,
        };
        Ok(Self { kind: Kind::Redirect(redirect), response_edits })
    }

    pub(crate) fn response(
        action: &proto::DirectResponseAction,
        response_edits: Option<Arc<EditList>>,
        largest: u32,
    ) -> Result<Self, Bad> {
        use core::data_source::Specifier;
        if action.body_format.is_some() {
            return Err(Bad::unsupported("body_format"));
        }
        let status = u16::try_from(action.status)
            .ok()
            .filter(|status| (200..600).contains(status))
            .ok_or_else(|| Bad::new("status", "is not between 200 and 599"))?;
        let body: Box<[u8]> = match action.body.as_ref().and_then(|body| body.specifier.as_ref()) {
            None => Box::default(),
            Some(Specifier::InlineString(text)) => text.as_bytes().into(),
            Some(Specifier::InlineBytes(bytes)) => bytes.as_slice().into(),
            Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) => {
                return Err(Bad::unsupported("body.filename"));
            }
        };
        let largest = usize::try_from(largest).unwrap_or(usize::MAX);
        if largest < body.len() {
            let why = format!("has {} bytes; at most {largest} are allowed", body.len());
            return Err(Bad::new("body", why));
        }
        Ok(Self { kind: Kind::Response { status, body }, response_edits })
    }

    pub(crate) const fn response_edits(&self) -> &Option<Arc<EditList>> {
        &self.response_edits
    }

    /// The path of the request as edits of the response see it, where it is rewritten for the redirect.
    pub(crate) fn rewritten_path(&self, route: &Route, head: &Head<'_>) -> Option<String> {
        match &self.kind {
            Kind::Redirect(Redirect { path: PathChange::Rewrite(rewrite), .. }) => {
                rewrite.apply(head.path, &route.matcher.path)
            }
            _ => None,
        }
    }

    /// The answer to a request that came to this route.
    pub(crate) fn answer(&self, route: &Route, head: &Head<'_>) -> Answer {
        match &self.kind {
            Kind::Redirect(redirect) => {
                let mut answer = Answer::new(redirect.status, "", Flags::NONE, "direct_response");
                let location = redirect.location(route, head);
                answer.headers.push((Cow::Borrowed("location"), location.into_bytes()));
                answer
            }
            Kind::Response { status, body } => {
                let mut answer = Answer::new(*status, "", Flags::NONE, "direct_response");
                if matches!(status, 201 | 300..400) {
                    // Something was made, or is elsewhere: here, as far as is known.
                    let location = Redirect::to_itself(*status).location(route, head);
                    answer.headers.push((Cow::Borrowed("location"), location.into_bytes()));
                }
                answer.body = Cow::Owned(body.to_vec());
                answer
            }
        }
    }
}

impl Redirect {
    /// To where the request went.
    const fn to_itself(status: u16) -> Self {
        Self {
            status,
            scheme: None,
            host: None,
            port: None,
            path: PathChange::Rewrite(PathRewrite::Keep),
            strip_query: false,
        }
    }

    fn location(&self, route: &Route, head: &Head<'_>) -> String {
        let scheme = self.scheme.as_deref().unwrap_or(head.scheme);
        let host = match &self.host {
            Some(host) => host,
            None => self.old_host(scheme, head),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{host}{port}{}", self.path(route, head))
    }

    /// The host that the client used, without a port that would be wrong now.
    fn old_host<'a>(&self, scheme: &str, head: &Head<'a>) -> &'a str {
        let (host, port) = split_port(head.authority);
        let is_default_of_old = match head.scheme {
            "http" => port == Some("80"),
            "https" => port == Some("443"),
            _ => false,
        };
        let drops = self.port.is_some() || scheme != head.scheme && is_default_of_old;
        if drops { host } else { head.authority }
    }

    fn path(&self, route: &Route, head: &Head<'_>) -> String {
        let (_, query) = split_path(head.path);
        let path = match &self.path {
            // A query of its own is kept, whatever happens to the client's.
            PathChange::Whole(path) if path.contains('?') => return String::from(&**path),
            PathChange::Whole(path) => [path, query].concat(),
            PathChange::Rewrite(rewrite) => rewrite
                .apply(head.path, &route.matcher.path)
                .unwrap_or_else(|| head.path.to_owned()),
        };
        if self.strip_query { split_path(&path).0.to_owned() } else { path }
    }
}
