//! How objects end: grace, finalizers, propagation, preconditions.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cause::Cause;
use crate::meta;
use crate::op::{DeleteOptions, Preconditions, Propagation};
use crate::resource::Resource;
use crate::status::{Details, Reason, Status};
use crate::store::is_namespaces;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Namespaces that everything relies on.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// What a deletion does to an object.
#[derive(Debug, PartialEq)]
pub(super) enum Ending {
    /// It is already ending as asked.
    Stay,
    /// It is told to end.
    Mark(Value),
    /// It is gone.
    Remove,
}

/// Refuses a deletion whose preconditions fail, or that may never be.
pub(super) fn check(
    resource: &Resource,
    current: &Value,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let name = meta::name(current);
    if is_namespaces(resource) && IMMORTAL.contains(&name) {
        return Err(Status::forbidden(resource, name, "this namespace may not be deleted"));
    }
    let Preconditions { uid, resource_version } = &options.preconditions;
    let record = meta::uid(current);
    if let Some(uid) = uid.as_deref().filter(|uid| *uid != record) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({record}). The \
             object might have been deleted and then recreated"
        );
        return Err(Status::conflict(resource, name, &why));
    }
    let record = meta::text(current, "resourceVersion");
    if let Some(version) = resource_version.as_deref().filter(|version| *version != record) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the \
             ResourceVersion in record ({record}). The object might have been modified"
        );
        return Err(Status::conflict(resource, name, &why));
    }
    Ok(())
}

/// What a deletion does to an object. `is_empty`: a namespace in which nothing is left.
pub(super) fn ending(
    resource: &Resource,
    current: &Value,
    options: &DeleteOptions,
    is_empty: bool,
    now: Timestamp,
) -> Result<Ending, Status> {
    if is_namespaces(resource) && meta::is_deleting(current) {
        return second_deletion_of_a_namespace(resource, current, is_empty);
    }
    let mut marked = current.clone();
    propagate(&mut marked, options.propagation);
    let grace = grace_seconds(resource, current, options);
    if !meta::is_deleting(current) {
        if grace == 0 && !is_held(resource, &marked) {
            return Ok(Ending::Remove);
        }
        put_deadline(&mut marked, now, grace);
        if resource.generation {
            meta::set(&mut marked, "generation", Some((meta::generation(current) + 1).into()));
        }
        if is_namespaces(resource) {
            marked["status"]["phase"] = "Terminating".into();
        }
        return Ok(Ending::Mark(marked));
    }
    // A deletion can be hurried, and never be given more time.
    let current_grace = grace_of(current);
    let grace = grace.min(current_grace);
    if grace == 0 && !is_held(resource, &marked) {
        return Ok(Ending::Remove);
    }
    if grace < current_grace {
        let begin = meta::parse_stamp(meta::text(current, "deletionTimestamp"))
            .and_then(|end| end.checked_sub(seconds(current_grace)).ok())
            .unwrap_or(now);
        put_deadline(&mut marked, begin, grace);
    }
    Ok(if marked == *current { Ending::Stay } else { Ending::Mark(marked) })
}

/// A namespace ends when its controller has finalized it; asked again once it is empty, at once.
fn second_deletion_of_a_namespace(
    resource: &Resource,
    current: &Value,
    is_empty: bool,
) -> Result<Ending, Status> {
    if is_empty && meta::finalizers(current).next().is_none() {
        return Ok(Ending::Remove);
    }
    Err(Status::conflict(
        resource,
        meta::name(current),
        "The system is ensuring all content is removed from this namespace.  Upon completion, \
         this namespace will automatically be purged by the system.",
    ))
}

/// Leaves or removes the finalizers that tell the controller what to do with owned objects.
fn propagate(object: &mut Value, propagation: Option<Propagation>) {
    let wanted = match propagation {
        None => return,
        Some(Propagation::Background) => None,
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Orphan) => Some(ORPHAN),
    };
    let mut finalizers: Vec<Value> = meta::finalizers(object)
        .filter(|finalizer| Some(*finalizer) == wanted || ![FOREGROUND, ORPHAN].contains(finalizer))
        .map(Value::from)
        .collect();
    if let Some(wanted) = wanted
        && !finalizers.iter().any(|finalizer| finalizer == wanted)
    {
        finalizers.push(wanted.into());
    }
    meta::set(object, "finalizers", (!finalizers.is_empty()).then(|| finalizers.into()));
}

/// How long the object may take to end.
fn grace_seconds(resource: &Resource, current: &Value, options: &DeleteOptions) -> u64 {
    match ((resource.grace)(current), options.grace_seconds) {
        // Nothing runs that could need the time, whatever was asked.
        (None | Some(0), _) => 0,
        (Some(_), Some(asked)) => asked,
        (Some(_), None) if meta::is_deleting(current) => grace_of(current),
        (Some(own), None) => own,
    }
}

/// How long an object that is being deleted was given.
pub(super) fn grace_of(object: &Value) -> u64 {
    meta::field(object, "deletionGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(0)
}

/// Whether somebody has still to do something before the object may go.
pub(super) fn is_held(resource: &Resource, object: &Value) -> bool {
    if meta::finalizers(object).next().is_some() {
        return true;
    }
    let finalizers = object.get("spec").and_then(|spec| spec.get("finalizers"));
    is_namespaces(resource)
        && finalizers.and_then(Value::as_array).is_some_and(|finalizers| !finalizers.is_empty())
}

fn put_deadline(object: &mut Value, begin: Timestamp, grace: u64) {
    let end = begin.checked_add(seconds(grace)).unwrap_or(Timestamp::MAX);
    meta::set(object, "deletionTimestamp", Some(meta::stamp(end).into()));
    meta::set(object, "deletionGracePeriodSeconds", Some(grace.into()));
}

fn seconds(seconds: u64) -> SignedDuration {
    /// Longer than any pod lives, and far from the limits of a timestamp.
    const CENTURY: u64 = 100 * 365 * 86_400;
    SignedDuration::from_secs(i64::try_from(seconds.min(CENTURY)).unwrap_or_default())
}

/// Reads the body of a DELETE.
pub(crate) fn parse_options(body: &Value) -> Result<DeleteOptions, Status> {
    let fields = match body {
        Value::Null => return Ok(DeleteOptions::default()),
        Value::Object(fields) => fields,
        _ => return Err(Status::bad_request("the body of a deletion must be DeleteOptions")),
    };
    let field = |name: &str| fields.get(name).filter(|value| !value.is_null());
    if let Some(kind) = field("kind").filter(|kind| *kind != "DeleteOptions") {
        return Err(Status::bad_request(format!(
            "the body of a deletion must be DeleteOptions, not {kind}"
        )));
    }
    let mut options = DeleteOptions::default();
    if let Some(seconds) = field("gracePeriodSeconds") {
        options.grace_seconds = Some(seconds.as_u64().ok_or_else(|| {
            refused(Cause::invalid("gracePeriodSeconds", seconds, "must be 0 or more"))
        })?);
    }
    if let Some(orphan) = field("orphanDependents") {
        options.propagation = Some(match orphan.as_bool() {
            Some(true) => Propagation::Orphan,
            _ => Propagation::Background,
        });
    }
    if let Some(word) = field("propagationPolicy") {
        let propagation = word.as_str().and_then(Propagation::parse).ok_or_else(|| {
            let words = ["Background", "Foreground", "Orphan"];
            refused(Cause::not_supported("propagationPolicy", word, &words))
        })?;
        options.propagation = Some(propagation);
    }
    if let Some(preconditions) = field("preconditions") {
        let text = |name: &str| {
            let text = preconditions.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        options.preconditions =
            Preconditions { uid: text("uid"), resource_version: text("resourceVersion") };
    }
    let dry_run = field("dryRun").and_then(Value::as_array);
    for word in dry_run.into_iter().flatten() {
        if word != "All" {
            return Err(refused(Cause::not_supported("dryRun", word, &["All"])));
        }
        options.dry_run = true;
    }
    Ok(options)
}

fn refused(cause: Cause) -> Status {
    let message =
        format!("DeleteOptions.meta.k8s.io \"\" is invalid: {}: {}", cause.field, cause.message);
    Status {
        details: Some(Box::new(Details {
            group: "meta.k8s.io".to_owned(),
            kind: "DeleteOptions".to_owned(),
            causes: vec![cause],
            ..Details::default()
        })),
        ..Status::new(422, Reason::Invalid, message)
    }
}
