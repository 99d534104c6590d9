//! The answer of an API server that refuses: Kubernetes' `Status` object.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::cause::{Cause, CauseReason};
use crate::resource::Resource;

/// Why a request is refused, for machines.
///
/// Spec: `metav1.StatusReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No reason fits; the code says it all.
    Unknown,
    /// 401: who asks is not known.
    Unauthorized,
    /// 403: who asks may not do this, or nobody may now.
    Forbidden,
    /// 404: no such object or resource.
    NotFound,
    /// 409: there is one with that name.
    AlreadyExists,
    /// 409: the object changed meanwhile, or a precondition fails.
    Conflict,
    /// 410: the thing is gone for good.
    Gone,
    /// 410: that old a revision is no longer remembered.
    Expired,
    /// 422: the object breaks a rule; see the causes.
    Invalid,
    /// 500: a part of the server did not answer in time; try again.
    ServerTimeout,
    /// 504: the request took too long.
    Timeout,
    /// 429: come back later.
    TooManyRequests,
    /// 400: the request makes no sense.
    BadRequest,
    /// 405: that verb does not exist here.
    MethodNotAllowed,
    /// 406: none of the accepted forms can be produced.
    NotAcceptable,
    /// 413: the body is too large.
    RequestEntityTooLarge,
    /// 415: the form of the body is not understood.
    UnsupportedMediaType,
    /// 500: the server is at fault.
    InternalError,
    /// 503: the server cannot serve now.
    ServiceUnavailable,
}

impl Reason {
    /// The word on the wire; empty for [`Reason::Unknown`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Expired => "Expired",
            Self::Invalid => "Invalid",
            Self::ServerTimeout => "ServerTimeout",
            Self::Timeout => "Timeout",
            Self::TooManyRequests => "TooManyRequests",
            Self::BadRequest => "BadRequest",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::InternalError => "InternalError",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }
}

/// What a Status is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Name of the object; may be empty.
    pub name: String,
    /// API group; empty for the core group.
    pub group: String,
    /// The plural (most reasons) or the kind (`Invalid`), as Kubernetes fills it.
    pub kind: String,
    /// Uid of the object; may be empty.
    pub uid: String,
    /// What is wrong, field by field.
    pub causes: Vec<Cause>,
    /// After how many seconds the client should try again; 0 says nothing.
    pub retry_after_seconds: u32,
}

impl Details {
    fn of(resource: &Resource, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            group: resource.group.to_owned(),
            kind: resource.plural.to_owned(),
            ..Self::default()
        }
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (field, text) in
            [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)]
        {
            if !text.is_empty() {
                map.insert(field.to_owned(), text.as_str().into());
            }
        }
        if !self.causes.is_empty() {
            map.insert("causes".into(), self.causes.iter().map(Cause::to_value).collect());
        }
        if self.retry_after_seconds != 0 {
            map.insert("retryAfterSeconds".into(), self.retry_after_seconds.into());
        }
        Value::Object(map)
    }
}

/// A refusal, as Kubernetes words it. Successes are documents of [`crate::document`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The HTTP code.
    pub code: u16,
    /// The reason for machines.
    pub reason: Reason,
    /// The sentence for people.
    pub message: String,
    /// What it is about.
    pub details: Option<Box<Details>>,
}

impl Status {
    /// A refusal without details.
    #[must_use]
    pub fn new(code: u16, reason: Reason, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    fn about(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// 404: no such object.
    #[must_use]
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.id());
        Self::new(404, Reason::NotFound, message).about(Details::of(resource, name))
    }

    /// 404: no object under the id of a resource (`deployments.apps`), when only the id is known.
    #[must_use]
    pub fn not_found_id(id: &str, name: &str) -> Self {
        let (plural, group) = id.split_once('.').unwrap_or((id, ""));
        let details = Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: plural.to_owned(),
            ..Details::default()
        };
        Self::new(404, Reason::NotFound, format!("{id} {name:?} not found")).about(details)
    }

    /// 404: no such path on this server.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(404, Reason::NotFound, "the server could not find the requested resource")
            .about(Details::default())
    }

    /// 409: there is one with that name.
    #[must_use]
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.id());
        Self::new(409, Reason::AlreadyExists, message).about(Details::of(resource, name))
    }

    /// 409: the object changed meanwhile, or a precondition fails; `why` says which.
    #[must_use]
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.id());
        Self::new(409, Reason::Conflict, message).about(Details::of(resource, name))
    }

    /// 409: the object changed since it was read.
    #[must_use]
    pub fn modified(resource: &Resource, name: &str) -> Self {
        const WHY: &str = "the object has been modified; please apply your changes to the latest \
                           version and try again";
        Self::conflict(resource, name, WHY)
    }

    /// 403: refused for a reason that another identity or time may change.
    #[must_use]
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = match name {
            "" => format!("{} is forbidden: {why}", resource.id()),
            name => format!("{} {name:?} is forbidden: {why}", resource.id()),
        };
        Self::new(403, Reason::Forbidden, message).about(Details::of(resource, name))
    }

    /// 403: nothing new may begin in a namespace that is being deleted.
    #[must_use]
    pub fn terminating(resource: &Resource, name: &str, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut status = Self::forbidden(resource, name, &why);
        if let Some(details) = &mut status.details {
            details.causes.push(Cause {
                reason: CauseReason::NamespaceTerminating,
                message: format!("namespace {namespace} is being terminated"),
                field: "metadata.namespace".to_owned(),
            });
        }
        status
    }

    /// 422: the object breaks rules; kubectl prints the causes one by one.
    #[must_use]
    pub fn invalid(resource: &Resource, name: &str, causes: Vec<Cause>) -> Self {
        let kind = match resource.group {
            "" => resource.kind.to_owned(),
            group => format!("{}.{group}", resource.kind),
        };
        let message = format!("{kind} {name:?} is invalid: {}", joined(&causes));
        let details = Details {
            name: name.to_owned(),
            group: resource.group.to_owned(),
            kind: resource.kind.to_owned(),
            causes,
            ..Details::default()
        };
        Self::new(422, Reason::Invalid, message).about(details)
    }

    /// 422: the request itself, not an object, breaks rules (a patch with unknown fields).
    #[must_use]
    pub fn invalid_request(causes: Vec<Cause>) -> Self {
        let message = format!(" \"\" is invalid: {}", joined(&causes));
        Self::new(422, Reason::Invalid, message).about(Details { causes, ..Details::default() })
    }

    /// 422: a JSON patch does not fit the object.
    #[must_use]
    pub fn patch_does_not_apply(why: &str) -> Self {
        // Without causes: kubectl would print those in place of the message.
        let message =
            format!("the server rejected our request due to an error in our request: {why}");
        Self::new(422, Reason::Invalid, message)
    }

    /// 400: the request makes no sense.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, Reason::BadRequest, message)
    }

    /// 401: who asks is not known.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, Reason::Unauthorized, "Unauthorized")
    }

    /// 405: the verb does not exist for this resource.
    #[must_use]
    pub fn method_not_allowed(resource: &Resource, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{}\"", resource.id());
        Self::new(405, Reason::MethodNotAllowed, message).about(Details::of(resource, ""))
    }

    /// 406: none of the accepted forms can be produced.
    #[must_use]
    pub fn not_acceptable(offered: &[&str]) -> Self {
        let message =
            format!("only the following media types are accepted: {}", offered.join(", "));
        Self::new(406, Reason::NotAcceptable, message)
    }

    /// 415: the form of the body is not understood; `supported` are the media types that are.
    #[must_use]
    pub fn unsupported_media_type(supported: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            supported.join(", ")
        );
        Self::new(415, Reason::UnsupportedMediaType, message)
    }

    /// 413: the body is larger than `limit_bytes`.
    #[must_use]
    pub fn too_large(limit_bytes: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit_bytes}");
        Self::new(413, Reason::RequestEntityTooLarge, message)
    }

    /// 410: that old a revision is no longer remembered; the client must list again.
    #[must_use]
    pub fn expired(asked: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {asked} ({oldest})");
        Self::new(410, Reason::Expired, message)
    }

    /// 500: the server is at fault.
    #[must_use]
    pub fn internal(why: &str) -> Self {
        let cause = Cause {
            reason: CauseReason::UnexpectedServerResponse,
            message: why.to_owned(),
            field: String::new(),
        };
        Self::new(500, Reason::InternalError, format!("Internal error occurred: {why}"))
            .about(Details { causes: vec![cause], ..Details::default() })
    }

    /// 503: the server cannot serve now.
    #[must_use]
    pub fn unavailable(why: &str) -> Self {
        Self::new(503, Reason::ServiceUnavailable, why)
    }

    /// The causes, empty where there are none.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        self.details.as_deref().map_or(&[], |details| &details.causes)
    }

    /// The JSON document that a client gets.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        });
        if self.reason != Reason::Unknown {
            value["reason"] = self.reason.as_str().into();
        }
        if let Some(details) = &self.details {
            value["details"] = details.to_value();
        }
        value["code"] = self.code.into();
        value
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

/// One cause as it is, several in brackets: how Kubernetes joins them.
fn joined(causes: &[Cause]) -> String {
    let each: Vec<String> =
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    match each.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
