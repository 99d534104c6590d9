//! `xds.core.v3` and `xds.type.v3`: resource locators and structs that name their type.

use std::collections::BTreeMap;

messages! {
    ContextParams = "xds.core.v3.ContextParams" {
        params: BTreeMap<String, String> = [btree_map = "string, string", tag = 1],
    }
    TypedExtensionConfig = "xds.core.v3.TypedExtensionConfig" {
        name: String = [string, tag = 1],
        typed_config: Option<crate::wkt::Any> = [message, optional, tag = 2],
    }
    CidrRange = "xds.core.v3.CidrRange" {
        address_prefix: String = [string, tag = 1],
        prefix_len: Option<u32> = [message, optional, tag = 2],
    }
    Authority = "xds.core.v3.Authority" {
        name: String = [string, tag = 1],
    }
    ResourceLocator = "xds.core.v3.ResourceLocator" {
        scheme: i32 = [enumeration(resource_locator::Scheme), tag = 1],
        id: String = [string, tag = 2],
        authority: String = [string, tag = 3],
        resource_type: String = [string, tag = 4],
        context_param_specifier: Option<resource_locator::ContextParamSpecifier> =
            [oneof = "resource_locator::ContextParamSpecifier", tags(5)],
        directives: Vec<resource_locator::Directive> = [message, repeated, tag = 6],
    }
    CollectionEntry = "xds.core.v3.CollectionEntry" {
        resource_specifier: Option<collection_entry::ResourceSpecifier> =
            [oneof = "collection_entry::ResourceSpecifier", tags(1, 2)],
    }
    CelExpression = "xds.type.v3.CelExpression" {
        cel_expr_string: String = [string, tag = 5],
    }
    CelExtractString = "xds.type.v3.CelExtractString" {
        expr_extract: Option<CelExpression> = [message, optional, tag = 1],
        default_value: Option<String> = [message, optional, tag = 2],
    }
}

/// Types inside [`ResourceLocator`](super::ResourceLocator).
pub mod resource_locator {
    messages! {
        Directive = "xds.core.v3.ResourceLocator.Directive" {
            directive: Option<directive::Directive> = [oneof = "directive::Directive", tags(1, 2)],
        }
    }

    enums! {
        Scheme = "xds.core.v3.ResourceLocator.Scheme" {
            Xdstp = 0, "XDSTP";
            Http = 1, "HTTP";
            File = 2, "FILE";
        }
    }

    oneofs! {
        ContextParamSpecifier = "xds.core.v3.ResourceLocator.context_param_specifier" {
            exact_context => ExactContext(super::ContextParams) = [message, tag = 5],
        }
    }

    /// Types inside [`Directive`](super::Directive).
    pub mod directive {
        oneofs! {
            Directive = "xds.core.v3.ResourceLocator.Directive.directive" {
                alt => Alt(super::super::ResourceLocator) = [message, tag = 1],
                entry => Entry(String) = [string, tag = 2],
            }
        }
    }
}

/// Types inside [`CollectionEntry`](super::CollectionEntry).
pub mod collection_entry {
    messages! {
        InlineEntry = "xds.core.v3.CollectionEntry.InlineEntry" {
            name: String = [string, tag = 1],
            version: String = [string, tag = 2],
            resource: Option<crate::wkt::Any> = [message, optional, tag = 3],
        }
    }

    oneofs! {
        ResourceSpecifier = "xds.core.v3.CollectionEntry.resource_specifier" {
            locator => Locator(super::ResourceLocator) = [message, tag = 1],
            inline_entry => InlineEntry(InlineEntry) = [message, tag = 2],
        }
    }
}
