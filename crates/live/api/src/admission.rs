//! What this server itself adds to objects before they are stored.

use kinds::service::Used;
use objects::{Draft, Selectors, Status, Store, Value, meta};
use serde_json::json;

/// Fills in what a new pod leaves open and Kubernetes decides at admission.
pub(crate) fn complete(draft: &mut Draft) {
    let target = &draft.op.target;
    if target.resource.id() != "pods" || target.subresource.is_some() || draft.old.is_some() {
        return;
    }
    let Some(object) = &mut draft.object else { return };
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    // `serviceAccount` is the old name of the field; both are always equal.
    let name = text(spec.get("serviceAccountName"))
        .or_else(|| text(spec.get("serviceAccount")))
        .unwrap_or_else(|| "default".to_owned());
    spec.insert("serviceAccountName".to_owned(), json!(name));
    spec.insert("serviceAccount".to_owned(), json!(name));
}

/// Gives a Service its cluster address and node ports. Only the thread that writes calls this:
/// two Services must not get the same ones.
pub(crate) fn allocate(store: &Store, draft: &mut Draft) -> Result<(), Status> {
    let target = &draft.op.target;
    if target.resource.id() != "services" || target.subresource.is_some() {
        return Ok(());
    }
    let Some(service) = &mut draft.object else { return Ok(()) };
    let (all, _) = store.list(target.resource, None, &Selectors::default());
    let identity =
        |object: &Value| (meta::namespace(object).to_owned(), meta::name(object).to_owned());
    let own = identity(service);
    let others = all.iter().map(|other| &**other).filter(|other| identity(other) != own);
    let used = Used::by(others);
    kinds::service::assign(service, draft.old.as_deref(), &used)
        .map_err(|causes| Status::invalid(target.resource, &own.1, causes))
}
