//! `xds.type.matcher.v3`: matching trees.

messages! {
    RegexMatcher = "xds.type.matcher.v3.RegexMatcher" {
        engine_type: Option<regex_matcher::EngineType> = [oneof = "regex_matcher::EngineType", tags(1)],
        regex: String = [string, tag = 2],
    }
    StringMatcher = "xds.type.matcher.v3.StringMatcher" {
        match_pattern: Option<string_matcher::MatchPattern> =
            [oneof = "string_matcher::MatchPattern", tags(1, 2, 3, 5, 7, 8)],
        ignore_case: bool = [bool, tag = 6],
    }
    Matcher = "xds.type.matcher.v3.Matcher" {
        matcher_type: Option<matcher::MatcherType> = [oneof = "matcher::MatcherType", tags(1, 2)],
        on_no_match: Option<Box<matcher::OnMatch>> = [message, optional, boxed, tag = 3],
    }
}

/// Types inside [`RegexMatcher`](super::RegexMatcher).
pub mod regex_matcher {
    messages! {
        GoogleRe2 = "xds.type.matcher.v3.RegexMatcher.GoogleRE2" {}
    }

    oneofs! {
        EngineType = "xds.type.matcher.v3.RegexMatcher.engine_type" {
            google_re2 => GoogleRe2(GoogleRe2) = [message, tag = 1],
        }
    }
}

/// Types inside [`StringMatcher`](super::StringMatcher).
pub mod string_matcher {
    oneofs! {
        MatchPattern = "xds.type.matcher.v3.StringMatcher.match_pattern" {
            exact => Exact(String) = [string, tag = 1],
            prefix => Prefix(String) = [string, tag = 2],
            suffix => Suffix(String) = [string, tag = 3],
            safe_regex => SafeRegex(super::RegexMatcher) = [message, tag = 5],
            contains => Contains(String) = [string, tag = 7],
            custom => Custom(crate::cncf::TypedExtensionConfig) = [message, tag = 8],
        }
    }
}

/// Types inside [`Matcher`](super::Matcher).
pub mod matcher {
    messages! {
        OnMatch = "xds.type.matcher.v3.Matcher.OnMatch" {
            on_match: Option<on_match::OnMatch> = [oneof = "on_match::OnMatch", tags(1, 2)],
            keep_matching: bool = [bool, tag = 3],
        }
        MatcherList = "xds.type.matcher.v3.Matcher.MatcherList" {
            matchers: Vec<matcher_list::FieldMatcher> = [message, repeated, tag = 1],
        }
        MatcherTree = "xds.type.matcher.v3.Matcher.MatcherTree" {
            input: Option<crate::cncf::TypedExtensionConfig> = [message, optional, tag = 1],
            tree_type: Option<matcher_tree::TreeType> = [oneof = "matcher_tree::TreeType", tags(2, 3, 4)],
        }
    }

    oneofs! {
        MatcherType = "xds.type.matcher.v3.Matcher.matcher_type" {
            matcher_list => MatcherList(MatcherList) = [message, tag = 1],
            matcher_tree => MatcherTree(MatcherTree) = [message, tag = 2],
        }
    }

    /// Types inside [`OnMatch`](super::OnMatch).
    pub mod on_match {
        oneofs! {
            OnMatch = "xds.type.matcher.v3.Matcher.OnMatch.on_match" {
                matcher => Matcher(Box<super::super::Matcher>) = [message, boxed, tag = 1],
                action => Action(crate::cncf::TypedExtensionConfig) = [message, tag = 2],
            }
        }
    }

    /// Types inside [`MatcherList`](super::MatcherList).
    pub mod matcher_list {
        messages! {
            Predicate = "xds.type.matcher.v3.Matcher.MatcherList.Predicate" {
                match_type: Option<predicate::MatchType> = [oneof = "predicate::MatchType", tags(1, 2, 3, 4)],
            }
            FieldMatcher = "xds.type.matcher.v3.Matcher.MatcherList.FieldMatcher" {
                predicate: Option<Predicate> = [message, optional, tag = 1],
                on_match: Option<super::OnMatch> = [message, optional, tag = 2],
            }
        }

        /// Types inside [`Predicate`](super::Predicate).
        pub mod predicate {
            messages! {
                SinglePredicate = "xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate" {
                    input: Option<crate::cncf::TypedExtensionConfig> = [message, optional, tag = 1],
                    matcher: Option<single_predicate::Matcher> =
                        [oneof = "single_predicate::Matcher", tags(2, 3)],
                }
                PredicateList = "xds.type.matcher.v3.Matcher.MatcherList.Predicate.PredicateList" {
                    predicate: Vec<super::Predicate> = [message, repeated, tag = 1],
                }
            }

            oneofs! {
                MatchType = "xds.type.matcher.v3.Matcher.MatcherList.Predicate.match_type" {
                    single_predicate => SinglePredicate(SinglePredicate) = [message, tag = 1],
                    or_matcher => OrMatcher(PredicateList) = [message, tag = 2],
                    and_matcher => AndMatcher(PredicateList) = [message, tag = 3],
                    not_matcher => NotMatcher(Box<super::Predicate>) = [message, boxed, tag = 4],
                }
            }

            /// Types inside [`SinglePredicate`](super::SinglePredicate).
            pub mod single_predicate {
                oneofs! {
                    Matcher = "xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate.matcher" {
                        value_match => ValueMatch(super::super::super::super::StringMatcher) =
                            [message, tag = 2],
                        custom_match => CustomMatch(crate::cncf::TypedExtensionConfig) = [message, tag = 3],
                    }
                }
            }
        }
    }

    /// Types inside [`MatcherTree`](super::MatcherTree).
    pub mod matcher_tree {
        use std::collections::BTreeMap;

        messages! {
            MatchMap = "xds.type.matcher.v3.Matcher.MatcherTree.MatchMap" {
                map: BTreeMap<String, super::OnMatch> = [btree_map = "string, message", tag = 1],
            }
        }

        oneofs! {
            TreeType = "xds.type.matcher.v3.Matcher.MatcherTree.tree_type" {
                exact_match_map => ExactMatchMap(MatchMap) = [message, tag = 2],
                prefix_match_map => PrefixMatchMap(MatchMap) = [message, tag = 3],
                custom_match => CustomMatch(crate::cncf::TypedExtensionConfig) = [message, tag = 4],
            }
        }
    }
}
