//! Bodies that typed clients send as protobuf, read into the JSON that everything else uses.
//!
//! kubectl from 1.32 on writes built-in kinds so, and does not fall back. A body is `k8s\0`, then
//! an envelope that names the kind, then the kind's own message.
//!
//! Go writes every field that is no pointer, set or not; what its JSON would leave out as empty
//! is left out here too, or `--replicas=0` and silence would look the same.

use std::collections::BTreeMap;

use base64::Engine;
use k8s_pb::api::{
    admissionregistration, apps, authentication, authorization, autoscaling, batch, coordination,
    core, discovery, networking, policy, rbac, scheduling,
};
use k8s_pb::apimachinery::pkg::api::resource::Quantity;
use k8s_pb::apimachinery::pkg::apis::meta;
use k8s_pb::apimachinery::pkg::runtime::{RawExtension, Unknown};
use k8s_pb::apimachinery::pkg::util::intstr::IntOrString;
use prost::Message;
use serde_json::{Map, Value, json};

mod cluster;
mod pods;
mod workloads;

/// What every such body begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// One value of a message as JSON.
trait ToJson {
    /// The value; `None` where it says nothing, not even that it is empty.
    fn to_json(&self) -> Option<Value>;

    /// Whether it is what Go's JSON leaves out where a field may be left out.
    fn is_empty(&self) -> bool;
}

/// Declares the fields of messages, in groups: `[left out if empty] ?[pointers: kept if there]
/// ![always written] +[written among the outer fields] -[not read]`. A field's JSON name is its
/// own in camel case, unless it is given.
macro_rules! messages {
    ($($path:path {
        $([ $($omit:ident $(= $omit_name:literal)?)* ])?
        $(? [ $($keep:ident $(= $keep_name:literal)?)* ])?
        $(! [ $($always:ident $(= $always_name:literal)?)* ])?
        $(+ [ $($inline:ident)* ])?
        $(- [ $($skip:ident)* ])?
    })*) => {$(
        impl super::ToJson for $path {
            fn to_json(&self) -> Option<serde_json::Value> {
                let mut map = serde_json::Map::new();
                let Self {
                    $($($omit,)*)? $($($keep,)*)? $($($always,)*)? $($($inline,)*)?
                    $($($skip: _,)*)?
                } = self;
                $($(if !super::ToJson::is_empty($omit) {
                    super::put(&mut map, stringify!($omit), [$($omit_name)?], $omit);
                })*)?
                $($(super::put(&mut map, stringify!($keep), [$($keep_name)?], $keep);)*)?
                $($(super::put(&mut map, stringify!($always), [$($always_name)?], $always);)*)?
                $($(super::spread(&mut map, $inline);)*)?
                Some(serde_json::Value::Object(map))
            }

            fn is_empty(&self) -> bool {
                false
            }
        }
    )*};
}
use messages;

/// Writes a field under its JSON name: the given one, or its own in camel case.
fn put<const N: usize>(
    map: &mut Map<String, Value>,
    field: &str,
    name: [&str; N],
    value: &impl ToJson,
) {
    if let Some(value) = value.to_json() {
        map.insert(name.first().map_or_else(|| camel(field), |name| (*name).to_owned()), value);
    }
}

/// Writes the fields of an embedded message among those of the outer one.
fn spread(map: &mut Map<String, Value>, inner: &impl ToJson) {
    if let Some(Value::Object(inner)) = inner.to_json() {
        map.extend(inner);
    }
}

fn camel(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    let mut upper = false;
    for letter in field.strip_prefix("r#").unwrap_or(field).chars() {
        if letter == '_' {
            upper = true;
        } else if upper {
            name.push(letter.to_ascii_uppercase());
            upper = false;
        } else {
            name.push(letter);
        }
    }
    name
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self) -> Option<Value> {
        self.as_ref().and_then(ToJson::to_json)
    }

    fn is_empty(&self) -> bool {
        self.as_ref().is_none_or(ToJson::is_empty)
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.iter().filter_map(ToJson::to_json).collect())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl ToJson for Vec<u8> {
    fn to_json(&self) -> Option<Value> {
        Some(base64::engine::general_purpose::STANDARD.encode(self).into())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<T: ToJson> ToJson for BTreeMap<String, T> {
    fn to_json(&self) -> Option<Value> {
        let entries = self.iter().filter_map(|(key, value)| Some((key.clone(), value.to_json()?)));
        Some(Value::Object(entries.collect()))
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// Plain values, and what each of them is when it is empty.
macro_rules! plain {
    ($($type:ty, $empty:expr;)*) => {$(
        impl ToJson for $type {
            fn to_json(&self) -> Option<Value> {
                Some(Value::from(self.clone()))
            }

            fn is_empty(&self) -> bool {
                *self == $empty
            }
        }
    )*};
}

plain! { String, ""; bool, false; i32, 0; i64, 0; }

impl ToJson for Quantity {
    fn to_json(&self) -> Option<Value> {
        self.string.as_deref().filter(|text| !text.is_empty()).map(Value::from)
    }

    fn is_empty(&self) -> bool {
        self.to_json().is_none()
    }
}

impl ToJson for IntOrString {
    fn to_json(&self) -> Option<Value> {
        const TEXT: i64 = 1;
        Some(match self.r#type {
            Some(TEXT) => self.str_val.as_deref().unwrap_or_default().into(),
            _ => self.int_val.unwrap_or_default().into(),
        })
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// An RFC 3339 stamp with so many digits of a second; none for the time that is not set.
fn stamp(seconds: Option<i64>, nanos: Option<i32>, digits: u8) -> Option<Value> {
    let time = jiff::Timestamp::new(seconds?, nanos.unwrap_or_default()).ok()?;
    let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(digits));
    Some(printer.timestamp_to_string(&time).into())
}

impl ToJson for meta::v1::Time {
    fn to_json(&self) -> Option<Value> {
        stamp(self.seconds, None, 0)
    }

    fn is_empty(&self) -> bool {
        self.seconds.is_none()
    }
}

impl ToJson for meta::v1::MicroTime {
    fn to_json(&self) -> Option<Value> {
        stamp(self.seconds, self.nanos, 6)
    }

    fn is_empty(&self) -> bool {
        self.seconds.is_none()
    }
}

impl ToJson for RawExtension {
    fn to_json(&self) -> Option<Value> {
        serde_json::from_slice(self.raw.as_deref()?).ok()
    }

    fn is_empty(&self) -> bool {
        self.raw.is_none()
    }
}

impl ToJson for meta::v1::FieldsV1 {
    fn to_json(&self) -> Option<Value> {
        serde_json::from_slice(self.raw.as_deref()?).ok()
    }

    fn is_empty(&self) -> bool {
        self.raw.is_none()
    }
}

impl ToJson for authentication::v1::ExtraValue {
    fn to_json(&self) -> Option<Value> {
        self.items.to_json()
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl ToJson for authorization::v1::ExtraValue {
    fn to_json(&self) -> Option<Value> {
        self.items.to_json()
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

type Read = fn(&[u8]) -> Result<Value, String>;

fn read<M: Message + Default + ToJson>(raw: &[u8]) -> Result<Value, String> {
    let message = M::decode(raw).map_err(|why| format!("the protobuf body is broken: {why}"))?;
    Ok(message.to_json().unwrap_or_default())
}

/// How to read the message of a kind. Kinds of more than one version are listed once each.
fn reader(group: &str, version: &str, kind: &str) -> Option<Read> {
    let read: Read = match (group, version, kind) {
        ("", "v1", "Namespace") => read::<core::v1::Namespace>,
        ("", "v1", "ConfigMap") => read::<core::v1::ConfigMap>,
        ("", "v1", "Secret") => read::<core::v1::Secret>,
        ("", "v1", "ServiceAccount") => read::<core::v1::ServiceAccount>,
        ("", "v1", "Service") => read::<core::v1::Service>,
        ("", "v1", "Event") => read::<core::v1::Event>,
        ("", "v1", "Pod") => read::<core::v1::Pod>,
        ("", "v1", "Node") => read::<core::v1::Node>,
        ("", "v1", "Endpoints") => read::<core::v1::Endpoints>,
        ("", "v1", "PersistentVolumeClaim") => read::<core::v1::PersistentVolumeClaim>,
        ("", "v1", "ResourceQuota") => read::<core::v1::ResourceQuota>,
        ("", "v1", "LimitRange") => read::<core::v1::LimitRange>,
        ("", "v1", "Binding") => read::<core::v1::Binding>,
        ("apps", "v1", "Deployment") => read::<apps::v1::Deployment>,
        ("apps", "v1", "ReplicaSet") => read::<apps::v1::ReplicaSet>,
        ("apps", "v1", "DaemonSet") => read::<apps::v1::DaemonSet>,
        ("apps", "v1", "StatefulSet") => read::<apps::v1::StatefulSet>,
        ("apps", "v1", "ControllerRevision") => read::<apps::v1::ControllerRevision>,
        ("batch", "v1", "Job") => read::<batch::v1::Job>,
        ("batch", "v1", "CronJob") => read::<batch::v1::CronJob>,
        ("autoscaling", "v1", "Scale") => read::<autoscaling::v1::Scale>,
        ("autoscaling", version, "HorizontalPodAutoscaler") => match version {
            "v1" => read::<autoscaling::v1::HorizontalPodAutoscaler>,
            "v2" => read::<autoscaling::v2::HorizontalPodAutoscaler>,
            _ => return None,
        },
        ("rbac.authorization.k8s.io", "v1", kind) => match kind {
            "Role" => read::<rbac::v1::Role>,
            "RoleBinding" => read::<rbac::v1::RoleBinding>,
            "ClusterRole" => read::<rbac::v1::ClusterRole>,
            "ClusterRoleBinding" => read::<rbac::v1::ClusterRoleBinding>,
            _ => return None,
        },
        ("networking.k8s.io", "v1", "Ingress") => read::<networking::v1::Ingress>,
        ("networking.k8s.io", "v1", "NetworkPolicy") => read::<networking::v1::NetworkPolicy>,
        ("policy", "v1", "PodDisruptionBudget") => read::<policy::v1::PodDisruptionBudget>,
        ("policy", "v1", "Eviction") => read::<policy::v1::Eviction>,
        ("coordination.k8s.io", "v1", "Lease") => read::<coordination::v1::Lease>,
        ("discovery.k8s.io", "v1", "EndpointSlice") => read::<discovery::v1::EndpointSlice>,
        ("scheduling.k8s.io", "v1", "PriorityClass") => read::<scheduling::v1::PriorityClass>,
        ("authentication.k8s.io", "v1", "TokenRequest") => read::<authentication::v1::TokenRequest>,
        ("authentication.k8s.io", "v1", "TokenReview") => read::<authentication::v1::TokenReview>,
        ("authorization.k8s.io", "v1", kind) => match kind {
            "SelfSubjectAccessReview" => read::<authorization::v1::SelfSubjectAccessReview>,
            "SelfSubjectRulesReview" => read::<authorization::v1::SelfSubjectRulesReview>,
            "SubjectAccessReview" => read::<authorization::v1::SubjectAccessReview>,
            "LocalSubjectAccessReview" => read::<authorization::v1::LocalSubjectAccessReview>,
            _ => return None,
        },
        ("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration") => {
            read::<admissionregistration::v1::MutatingWebhookConfiguration>
        }
        ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration") => {
            read::<admissionregistration::v1::ValidatingWebhookConfiguration>
        }
        // The same options are sent under the version of what is deleted.
        (_, _, "DeleteOptions") => read::<meta::v1::DeleteOptions>,
        _ => return None,
    };
    Some(read)
}

/// The JSON of a body in Kubernetes' protobuf form, with `apiVersion` and `kind` in front.
///
/// # Errors
/// The body is not of that form, is broken, or is of a kind whose message is not known here; the
/// text says which, and that JSON is understood.
///
/// Spec: `runtime/serializer/protobuf` of apimachinery.
pub fn to_json(bytes: &[u8]) -> Result<Value, String> {
    let envelope = bytes
        .strip_prefix(MAGIC)
        .ok_or("the body is no Kubernetes protobuf: it does not begin with \"k8s\\0\"")?;
    let envelope = Unknown::decode(envelope)
        .map_err(|why| format!("the envelope of the protobuf body is broken: {why}"))?;
    let type_meta = envelope.type_meta.unwrap_or_default();
    let api_version = type_meta.api_version.unwrap_or_default();
    let kind = type_meta.kind.unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let read = reader(group, version, &kind).ok_or_else(|| {
        format!("protobuf bodies of {kind:?} in {api_version:?} are not understood; send JSON")
    })?;
    let mut object = json!({"apiVersion": api_version, "kind": kind});
    if let (Value::Object(object), Value::Object(fields)) =
        (&mut object, read(&envelope.raw.unwrap_or_default())?)
    {
        object.extend(fields);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(api_version: &str, kind: &str, message: &impl Message) -> Vec<u8> {
        let envelope = Unknown {
            type_meta: Some(k8s_pb::apimachinery::pkg::runtime::TypeMeta {
                api_version: Some(api_version.to_owned()),
                kind: Some(kind.to_owned()),
            }),
            raw: Some(message.encode_to_vec()),
            content_encoding: Some(String::new()),
            content_type: Some(String::new()),
        };
        [MAGIC.as_slice(), &envelope.encode_to_vec()].concat()
    }

    fn named(name: &str) -> Option<meta::v1::ObjectMeta> {
        Some(meta::v1::ObjectMeta {
            name: Some(name.to_owned()),
            // As Go writes it: everything that is no pointer, empty or not.
            generate_name: Some(String::new()),
            namespace: Some(String::new()),
            uid: Some(String::new()),
            generation: Some(0),
            creation_timestamp: Some(meta::v1::Time { seconds: None, nanos: None }),
            ..Default::default()
        })
    }

    #[test]
    fn what_go_leaves_out_of_json_is_left_out() {
        let map = core::v1::ConfigMap {
            metadata: named("c"),
            data: [("a".to_owned(), "1".to_owned())].into(),
            ..Default::default()
        };
        assert_eq!(
            to_json(&body("v1", "ConfigMap", &map)),
            Ok(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"},
                "data": {"a": "1"}}))
        );
    }

    #[test]
    fn a_zero_that_was_meant_is_kept() {
        let spec = apps::v1::DeploymentSpec {
            replicas: Some(0),
            min_ready_seconds: Some(0),
            strategy: Some(apps::v1::DeploymentStrategy {
                r#type: Some(String::new()),
                rolling_update: Some(apps::v1::RollingUpdateDeployment {
                    max_surge: Some(IntOrString {
                        r#type: Some(1),
                        int_val: Some(0),
                        str_val: Some("25%".to_owned()),
                    }),
                    max_unavailable: Some(IntOrString {
                        r#type: Some(0),
                        int_val: Some(0),
                        str_val: Some(String::new()),
                    }),
                }),
            }),
            template: Some(core::v1::PodTemplateSpec {
                metadata: Some(meta::v1::ObjectMeta::default()),
                spec: Some(core::v1::PodSpec {
                    termination_grace_period_seconds: Some(0),
                    host_network: Some(false),
                    volumes: vec![core::v1::Volume {
                        name: Some("tmp".to_owned()),
                        volume_source: Some(core::v1::VolumeSource {
                            empty_dir: Some(core::v1::EmptyDirVolumeSource {
                                medium: Some(String::new()),
                                size_limit: Some(Quantity { string: Some("1Gi".to_owned()) }),
                            }),
                            ..Default::default()
                        }),
                    }],
                    ..Default::default()
                }),
            }),
            ..Default::default()
        };
        let deployment =
            apps::v1::Deployment { metadata: named("d"), spec: Some(spec), status: None };
        let object = to_json(&body("apps/v1", "Deployment", &deployment)).unwrap();
        assert_eq!(
            object["spec"],
            json!({
                "template": {"metadata": {}, "spec": {
                    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
                    "terminationGracePeriodSeconds": 0,
                    "containers": [],
                }},
                "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
                "replicas": 0,
            })
        );
    }

    #[test]
    fn bytes_times_and_names_with_capitals_are_written_as_json_writes_them() {
        let secret = core::v1::Secret {
            metadata: named("s"),
            data: [("a".to_owned(), b"x".to_vec())].into(),
            r#type: Some("Opaque".to_owned()),
            ..Default::default()
        };
        let object = to_json(&body("v1", "Secret", &secret)).unwrap();
        assert_eq!((&object["data"], &object["type"]), (&json!({"a": "eA=="}), &json!("Opaque")));
        let service = core::v1::Service {
            metadata: named("s"),
            spec: Some(core::v1::ServiceSpec {
                cluster_ip: Some("None".to_owned()),
                ..Default::default()
            }),
            status: None,
        };
        let object = to_json(&body("v1", "Service", &service)).unwrap();
        assert_eq!(object["spec"]["clusterIP"], "None");
        let lease = coordination::v1::Lease {
            metadata: named("l"),
            spec: Some(coordination::v1::LeaseSpec {
                renew_time: Some(meta::v1::MicroTime {
                    seconds: Some(1_700_000_000),
                    nanos: Some(5_000),
                }),
                ..Default::default()
            }),
        };
        let object = to_json(&body("coordination.k8s.io/v1", "Lease", &lease)).unwrap();
        assert_eq!(object["spec"]["renewTime"], "2023-11-14T22:13:20.000005Z");
    }

    #[test]
    fn options_of_a_deletion_keep_a_grace_of_zero() {
        let options = meta::v1::DeleteOptions {
            grace_period_seconds: Some(0),
            propagation_policy: Some("Background".to_owned()),
            ..Default::default()
        };
        let object = to_json(&body("apps/v1", "DeleteOptions", &options)).unwrap();
        assert_eq!(object["gracePeriodSeconds"], 0);
        assert_eq!(object["propagationPolicy"], "Background");
    }

    #[test]
    fn what_is_no_such_body_says_so() {
        assert!(to_json(b"{}").unwrap_err().contains("k8s"));
        assert!(to_json(b"k8s\0\xff").unwrap_err().contains("broken"));
        let unknown = body("example.org/v1", "Thing", &meta::v1::ObjectMeta::default());
        assert!(to_json(&unknown).unwrap_err().contains("send JSON"));
    }
}
