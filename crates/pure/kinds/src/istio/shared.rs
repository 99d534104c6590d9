//! Shapes that several Istio kinds use, and the notation in which all are written down.

use std::collections::BTreeMap;

use serde_json::Value;

/// Tells whether a field says nothing, so that it is left out when written.
pub(crate) trait Silent {
    /// True when the field has its zero value.
    fn silent(&self) -> bool;
}

impl<T> Silent for Option<T> {
    fn silent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Silent for Vec<T> {
    fn silent(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Silent for BTreeMap<K, V> {
    fn silent(&self) -> bool {
        self.is_empty()
    }
}

impl Silent for String {
    fn silent(&self) -> bool {
        self.is_empty()
    }
}

impl Silent for bool {
    fn silent(&self) -> bool {
        !*self
    }
}

impl Silent for i32 {
    fn silent(&self) -> bool {
        *self == 0
    }
}

impl Silent for u32 {
    fn silent(&self) -> bool {
        *self == 0
    }
}

/// Declares structs as protobuf-JSON objects: every field may be absent, and zero is not written.
macro_rules! message {
    ($($(#[$outer:meta])* pub struct $name:ident {
        $($(#[$inner:meta])* pub $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$outer])*
        #[derive(
            Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $(
                $(#[$inner])*
                #[serde(skip_serializing_if = "crate::istio::shared::Silent::silent")]
                pub $field: $type,
            )*
        }
    )*};
}

/// Declares a closed set of words, spelled in capitals.
macro_rules! words {
    ($($(#[$outer:meta])* pub enum $name:ident {
        $($(#[$inner:meta])* $variant:ident = $word:literal,)*
    })*) => {$(
        $(#[$outer])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize,
            serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $name {
            $(
                $(#[$inner])*
                #[serde(rename = $word)]
                $variant,
            )*
        }
    )*};
}

/// Declares a whole object: version, kind, metadata, spec and status.
macro_rules! object {
    ($(#[$outer:meta])* $name:ident, $spec:ident) => {
        $(#[$outer])*
        #[derive(
            Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            /// Group and version under which the object was read.
            pub api_version: String,
            /// Name of the kind.
            pub kind: String,
            /// Name, namespace, labels and the server's own marks.
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What the author wants.
            pub spec: $spec,
            /// What the control plane says about it.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub status: Option<crate::istio::IstioStatus>,
        }
    };
}

pub(crate) use {message, object, words};

message! {
    /// A test of a text. At most one field is set; none means "is there at all".
    pub struct StringMatch {
        /// The whole text.
        pub exact: Option<String>,
        /// The beginning of the text, character by character.
        pub prefix: Option<String>,
        /// RE2 expression that must match the whole text.
        pub regex: Option<String>,
    }

    /// Names a service port by its number.
    pub struct PortSelector {
        /// Number of the port in the Service; 0 means unset.
        pub number: u32,
    }

    /// Chooses workloads by their pods' labels.
    pub struct WorkloadSelector {
        /// Labels that a pod must all have.
        pub match_labels: BTreeMap<String, String>,
    }

    /// What the control plane reports about an object.
    pub struct IstioStatus {
        /// Conditions, one of each type.
        pub conditions: Vec<Condition>,
        /// Findings of the analysis, as Istio writes them.
        pub validation_messages: Vec<Value>,
        /// Generation of the spec that this status describes.
        pub observed_generation: Option<i64>,
        /// Addresses that were given to the hosts of a ServiceEntry: objects of value and host.
        pub addresses: Vec<Value>,
    }

    /// One statement about an object's state.
    pub struct Condition {
        /// What is stated.
        #[serde(rename = "type")]
        pub type_: String,
        /// `True`, `False` or `Unknown`.
        pub status: String,
        /// Why, as one word.
        pub reason: Option<String>,
        /// Why, as a sentence.
        pub message: Option<String>,
        /// When it was last looked at (RFC 3339).
        pub last_probe_time: Option<String>,
        /// When the status last changed (RFC 3339).
        pub last_transition_time: Option<String>,
        /// Generation of the spec that this condition describes.
        pub observed_generation: Option<i64>,
    }
}

/// What a [`StringMatch`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchKind<'a> {
    /// The text equals this.
    Exact(&'a str),
    /// The text begins with this.
    Prefix(&'a str),
    /// The whole text matches this RE2 expression.
    Regex(&'a str),
    /// Any text, if it is there.
    Present,
}

impl StringMatch {
    /// The one test that is asked for; `exact` before `prefix` before `regex` should two be set.
    #[must_use]
    pub fn kind(&self) -> MatchKind<'_> {
        match (&self.exact, &self.prefix, &self.regex) {
            (Some(text), ..) => MatchKind::Exact(text),
            (None, Some(text), _) => MatchKind::Prefix(text),
            (None, None, Some(text)) => MatchKind::Regex(text),
            (None, None, None) => MatchKind::Present,
        }
    }
}
