//! Writing: create, update, patch, delete, and deletion of a collection.

use http::{Response, header};
use jiff::Timestamp;
use objects::{
    Action, Applied, Body as Sent, DeleteOptions, Draft, FieldValidation, Op, PatchKind,
    Propagation, Reason, Selectors, Status, Target, document, meta,
};

use crate::admission;
use crate::answer::{self, Body};
use crate::chance;
use crate::identity::User;
use crate::keeper::Write;
use crate::negotiate::{self, Encoding};
use crate::query::Query;
use crate::read;
use crate::service::{Call, Service, header_text};

/// How often a write is decided anew because the object changed while admission was asked.
const ATTEMPTS: usize = 8;

/// Does a write and answers it.
pub(crate) async fn change(
    service: &Service,
    verb: &'static str,
    target: &Target,
    call: Call,
) -> Result<Response<Body>, Status> {
    let Call { user, query, wanted, request } = call;
    let form = read::form(&wanted, &query)?;
    let (head, body) = request.into_parts();
    let bytes = crate::body::read(body).await?;
    let action = match verb {
        "create" => {
            needs_namespace(target)?;
            Action::Create { object: crate::body::object(&head.headers, &bytes)? }
        }
        "update" => Action::Update { object: crate::body::object(&head.headers, &bytes)? },
        "patch" => {
            let kind = patch_kind(header_text(&head.headers, &header::CONTENT_TYPE))?;
            Action::Patch { kind, patch: Sent::parse(&bytes)? }
        }
        "delete" => Action::Delete {
            options: delete_options(&query, &crate::body::optional(&head.headers, &bytes)?)?,
        },
        _ => {
            needs_namespace(target)?;
            let options = delete_options(&query, &crate::body::optional(&head.headers, &bytes)?)?;
            Action::DeleteCollection { options, selectors: read::selectors(target, &query)? }
        }
    };
    let op = Op {
        target: target.clone(),
        action,
        dry_run: dry_run(&query)?,
        validation: FieldValidation::parse(query.text("fieldValidation").unwrap_or_default())?,
    };
    let applied = write(service, &user, op).await?;
    let shown = document::one(
        target.resource,
        target.version,
        form_of(form, &applied, target),
        &applied.object,
        Timestamp::now(),
    );
    let mut response = answer::document(applied.code, &*shown, &wanted);
    answer::warn(&mut response, &applied.warnings);
    Ok(response)
}

/// Only objects of the resource have other forms; a Status or a Scale is shown as it is.
fn form_of(form: objects::Form, applied: &Applied, target: &Target) -> objects::Form {
    let kind = applied.object.get("kind").and_then(objects::Value::as_str);
    if kind == Some(target.resource.kind) { form } else { objects::Form::Object }
}

/// Does a write: asks admission webhooks if there are any for it, then stores it.
pub(crate) async fn write(service: &Service, user: &User, op: Op) -> Result<Applied, Status> {
    let concerned = {
        let store = service.keeper.ahead();
        service.webhooks.concerned(&store, &op)
    };
    if !concerned {
        return service.keeper.write(Write::Op(Box::new(op))).await;
    }
    if let Action::DeleteCollection { options, selectors } = &op.action {
        return delete_each(service, user, &op, options, selectors).await;
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut draft: Draft =
            service.keeper.ahead().prepare(op.clone(), Timestamp::now(), chance::uid())?;
        admission::complete(&mut draft);
        service.webhooks.admit(&service.keeper, user, &mut draft).await?;
        let may_retry = draft.may_retry() && attempt < ATTEMPTS;
        match service.keeper.write(Write::Draft(Box::new(draft))).await {
            Err(status) if may_retry && status.reason == Reason::Conflict => {}
            result => return result,
        }
    }
}

/// A collection whose deletions webhooks want to see: one after the other, as each is asked about.
async fn delete_each(
    service: &Service,
    user: &User,
    op: &Op,
    options: &DeleteOptions,
    selectors: &Selectors,
) -> Result<Applied, Status> {
    let namespace = read::namespace(&op.target).map(str::to_owned);
    let (found, _) = service
        .keeper
        .read(|store| store.list(op.target.resource, namespace.as_deref(), selectors))
        .await;
    let mut warnings = Vec::new();
    for object in found {
        let mut target = op.target.clone();
        meta::name(&object).clone_into(&mut target.name);
        meta::namespace(&object).clone_into(&mut target.namespace);
        let one = Op {
            target,
            action: Action::Delete { options: options.clone() },
            dry_run: op.dry_run,
            validation: op.validation,
        };
        match Box::pin(write(service, user, one)).await {
            Ok(applied) => warnings.extend(applied.warnings),
            Err(status) if status.reason == Reason::NotFound => {}
            Err(status) => return Err(status),
        }
    }
    Ok(Applied {
        object: document::success(&op.target, "").into(),
        events: Vec::new(),
        code: 200,
        warnings,
    })
}

/// Objects of a namespaced resource are made and deleted in one namespace.
fn needs_namespace(target: &Target) -> Result<(), Status> {
    if target.resource.namespaced && target.namespace.is_empty() {
        return Err(Status::new(
            405,
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource",
        ));
    }
    Ok(())
}

fn patch_kind(content_type: Option<&str>) -> Result<PatchKind, Status> {
    match negotiate::encoding(content_type) {
        Some(Encoding::JsonPatch) => Ok(PatchKind::Json),
        Some(Encoding::MergePatch) => Ok(PatchKind::Merge),
        Some(Encoding::StrategicPatch) => Ok(PatchKind::Strategic),
        _ => Err(Status::unsupported_media_type(&crate::body::PATCHES)),
    }
}

fn dry_run(query: &Query) -> Result<bool, Status> {
    match query.all("dryRun").find(|word| !word.is_empty()) {
        None => Ok(false),
        Some("All") => Ok(true),
        Some(other) => Err(Status::invalid_request(vec![objects::Cause::not_supported(
            "dryRun",
            &other.into(),
            &["All"],
        )])),
    }
}

/// The body says how to delete; what it leaves open the query may say.
fn delete_options(query: &Query, body: &objects::Value) -> Result<DeleteOptions, Status> {
    let mut options = DeleteOptions::parse(body)?;
    if options.grace_seconds.is_none() {
        options.grace_seconds = query
            .number("gracePeriodSeconds")
            .map_err(Status::bad_request)?
            .map(|seconds| u64::try_from(seconds).unwrap_or_default());
    }
    if options.propagation.is_none()
        && let Some(word) = query.text("propagationPolicy")
    {
        options.propagation = Some(Propagation::parse(word).ok_or_else(|| {
            Status::invalid_request(vec![objects::Cause::not_supported(
                "propagationPolicy",
                &word.into(),
                &["Foreground", "Background", "Orphan"],
            )])
        })?);
    }
    Ok(options)
}
