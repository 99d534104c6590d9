//! `envoy.type.matcher.v3`: how strings, numbers, paths and metadata are matched.

messages! {
    RegexMatcher = "envoy.type.matcher.v3.RegexMatcher" {
        engine_type: Option<regex_matcher::EngineType> = [oneof = "regex_matcher::EngineType", tags(1)],
        regex: String = [string, tag = 2],
    }
    RegexMatchAndSubstitute = "envoy.type.matcher.v3.RegexMatchAndSubstitute" {
        pattern: Option<RegexMatcher> = [message, optional, tag = 1],
        substitution: String = [string, tag = 2],
    }
    StringMatcher = "envoy.type.matcher.v3.StringMatcher" {
        match_pattern: Option<string_matcher::MatchPattern> =
            [oneof = "string_matcher::MatchPattern", tags(1, 2, 3, 5, 7, 8)],
        ignore_case: bool = [bool, tag = 6],
    }
    ListStringMatcher = "envoy.type.matcher.v3.ListStringMatcher" {
        patterns: Vec<StringMatcher> = [message, repeated, tag = 1],
    }
    AddressMatcher = "envoy.type.matcher.v3.AddressMatcher" {
        ranges: Vec<crate::cncf::CidrRange> = [message, repeated, tag = 1],
        invert_match: bool = [bool, tag = 2],
    }
    FilterStateMatcher = "envoy.type.matcher.v3.FilterStateMatcher" {
        key: String = [string, tag = 1],
        matcher: Option<filter_state_matcher::Matcher> =
            [oneof = "filter_state_matcher::Matcher", tags(2, 3)],
    }
    DoubleMatcher = "envoy.type.matcher.v3.DoubleMatcher" {
        match_pattern: Option<double_matcher::MatchPattern> =
            [oneof = "double_matcher::MatchPattern", tags(1, 2)],
    }
    ValueMatcher = "envoy.type.matcher.v3.ValueMatcher" {
        match_pattern: Option<value_matcher::MatchPattern> =
            [oneof = "value_matcher::MatchPattern", tags(1, 2, 3, 4, 5, 6, 7)],
    }
    ListMatcher = "envoy.type.matcher.v3.ListMatcher" {
        match_pattern: Option<list_matcher::MatchPattern> = [oneof = "list_matcher::MatchPattern", tags(1)],
    }
    OrMatcher = "envoy.type.matcher.v3.OrMatcher" {
        value_matchers: Vec<ValueMatcher> = [message, repeated, tag = 1],
    }
    MetadataMatcher = "envoy.type.matcher.v3.MetadataMatcher" {
        filter: String = [string, tag = 1],
        path: Vec<metadata_matcher::PathSegment> = [message, repeated, tag = 2],
        value: Option<ValueMatcher> = [message, optional, tag = 3],
        invert: bool = [bool, tag = 4],
    }
    PathMatcher = "envoy.type.matcher.v3.PathMatcher" {
        rule: Option<path_matcher::Rule> = [oneof = "path_matcher::Rule", tags(1)],
    }
    StructMatcher = "envoy.type.matcher.v3.StructMatcher" {
        path: Vec<struct_matcher::PathSegment> = [message, repeated, tag = 2],
        value: Option<ValueMatcher> = [message, optional, tag = 3],
    }
    NodeMatcher = "envoy.type.matcher.v3.NodeMatcher" {
        node_id: Option<StringMatcher> = [message, optional, tag = 1],
        node_metadatas: Vec<StructMatcher> = [message, repeated, tag = 2],
    }
    HttpRequestHeaderMatchInput = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput" {
        header_name: String = [string, tag = 1],
    }
    HttpRequestTrailerMatchInput = "envoy.type.matcher.v3.HttpRequestTrailerMatchInput" {
        header_name: String = [string, tag = 1],
    }
    HttpResponseHeaderMatchInput = "envoy.type.matcher.v3.HttpResponseHeaderMatchInput" {
        header_name: String = [string, tag = 1],
    }
    HttpResponseTrailerMatchInput = "envoy.type.matcher.v3.HttpResponseTrailerMatchInput" {
        header_name: String = [string, tag = 1],
    }
    HttpRequestQueryParamMatchInput = "envoy.type.matcher.v3.HttpRequestQueryParamMatchInput" {
        query_param: String = [string, tag = 1],
    }
    HttpResponseStatusCodeMatchInput = "envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput" {}
    HttpResponseStatusCodeClassMatchInput = "envoy.type.matcher.v3.HttpResponseStatusCodeClassMatchInput" {}
    HttpResponseLocalReplyMatchInput = "envoy.type.matcher.v3.HttpResponseLocalReplyMatchInput" {}
}

/// Types inside [`RegexMatcher`](super::RegexMatcher).
pub mod regex_matcher {
    messages! {
        GoogleRe2 = "envoy.type.matcher.v3.RegexMatcher.GoogleRE2" {
            max_program_size: Option<u32> = [message, optional, tag = 1],
        }
    }

    oneofs! {
        EngineType = "envoy.type.matcher.v3.RegexMatcher.engine_type" {
            google_re2 => GoogleRe2(GoogleRe2) = [message, tag = 1],
        }
    }
}

/// Types inside [`StringMatcher`](super::StringMatcher).
pub mod string_matcher {
    oneofs! {
        MatchPattern = "envoy.type.matcher.v3.StringMatcher.match_pattern" {
            exact => Exact(String) = [string, tag = 1],
            prefix => Prefix(String) = [string, tag = 2],
            suffix => Suffix(String) = [string, tag = 3],
            safe_regex => SafeRegex(super::RegexMatcher) = [message, tag = 5],
            contains => Contains(String) = [string, tag = 7],
            custom => Custom(crate::cncf::TypedExtensionConfig) = [message, tag = 8],
        }
    }
}

/// Types inside [`FilterStateMatcher`](super::FilterStateMatcher).
pub mod filter_state_matcher {
    oneofs! {
        Matcher = "envoy.type.matcher.v3.FilterStateMatcher.matcher" {
            string_match => StringMatch(super::StringMatcher) = [message, tag = 2],
            address_match => AddressMatch(super::AddressMatcher) = [message, tag = 3],
        }
    }
}

/// Types inside [`DoubleMatcher`](super::DoubleMatcher).
pub mod double_matcher {
    oneofs! {
        MatchPattern = "envoy.type.matcher.v3.DoubleMatcher.match_pattern" {
            range => Range(crate::kind::DoubleRange) = [message, tag = 1],
            exact => Exact(f64) = [double, tag = 2],
        }
    }
}

/// Types inside [`ValueMatcher`](super::ValueMatcher).
pub mod value_matcher {
    messages! {
        NullMatch = "envoy.type.matcher.v3.ValueMatcher.NullMatch" {}
    }

    oneofs! {
        MatchPattern = "envoy.type.matcher.v3.ValueMatcher.match_pattern" {
            null_match => NullMatch(NullMatch) = [message, tag = 1],
            double_match => DoubleMatch(super::DoubleMatcher) = [message, tag = 2],
            string_match => StringMatch(super::StringMatcher) = [message, tag = 3],
            bool_match => BoolMatch(bool) = [bool, tag = 4],
            present_match => PresentMatch(bool) = [bool, tag = 5],
            list_match => ListMatch(Box<super::ListMatcher>) = [message, boxed, tag = 6],
            or_match => OrMatch(super::OrMatcher) = [message, tag = 7],
        }
    }
}

/// Types inside [`ListMatcher`](super::ListMatcher).
pub mod list_matcher {
    oneofs! {
        MatchPattern = "envoy.type.matcher.v3.ListMatcher.match_pattern" {
            one_of => OneOf(Box<super::ValueMatcher>) = [message, boxed, tag = 1],
        }
    }
}

/// Types inside [`MetadataMatcher`](super::MetadataMatcher).
pub mod metadata_matcher {
    messages! {
        PathSegment = "envoy.type.matcher.v3.MetadataMatcher.PathSegment" {
            segment: Option<path_segment::Segment> = [oneof = "path_segment::Segment", tags(1)],
        }
    }

    /// Types inside [`PathSegment`](super::PathSegment).
    pub mod path_segment {
        oneofs! {
            Segment = "envoy.type.matcher.v3.MetadataMatcher.PathSegment.segment" {
                key => Key(String) = [string, tag = 1],
            }
        }
    }
}

/// Types inside [`PathMatcher`](super::PathMatcher).
pub mod path_matcher {
    oneofs! {
        Rule = "envoy.type.matcher.v3.PathMatcher.rule" {
            path => Path(super::StringMatcher) = [message, tag = 1],
        }
    }
}

/// Types inside [`StructMatcher`](super::StructMatcher).
pub mod struct_matcher {
    messages! {
        PathSegment = "envoy.type.matcher.v3.StructMatcher.PathSegment" {
            segment: Option<path_segment::Segment> = [oneof = "path_segment::Segment", tags(1)],
        }
    }

    /// Types inside [`PathSegment`](super::PathSegment).
    pub mod path_segment {
        oneofs! {
            Segment = "envoy.type.matcher.v3.StructMatcher.PathSegment.segment" {
                key => Key(String) = [string, tag = 1],
            }
        }
    }
}
