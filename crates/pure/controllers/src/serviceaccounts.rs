//! What every namespace has from its beginning: an account for its pods, and the certificate by
//! which they trust the API server.

use kinds::core::ObjectMeta;
use serde_json::json;

use crate::seen::{Seen, name};
use crate::{Plan, Target, Write};

/// The ConfigMap with the root certificate.
pub const ROOT_CERTIFICATE: &str = "kube-root-ca.crt";

/// Makes both in each namespace that stays, and puts the certificate right where it differs.
#[must_use]
pub fn step(seen: &Seen, root_certificate: &str) -> Plan {
    let mut plan = Plan::default();
    for namespace in seen.namespaces.values() {
        let meta = &namespace.metadata;
        let here = name(meta);
        if meta.deletion_timestamp.is_some() || here.is_empty() {
            continue;
        }
        let stub = |kind: &str, name: &str| {
            let key = ("v1".to_owned(), kind.to_owned(), (here.to_owned(), name.to_owned()));
            seen.stubs.get(&key)
        };
        if stub("ServiceAccount", "default").is_none() {
            let account = json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": here},
            });
            plan.writes.push(Write::create(account, for_namespace(meta, "ServiceAccount")));
        }
        let data = json!({"ca.crt": root_certificate});
        let owner = for_namespace(meta, "ConfigMap");
        match stub("ConfigMap", ROOT_CERTIFICATE) {
            None => {
                let map = json!({
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": ROOT_CERTIFICATE, "namespace": here, "annotations": {
                        "kubernetes.io/description": "Certificates by which pods of this namespace \
                            trust the API server; kept right by the control plane.",
                    }},
                    "data": data,
                });
                plan.writes.push(Write::create(map, owner));
            }
            Some(stub)
                if seen.root_certificates.get(here).map(String::as_str)
                    != Some(root_certificate) =>
            {
                let patch = json!({"data": data});
                plan.writes.push(Write::patch(stub.target(), patch, None).by(owner));
            }
            Some(_) => {}
        }
    }
    plan
}

/// Both writes of a namespace go their own way, so each has an owner of its own.
fn for_namespace(meta: &ObjectMeta, what: &str) -> Target {
    let mut owner = Target::of("v1", "Namespace", meta);
    owner.uid = format!("{}/{what}", owner.uid);
    owner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

    #[test]
    fn a_namespace_gets_an_account_and_the_certificate_and_both_only_once() {
        let mut stage = Stage::new();
        let plan = step(&stage.seen, "PEM");
        assert_eq!(plan.writes.len(), 2);
        stage.carry_out(plan);
        stage.seen.root_certificates.insert("default".to_owned(), "PEM".to_owned());
        assert!(step(&stage.seen, "PEM").writes.is_empty());
        assert_eq!(step(&stage.seen, "OTHER").writes.len(), 1);
    }
}
