//! What the client can read, and what it sends.
//!
//! Spec: RFC 9110 section 12.5.1, and Kubernetes' `as`, `g`, `v` parameters of a media type.

/// The shape in which objects are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Objects and lists as they are.
    Whole,
    /// Rows and columns, as kubectl prints them.
    Table,
    /// Only the metadata.
    Metadata,
}

/// The letters in which an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Yaml,
}

/// What the client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) shape: Shape,
    pub(crate) media: Media,
    /// With line breaks, for people.
    pub(crate) pretty: bool,
    /// True when discovery may come as one aggregated document, with its version.
    pub(crate) aggregated: Option<&'static str>,
}

impl Wanted {
    /// The default: JSON, as it is.
    pub(crate) const PLAIN: Wanted =
        Wanted { shape: Shape::Whole, media: Media::Json, pretty: false, aggregated: None };

    /// The `Content-Type` of an answer in this letter.
    pub(crate) fn content_type(&self) -> &'static str {
        match self.media {
            Media::Json => "application/json",
            Media::Yaml => "application/yaml",
        }
    }
}

/// The first of the client's choices that we can serve. Protobuf is a choice of many clients,
/// always beside JSON, which they all read: so JSON is the answer to everything unknown.
pub(crate) fn accept(header: Option<&str>) -> Wanted {
    for choice in header.unwrap_or_default().split(',') {
        let mut parts = choice.split(';').map(str::trim);
        let media = match parts.next().unwrap_or_default() {
            "application/json" | "application/*" | "*/*" => Media::Json,
            "application/yaml" | "application/x-yaml" => Media::Yaml,
            _ => continue,
        };
        let (mut kind, mut group, mut version) = ("", "", "");
        for part in parts {
            match part.split_once('=') {
                Some(("as", value)) => kind = value,
                Some(("g", value)) => group = value,
                Some(("v", value)) => version = value,
                _ => {}
            }
        }
        let plain = Wanted { media, ..Wanted::PLAIN };
        match (kind, group) {
            ("", _) => return plain,
            ("Table", "meta.k8s.io") => {
                return Wanted { shape: Shape::Table, ..plain };
            }
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io") => {
                return Wanted { shape: Shape::Metadata, ..plain };
            }
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io") if version == "v2" => {
                return Wanted { aggregated: Some("v2"), ..plain };
            }
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io") if version == "v2beta1" => {
                return Wanted { aggregated: Some("v2beta1"), ..plain };
            }
            _ => {}
        }
    }
    Wanted::PLAIN
}

/// How a body is written, by its `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Yaml,
    Protobuf,
    JsonPatch,
    MergePatch,
    StrategicPatch,
    ApplyPatch,
}

/// The encoding of a body; nothing for types that we do not read. A body without a type is JSON.
pub(crate) fn encoding(content_type: Option<&str>) -> Option<Encoding> {
    let name = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    Some(match name {
        "" | "application/json" => Encoding::Json,
        "application/yaml" | "application/x-yaml" => Encoding::Yaml,
        "application/vnd.kubernetes.protobuf" => Encoding::Protobuf,
        "application/json-patch+json" => Encoding::JsonPatch,
        "application/merge-patch+json" => Encoding::MergePatch,
        "application/strategic-merge-patch+json" => Encoding::StrategicPatch,
        "application/apply-patch+yaml" => Encoding::ApplyPatch,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_choice_that_we_can_serve_wins() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                     application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                         application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                         application/json";
        for (header, expected) in [
            (None, Wanted::PLAIN),
            (Some("application/json, */*"), Wanted::PLAIN),
            (Some("application/vnd.kubernetes.protobuf,application/json"), Wanted::PLAIN),
            (Some("application/vnd.kubernetes.protobuf"), Wanted::PLAIN),
            (Some("application/yaml"), Wanted { media: Media::Yaml, ..Wanted::PLAIN }),
            (Some(table), Wanted { shape: Shape::Table, ..Wanted::PLAIN }),
            (
                Some("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
                Wanted { shape: Shape::Metadata, ..Wanted::PLAIN },
            ),
            (Some(discovery), Wanted { aggregated: Some("v2"), ..Wanted::PLAIN }),
            (Some("application/json;as=Poem;g=x;v=v1,application/json"), Wanted::PLAIN),
        ] {
            assert_eq!(accept(header), expected, "{header:?}");
        }
    }

    #[test]
    fn a_body_says_how_it_is_written() {
        assert_eq!(encoding(None), Some(Encoding::Json));
        assert_eq!(encoding(Some("application/json; charset=utf-8")), Some(Encoding::Json));
        assert_eq!(encoding(Some("application/apply-patch+yaml")), Some(Encoding::ApplyPatch));
        assert_eq!(encoding(Some("text/plain")), None);
    }
}
