//! What only this proxy understands of a cluster: `filter_metadata["lateen"]`.

use std::sync::Arc;

use xds::{
    core,
    wkt::{self, value::Kind},
};

use crate::{
    cluster::{Cluster, Fallback},
    compile::{Bad, Within as _},
    upstream::{BreakerPolicy, breaker::growth},
};

/// The key of our part of metadata.
const LATEEN: &str = "lateen";

impl Cluster {
    /// Reads what its metadata says to us.
    pub(crate) fn read_extras(&mut self, metadata: Option<&core::Metadata>) -> Result<(), Bad> {
        let Some(extras) = metadata.and_then(|metadata| metadata.filter_metadata.get(LATEEN))
        else {
            return Ok(());
        };
        for (name, value) in &extras.fields {
            let place = format!("metadata.filter_metadata[{LATEEN}].{name}");
            self.read_extra(name, value).within(place)?;
        }
        Ok(())
    }

    fn read_extra(&mut self, name: &str, value: &wkt::Value) -> Result<(), Bad> {
        let Some(Kind::StructValue(fields)) = &value.kind else {
            return Err(Bad::new("", "is no object"));
        };
        match name {
            "breaker" => self.breaker = Some(Arc::new(BreakerPolicy::compile(fields)?)),
            "fallback" => self.fallback = Some(Arc::new(Fallback::compile(fields)?)),
            "ejection" => {
                let word = fields.fields.get("growth");
                let word = word.ok_or_else(|| Bad::new("growth", "is not set"))?;
                let growth = growth("growth", word)?;
                if let Some(outlier) = &mut self.outlier {
                    outlier.growth = growth;
                }
            }
            // Of a control plane that is newer than this proxy.
            _ => return Err(Bad::unsupported("")),
        }
        Ok(())
    }

    /// What its breaker does, in a sentence without its subject; `None` where it has none.
    #[must_use]
    pub fn breaker(&self) -> Option<String> {
        self.breaker.as_ref().map(ToString::to_string)
    }
}
