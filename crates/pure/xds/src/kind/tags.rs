//! `envoy.type.metadata.v3`, `envoy.type.tracing.v3` and `envoy.type.http.v3`: metadata keys, span tags, cookies.

messages! {
    MetadataKey = "envoy.type.metadata.v3.MetadataKey" {
        key: String = [string, tag = 1],
        path: Vec<metadata_key::PathSegment> = [message, repeated, tag = 2],
    }
    MetadataKind = "envoy.type.metadata.v3.MetadataKind" {
        kind: Option<metadata_kind::Kind> = [oneof = "metadata_kind::Kind", tags(1, 2, 3, 4)],
    }
    CustomTag = "envoy.type.tracing.v3.CustomTag" {
        tag: String = [string, tag = 1],
        r#type: Option<custom_tag::Type> = [oneof = "custom_tag::Type", tags(2, 3, 4, 5, 6)],
    }
    PathTransformation = "envoy.type.http.v3.PathTransformation" {
        operations: Vec<path_transformation::Operation> = [message, repeated, tag = 1],
    }
    Cookie = "envoy.type.http.v3.Cookie" {
        name: String = [string, tag = 1],
        ttl: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        path: String = [string, tag = 3],
        attributes: Vec<CookieAttribute> = [message, repeated, tag = 4],
    }
    CookieAttribute = "envoy.type.http.v3.CookieAttribute" {
        name: String = [string, tag = 1],
        value: String = [string, tag = 2],
    }
}

/// Types inside [`MetadataKey`](super::MetadataKey).
pub mod metadata_key {
    messages! {
        PathSegment = "envoy.type.metadata.v3.MetadataKey.PathSegment" {
            segment: Option<path_segment::Segment> = [oneof = "path_segment::Segment", tags(1, 2)],
        }
    }

    /// Types inside [`PathSegment`](super::PathSegment).
    pub mod path_segment {
        oneofs! {
            Segment = "envoy.type.metadata.v3.MetadataKey.PathSegment.segment" {
                key => Key(String) = [string, tag = 1],
                index => Index(u32) = [uint32, tag = 2],
            }
        }
    }
}

/// Types inside [`MetadataKind`](super::MetadataKind).
pub mod metadata_kind {
    messages! {
        Request = "envoy.type.metadata.v3.MetadataKind.Request" {}
        Route = "envoy.type.metadata.v3.MetadataKind.Route" {}
        Cluster = "envoy.type.metadata.v3.MetadataKind.Cluster" {}
        Host = "envoy.type.metadata.v3.MetadataKind.Host" {}
    }

    oneofs! {
        Kind = "envoy.type.metadata.v3.MetadataKind.kind" {
            request => Request(Request) = [message, tag = 1],
            route => Route(Route) = [message, tag = 2],
            cluster => Cluster(Cluster) = [message, tag = 3],
            host => Host(Host) = [message, tag = 4],
        }
    }
}

/// Types inside [`CustomTag`](super::CustomTag).
pub mod custom_tag {
    messages! {
        Literal = "envoy.type.tracing.v3.CustomTag.Literal" {
            value: String = [string, tag = 1],
        }
        Environment = "envoy.type.tracing.v3.CustomTag.Environment" {
            name: String = [string, tag = 1],
            default_value: String = [string, tag = 2],
        }
        Header = "envoy.type.tracing.v3.CustomTag.Header" {
            name: String = [string, tag = 1],
            default_value: String = [string, tag = 2],
        }
        Metadata = "envoy.type.tracing.v3.CustomTag.Metadata" {
            kind: Option<super::MetadataKind> = [message, optional, tag = 1],
            metadata_key: Option<super::MetadataKey> = [message, optional, tag = 2],
            default_value: String = [string, tag = 3],
        }
    }

    oneofs! {
        Type = "envoy.type.tracing.v3.CustomTag.type" {
            literal => Literal(Literal) = [message, tag = 2],
            environment => Environment(Environment) = [message, tag = 3],
            request_header => RequestHeader(Header) = [message, tag = 4],
            metadata => Metadata(Metadata) = [message, tag = 5],
            value => Value(String) = [string, tag = 6],
        }
    }
}

/// Types inside [`PathTransformation`](super::PathTransformation).
pub mod path_transformation {
    messages! {
        Operation = "envoy.type.http.v3.PathTransformation.Operation" {
            operation_specifier: Option<operation::OperationSpecifier> =
                [oneof = "operation::OperationSpecifier", tags(2, 3)],
        }
    }

    /// Types inside [`Operation`](super::Operation).
    pub mod operation {
        messages! {
            NormalizePathRfc3986 = "envoy.type.http.v3.PathTransformation.Operation.NormalizePathRFC3986" {}
            MergeSlashes = "envoy.type.http.v3.PathTransformation.Operation.MergeSlashes" {}
        }

        oneofs! {
            OperationSpecifier = "envoy.type.http.v3.PathTransformation.Operation.operation_specifier" {
                normalize_path_rfc_3986 => NormalizePathRfc3986(NormalizePathRfc3986) = [message, tag = 2],
                merge_slashes => MergeSlashes(MergeSlashes) = [message, tag = 3],
            }
        }
    }
}
