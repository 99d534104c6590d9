//! Label and field selectors: which objects a list or a watch is about.

use serde_json::Value;

use crate::resource::Resource;
use crate::status::Status;

pub use crate::selector::field::FieldSelector;
pub use crate::selector::label::LabelSelector;

mod field;
mod label;

/// The `labelSelector` and `fieldSelector` of one request. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors {
    /// Which labels.
    pub labels: LabelSelector,
    /// Which fields.
    pub fields: FieldSelector,
}

impl Selectors {
    /// Reads the two query parameters; empty texts select everything.
    ///
    /// # Errors
    /// 400 for bad syntax, and for a field that the resource does not know.
    pub fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Status> {
        Ok(Self {
            labels: LabelSelector::parse(labels).map_err(Status::bad_request)?,
            fields: FieldSelector::parse(resource, fields)?,
        })
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object of this resource matches.
    #[must_use]
    pub fn matches(&self, resource: &Resource, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(resource, object)
    }
}
