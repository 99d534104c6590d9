//! `envoy.type.v3`: percents, ranges, status codes, token buckets.

messages! {
    Percent = "envoy.type.v3.Percent" {
        value: f64 = [double, tag = 1],
    }
    FractionalPercent = "envoy.type.v3.FractionalPercent" {
        numerator: u32 = [uint32, tag = 1],
        denominator: i32 = [enumeration(fractional_percent::DenominatorType), tag = 2],
    }
    SemanticVersion = "envoy.type.v3.SemanticVersion" {
        major_number: u32 = [uint32, tag = 1],
        minor_number: u32 = [uint32, tag = 2],
        patch: u32 = [uint32, tag = 3],
    }
    Int64Range = "envoy.type.v3.Int64Range" {
        start: i64 = [int64, tag = 1],
        end: i64 = [int64, tag = 2],
    }
    Int32Range = "envoy.type.v3.Int32Range" {
        start: i32 = [int32, tag = 1],
        end: i32 = [int32, tag = 2],
    }
    DoubleRange = "envoy.type.v3.DoubleRange" {
        start: f64 = [double, tag = 1],
        end: f64 = [double, tag = 2],
    }
    Scope = "envoy.type.v3.Scope" {
        max_counters: Option<u32> = [message, optional, tag = 1],
        max_gauges: Option<u32> = [message, optional, tag = 2],
        max_histograms: Option<u32> = [message, optional, tag = 3],
        enable_eviction: bool = [bool, tag = 4],
        prefix: String = [string, tag = 5],
        sharing_name: String = [string, tag = 6],
    }
    TokenBucket = "envoy.type.v3.TokenBucket" {
        max_tokens: u32 = [uint32, tag = 1],
        tokens_per_fill: Option<u32> = [message, optional, tag = 2],
        fill_interval: Option<crate::wkt::Duration> = [message, optional, tag = 3],
    }
    HttpStatus = "envoy.type.v3.HttpStatus" {
        code: i32 = [enumeration(StatusCode), tag = 1],
    }
    RateLimitStrategy = "envoy.type.v3.RateLimitStrategy" {
        strategy: Option<rate_limit_strategy::Strategy> =
            [oneof = "rate_limit_strategy::Strategy", tags(1, 2, 3)],
    }
    HashPolicy = "envoy.type.v3.HashPolicy" {
        policy_specifier: Option<hash_policy::PolicySpecifier> =
            [oneof = "hash_policy::PolicySpecifier", tags(1, 2)],
    }
}

enums! {
    CodecClientType = "envoy.type.v3.CodecClientType" {
        Http1 = 0, "HTTP1";
        Http2 = 1, "HTTP2";
        Http3 = 2, "HTTP3";
    }
    RateLimitUnit = "envoy.type.v3.RateLimitUnit" {
        Unknown = 0, "UNKNOWN";
        Second = 1, "SECOND";
        Minute = 2, "MINUTE";
        Hour = 3, "HOUR";
        Day = 4, "DAY";
        Month = 5, "MONTH";
        Year = 6, "YEAR";
    }
    StatusCode = "envoy.type.v3.StatusCode" {
        Empty = 0, "Empty";
        Continue = 100, "Continue";
        Ok = 200, "OK";
        Created = 201, "Created";
        Accepted = 202, "Accepted";
        NonAuthoritativeInformation = 203, "NonAuthoritativeInformation";
        NoContent = 204, "NoContent";
        ResetContent = 205, "ResetContent";
        PartialContent = 206, "PartialContent";
        MultiStatus = 207, "MultiStatus";
        AlreadyReported = 208, "AlreadyReported";
        ImUsed = 226, "IMUsed";
        MultipleChoices = 300, "MultipleChoices";
        MovedPermanently = 301, "MovedPermanently";
        Found = 302, "Found";
        SeeOther = 303, "SeeOther";
        NotModified = 304, "NotModified";
        UseProxy = 305, "UseProxy";
        TemporaryRedirect = 307, "TemporaryRedirect";
        PermanentRedirect = 308, "PermanentRedirect";
        BadRequest = 400, "BadRequest";
        Unauthorized = 401, "Unauthorized";
        PaymentRequired = 402, "PaymentRequired";
        Forbidden = 403, "Forbidden";
        NotFound = 404, "NotFound";
        MethodNotAllowed = 405, "MethodNotAllowed";
        NotAcceptable = 406, "NotAcceptable";
        ProxyAuthenticationRequired = 407, "ProxyAuthenticationRequired";
        RequestTimeout = 408, "RequestTimeout";
        Conflict = 409, "Conflict";
        Gone = 410, "Gone";
        LengthRequired = 411, "LengthRequired";
        PreconditionFailed = 412, "PreconditionFailed";
        PayloadTooLarge = 413, "PayloadTooLarge";
        UriTooLong = 414, "URITooLong";
        UnsupportedMediaType = 415, "UnsupportedMediaType";
        RangeNotSatisfiable = 416, "RangeNotSatisfiable";
        ExpectationFailed = 417, "ExpectationFailed";
        MisdirectedRequest = 421, "MisdirectedRequest";
        UnprocessableEntity = 422, "UnprocessableEntity";
        Locked = 423, "Locked";
        FailedDependency = 424, "FailedDependency";
        UpgradeRequired = 426, "UpgradeRequired";
        PreconditionRequired = 428, "PreconditionRequired";
        TooManyRequests = 429, "TooManyRequests";
        RequestHeaderFieldsTooLarge = 431, "RequestHeaderFieldsTooLarge";
        InternalServerError = 500, "InternalServerError";
        NotImplemented = 501, "NotImplemented";
        BadGateway = 502, "BadGateway";
        ServiceUnavailable = 503, "ServiceUnavailable";
        GatewayTimeout = 504, "GatewayTimeout";
        HttpVersionNotSupported = 505, "HTTPVersionNotSupported";
        VariantAlsoNegotiates = 506, "VariantAlsoNegotiates";
        InsufficientStorage = 507, "InsufficientStorage";
        LoopDetected = 508, "LoopDetected";
        NotExtended = 510, "NotExtended";
        NetworkAuthenticationRequired = 511, "NetworkAuthenticationRequired";
    }
}

/// Types inside [`FractionalPercent`](super::FractionalPercent).
pub mod fractional_percent {
    enums! {
        DenominatorType = "envoy.type.v3.FractionalPercent.DenominatorType" {
            Hundred = 0, "HUNDRED";
            TenThousand = 1, "TEN_THOUSAND";
            Million = 2, "MILLION";
        }
    }
}

/// Types inside [`RateLimitStrategy`](super::RateLimitStrategy).
pub mod rate_limit_strategy {
    messages! {
        RequestsPerTimeUnit = "envoy.type.v3.RateLimitStrategy.RequestsPerTimeUnit" {
            requests_per_time_unit: u64 = [uint64, tag = 1],
            time_unit: i32 = [enumeration(super::RateLimitUnit), tag = 2],
        }
    }

    enums! {
        BlanketRule = "envoy.type.v3.RateLimitStrategy.BlanketRule" {
            AllowAll = 0, "ALLOW_ALL";
            DenyAll = 1, "DENY_ALL";
        }
    }

    oneofs! {
        Strategy = "envoy.type.v3.RateLimitStrategy.strategy" {
            blanket_rule => BlanketRule(i32) = [enumeration(BlanketRule), tag = 1],
            requests_per_time_unit => RequestsPerTimeUnit(RequestsPerTimeUnit) = [message, tag = 2],
            token_bucket => TokenBucket(super::TokenBucket) = [message, tag = 3],
        }
    }
}

/// Types inside [`HashPolicy`](super::HashPolicy).
pub mod hash_policy {
    messages! {
        SourceIp = "envoy.type.v3.HashPolicy.SourceIp" {}
        FilterState = "envoy.type.v3.HashPolicy.FilterState" {
            key: String = [string, tag = 1],
        }
    }

    oneofs! {
        PolicySpecifier = "envoy.type.v3.HashPolicy.policy_specifier" {
            source_ip => SourceIp(SourceIp) = [message, tag = 1],
            filter_state => FilterState(FilterState) = [message, tag = 2],
        }
    }
}
