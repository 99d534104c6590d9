//! Headers of which a message has one line: further ones are joined to it. Spec: Envoy's inline headers.

/// Which message a header belongs to: the lists differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A request.
    Request,
    /// A response.
    Response,
}

impl Side {
    /// What stands between the lines of this name (in lower case) once they are joined; `None` when each stays.
    #[must_use]
    pub fn joins(self, name: &str) -> Option<&'static str> {
        let is_inline = match self {
            Self::Request => is_of_request(name),
            Self::Response => is_of_response(name),
        };
        (is_inline || is_of_both(name)).then_some(",")
    }
}

fn is_of_both(name: &str) -> bool {
    matches!(
        name,
        "cache-control"
            | "content-encoding"
            | "content-type"
            | "proxy-status"
            | "via"
            | "x-envoy-attempt-count"
            | "x-envoy-decorator-operation"
            | "x-request-id"
    )
}

fn is_of_request(name: &str) -> bool {
    matches!(
        name,
        "accept"
            | "accept-encoding"
            | "access-control-request-headers"
            | "access-control-request-method"
            | "access-control-request-private-network"
            | "authorization"
            | "cdn-loop"
            | "expect"
            | "grpc-accept-encoding"
            | "grpc-timeout"
            | "if-match"
            | "if-modified-since"
            | "if-none-match"
            | "if-range"
            | "if-unmodified-since"
            | "origin"
            | "pragma"
            | "referer"
            | "te"
            | "user-agent"
            | "x-client-trace-id"
            | "x-envoy-downstream-service-cluster"
            | "x-envoy-downstream-service-node"
            | "x-envoy-expected-rq-timeout-ms"
            | "x-envoy-external-address"
            | "x-envoy-force-trace"
            | "x-envoy-hedge-on-per-try-timeout"
            | "x-envoy-internal"
            | "x-envoy-ip-tags"
            | "x-envoy-is-timeout-retry"
            | "x-envoy-max-retries"
            | "x-envoy-original-host"
            | "x-envoy-original-path"
            | "x-envoy-original-url"
            | "x-envoy-retriable-header-names"
            | "x-envoy-retriable-status-codes"
            | "x-envoy-retry-grpc-on"
            | "x-envoy-retry-on"
            | "x-envoy-upstream-alt-stat-name"
            | "x-envoy-upstream-rq-per-try-timeout-ms"
            | "x-envoy-upstream-rq-timeout-alt-response"
            | "x-envoy-upstream-rq-timeout-ms"
            | "x-envoy-upstream-stream-duration-ms"
            | "x-forwarded-client-cert"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-port"
            | "x-forwarded-proto"
    )
}

fn is_of_response(name: &str) -> bool {
    matches!(
        name,
        "access-control-allow-credentials"
            | "access-control-allow-headers"
            | "access-control-allow-methods"
            | "access-control-allow-origin"
            | "access-control-allow-private-network"
            | "access-control-expose-headers"
            | "access-control-max-age"
            | "age"
            | "date"
            | "etag"
            | "expires"
            | "grpc-message"
            | "grpc-status"
            | "last-modified"
            | "location"
            | "server"
            | "vary"
            | "x-envoy-degraded"
            | "x-envoy-immediate-health-check-fail"
            | "x-envoy-ratelimited"
            | "x-envoy-upstream-canary"
            | "x-envoy-upstream-healthchecked-cluster"
            | "x-envoy-upstream-service-time"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_has_its_own_list() {
        for (name, of_request, of_response) in [
            ("x-forwarded-for", true, false),
            ("user-agent", true, false),
            ("vary", false, true),
            ("content-type", true, true),
            ("cookie", false, false),
            ("set-cookie", false, false),
            ("x-a", false, false),
        ] {
            assert_eq!(Side::Request.joins(name).is_some(), of_request, "{name}");
            assert_eq!(Side::Response.joins(name).is_some(), of_response, "{name}");
        }
    }
}
