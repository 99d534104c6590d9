//! One served resource as data: all that the store needs to know of a kind.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cause::Cause;

/// One served resource. Static tables (room `kinds`) are built from [`Resource::BLANK`]:
/// `Resource { kind: "Pod", plural: "pods", ..Resource::BLANK }`.
///
/// Invariant: `versions` is not empty, and `group`, `kind`, `plural` are unique in a table.
#[derive(Clone, Copy, Debug)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Served versions; the first is the stored and preferred one.
    pub versions: &'static [&'static str],
    /// `Deployment`.
    pub kind: &'static str,
    /// `deployments`.
    pub plural: &'static str,
    /// `deployment`.
    pub singular: &'static str,
    /// `deploy`.
    pub short_names: &'static [&'static str],
    /// `all`, `istio-io`.
    pub categories: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What may be done with the collection and its objects; virtual kinds say `create` only.
    pub verbs: &'static [&'static str],
    /// `status`, `scale`, `log`, `exec`, `attach`, `portforward`, `binding`, `eviction`, `token`,
    /// `finalize`, `proxy`, ... With `status` here, status and the rest are written apart.
    pub subresources: &'static [&'static str],
    /// The columns of `kubectl get`; usually begins with [`crate::table::NAME`].
    pub columns: &'static [Column],
    /// The OpenAPI v3 schema of one object, without `$ref`. Called once per store.
    pub schema: fn() -> Value,
    /// Fills in defaults of a new or changed object. Must be idempotent.
    pub defaults: fn(&mut Value),
    /// What is wrong with one object alone, beyond its schema.
    pub check: fn(&Value) -> Vec<Cause>,
    /// What is wrong with a change from the first to the second (immutable fields).
    pub check_change: fn(&Value, &Value) -> Vec<Cause>,
    /// The value of a field that field selectors may name, beyond metadata.name and
    /// metadata.namespace. `None`: this kind does not know the field (so it must answer `Some`,
    /// of an empty text, for a known field that is not set, even for `Value::Null`).
    pub selectable: fn(&Value, &str) -> Option<String>,
    /// How strategic merge patches treat what stands at a path (`spec.template.spec.containers`,
    /// without indexes); `None` merges maps and replaces lists as a whole. The metadata that all
    /// kinds have needs no entry: ask [`Resource::patch_rule`].
    pub patch_rules: fn(&str) -> Option<PatchRule>,
    /// Whether strategic merge patches are understood. `false` marks a kind that behaves as a
    /// custom resource: 415 on such a patch, type errors are 422 and not 400.
    pub strategic: bool,
    /// Whether `metadata.generation` counts changes of the specification.
    pub generation: bool,
    /// Seconds that a deleted object stays to end in peace; `None` removes it at once.
    pub grace: fn(&Value) -> Option<u64>,
    /// What a name may look like.
    pub name_rule: NameRule,
    /// Whether anything acts on it; `false` gives a `Warning:` at each write.
    pub acted_on: bool,
}

impl Resource {
    /// A namespaced kind without anything special, to build others from.
    pub const BLANK: Self = Self {
        group: "",
        versions: &["v1"],
        kind: "",
        plural: "",
        singular: "",
        short_names: &[],
        categories: &[],
        namespaced: true,
        verbs: &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        subresources: &[],
        columns: &[crate::table::NAME, crate::table::AGE],
        schema: || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        defaults: |_| (),
        check: |_| Vec::new(),
        check_change: |_, _| Vec::new(),
        selectable: |_, _| None,
        patch_rules: |_| None,
        strategic: true,
        generation: false,
        grace: |_| None,
        name_rule: NameRule::Subdomain,
        acted_on: true,
    };

    /// `deployments.apps`, or the plural alone in the core group: the first part of a [`crate::Key`].
    #[must_use]
    pub fn id(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// `apps/v1`, or `v1` in the core group.
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        match self.group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        }
    }

    /// The version in which objects are stored.
    #[must_use]
    pub fn storage_version(&self) -> &'static str {
        self.versions.first().copied().unwrap_or("v1")
    }

    /// The served version of this name.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&'static str> {
        self.versions.iter().copied().find(|version| *version == name)
    }

    /// Whether it has this subresource.
    #[must_use]
    pub fn has_subresource(&self, name: &str) -> bool {
        self.subresources.contains(&name)
    }

    /// How strategic merge patches treat what stands at a path.
    ///
    /// Spec: the `patchStrategy` and `patchMergeKey` marks of Kubernetes' types.
    #[must_use]
    pub fn patch_rule(&self, path: &str) -> Option<PatchRule> {
        match path {
            "metadata.finalizers" => Some(PatchRule::Set),
            "metadata.ownerReferences" => Some(PatchRule::Merge("uid")),
            path => (self.patch_rules)(path),
        }
    }

    /// The kind of its lists: `DeploymentList`.
    #[must_use]
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }
}

/// One column of `kubectl get`.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The heading, in mixed case: `Up-to-date`.
    pub name: &'static str,
    /// The OpenAPI type: `string`, `integer`, `number`, `boolean`, `date`.
    pub kind: &'static str,
    /// 0 is always shown, more only with `-o wide`.
    pub priority: i32,
    /// The cell for one object at one time.
    pub cell: fn(&Value, Timestamp) -> Value,
}

/// How a strategic merge patch treats one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchRule {
    /// A list of objects that are told apart by this field, and merged one by one.
    Merge(&'static str),
    /// The same, where each entry is a union: a client that changes one says which of its fields
    /// stay (`$retainKeys`).
    MergeUnions(&'static str),
    /// A list of plain values that form a set.
    Set,
    /// A map that is a union.
    Union,
    /// A map that is replaced as a whole.
    Replace,
}

impl PatchRule {
    /// The words of `x-kubernetes-patch-strategy`.
    #[must_use]
    pub fn strategy(self) -> &'static str {
        match self {
            Self::Merge(_) | Self::Set => "merge",
            Self::MergeUnions(_) => "merge,retainKeys",
            Self::Union => "retainKeys",
            Self::Replace => "replace",
        }
    }

    /// The field that tells the entries of a list apart: `x-kubernetes-patch-merge-key`.
    #[must_use]
    pub fn merge_key(self) -> Option<&'static str> {
        match self {
            Self::Merge(key) | Self::MergeUnions(key) => Some(key),
            Self::Set | Self::Union | Self::Replace => None,
        }
    }
}

/// What the name of an object may look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameRule {
    /// RFC 1123 subdomain: most kinds.
    #[default]
    Subdomain,
    /// RFC 1123 label: namespaces.
    Label,
    /// RFC 1035 label: services.
    Label1035,
    /// Anything that fits in one segment of a path: roles (`system:node`).
    PathSegment,
}
