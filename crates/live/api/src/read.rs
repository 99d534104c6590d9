//! Reading: one object, or a list.

use http::Response;
use jiff::Timestamp;
use objects::scale::SCALE;
use objects::{Cause, Form, IncludeObject, Reason, Selectors, Status, Target, document};

use crate::answer::{self, Body};
use crate::negotiate::{Shape, Wanted};
use crate::query::Query;
use crate::service::{Call, Service};

/// One object, or a subresource of it.
pub(crate) async fn get(
    service: &Service,
    target: &Target,
    call: &Call,
) -> Result<Response<Body>, Status> {
    let form = form(&call.wanted, &call.query)?;
    let (found, revision) =
        service.keeper.read(|store| (store.read(target), store.revision())).await;
    not_from_the_future(&call.query, revision)?;
    let (resource, version) = match target.subresource.as_deref() {
        Some("scale") => (&SCALE, SCALE.storage_version()),
        _ => (target.resource, target.version),
    };
    let shown = document::one(resource, version, form, &found?, Timestamp::now());
    Ok(answer::document(200, &*shown, &call.wanted))
}

/// A list.
pub(crate) async fn list(
    service: &Service,
    target: &Target,
    call: &Call,
) -> Result<Response<Body>, Status> {
    let query = &call.query;
    let form = form(&call.wanted, query)?;
    let selectors = selectors(target, query)?;
    let namespace = namespace(target);
    let (found, revision) =
        service.keeper.read(|store| store.list(target.resource, namespace, &selectors)).await;
    not_from_the_future(query, revision)?;
    check_match(query, revision)?;
    let shown =
        document::list(target.resource, target.version, form, &found, revision, Timestamp::now());
    Ok(answer::document(200, &shown, &call.wanted))
}

/// The form that the client asks for.
pub(crate) fn form(wanted: &Wanted, query: &Query) -> Result<Form, Status> {
    Ok(match wanted.shape {
        Shape::Whole => Form::Object,
        Shape::Metadata => Form::Metadata,
        Shape::Table => {
            let word = query.text("includeObject").unwrap_or_default();
            Form::Table(IncludeObject::parse(word).ok_or_else(|| {
                Status::bad_request(format!("unrecognized includeObject value: {word:?}"))
            })?)
        }
    })
}

/// The selectors of a list, a watch or a deletion.
pub(crate) fn selectors(target: &Target, query: &Query) -> Result<Selectors, Status> {
    Selectors::parse(
        target.resource,
        query.text("labelSelector").unwrap_or_default(),
        query.text("fieldSelector").unwrap_or_default(),
    )
}

/// The namespace of a collection; nothing means all.
pub(crate) fn namespace(target: &Target) -> Option<&str> {
    Some(target.namespace.as_str()).filter(|namespace| !namespace.is_empty())
}

/// The `resourceVersion` of the query as a number; nothing when it is absent.
pub(crate) fn revision(query: &Query) -> Result<Option<u64>, Status> {
    query
        .text("resourceVersion")
        .map(|text| {
            text.parse().map_err(|_| {
                Status::invalid_request(vec![Cause::invalid(
                    "resourceVersion",
                    &text.into(),
                    "must be a whole number that this server gave",
                )])
            })
        })
        .transpose()
}

/// A client that has seen more than we know must not be told less.
fn not_from_the_future(query: &Query, current: u64) -> Result<(), Status> {
    match revision(query)? {
        Some(asked) if asked > current => {
            let mut status = Status::new(
                504,
                Reason::Timeout,
                format!("Too large resource version: {asked}, current: {current}"),
            );
            status.details = Some(Box::new(objects::Details {
                retry_after_seconds: 1,
                ..objects::Details::default()
            }));
            Err(status)
        }
        _ => Ok(()),
    }
}

/// Only the present is kept: an exact revision can be served only if it is the last one.
fn check_match(query: &Query, current: u64) -> Result<(), Status> {
    let asked = revision(query)?;
    if query.text("continue").is_some() {
        return Err(Status::expired(asked.unwrap_or_default(), current));
    }
    let refused = |cause| Err(Status::invalid_request(vec![cause]));
    match (query.text("resourceVersionMatch"), asked) {
        (None | Some("NotOlderThan"), Some(_)) | (None, None) => Ok(()),
        (Some("Exact"), Some(asked)) if asked == current => Ok(()),
        (Some("Exact"), Some(0)) => refused(Cause::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"",
        )),
        (Some("Exact"), Some(asked)) => Err(Status::expired(asked, current)),
        (Some("Exact" | "NotOlderThan"), None) => refused(Cause::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        )),
        (Some(other), _) => refused(Cause::not_supported(
            "resourceVersionMatch",
            &other.into(),
            &["Exact", "NotOlderThan"],
        )),
    }
}
