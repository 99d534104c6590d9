//! Reading the small languages inside fields: durations, percents, quantities, hosts, names; and the word that was meant.

mod near;

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
pub use near::nearest;

/// Reads a duration as Go and Istio write it: `1h1m1s1ms`, `1.5s`, `0`.
///
/// # Errors
/// The text is empty, negative, lacks a unit or has one that does not exist.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no duration (write it like \"1h30m\", \"5s\" or \"100ms\")");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(bad());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let width = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(width);
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(bad()),
        };
        total = total.checked_add(scaled(number, nanos).ok_or_else(bad)?).ok_or_else(bad)?;
        rest = tail;
    }
    Ok(total)
}

/// `number` (with or without a fraction) times a unit of `nanos`; exact down to a nanosecond.
fn scaled(number: &str, nanos: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(nanos)?;
    let mut place = nanos;
    for digit in fraction.chars() {
        place /= 10;
        total = total.checked_add(u64::from(digit.to_digit(10)?) * place)?;
    }
    Some(Duration::from_nanos(total))
}

/// Reads `25%` as 25.
///
/// # Errors
/// The text is not a whole number followed by `%`.
pub fn percent(text: &str) -> Result<u32, String> {
    text.strip_suffix('%')
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| format!("{text:?} is no percentage (write it like \"25%\")"))
}

/// A count, or a share of `total` that is rounded up or down, as in `maxSurge`; at least 0.
///
/// # Errors
/// The text is not a percentage.
pub fn count_of(value: &IntOrString, total: u32, round_up: bool) -> Result<u32, String> {
    match value {
        IntOrString::Int(count) => Ok(u32::try_from(*count).unwrap_or(0)),
        IntOrString::String(text) => {
            let share = u64::from(percent(text)?) * u64::from(total);
            let count = if round_up { share.div_ceil(100) } else { share / 100 };
            Ok(u32::try_from(count).unwrap_or(u32::MAX))
        }
    }
}

/// Reads a quantity (`100m`, `64Mi`, `1.5`, `2e3`) in thousandths, rounded up.
///
/// # Errors
/// The text is not a number with a suffix that exists.
pub fn quantity(text: &str) -> Result<i128, String> {
    let bad = || format!("{text:?} is no quantity (write it like \"100m\", \"0.5\" or \"64Mi\")");
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (multiplier, divisor): (i128, i128) = match suffix {
        "" => (1_000, 1),
        "n" => (1, 1_000_000),
        "u" => (1, 1_000),
        "m" => (1, 1),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (1_000_000_000_000, 1),
        "T" => (1_000_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000_000, 1),
        "Ki" => (1_000 << 10, 1),
        "Mi" => (1_000 << 20, 1),
        "Gi" => (1_000 << 30, 1),
        "Ti" => (1_000 << 40, 1),
        "Pi" => (1_000 << 50, 1),
        "Ei" => (1_000 << 60, 1),
        _ => {
            let exponent: i32 =
                suffix.strip_prefix(['e', 'E']).and_then(|e| e.parse().ok()).ok_or_else(bad)?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs()).ok_or_else(bad)?;
            if exponent < 0 { (1_000, power) } else { (power.saturating_mul(1_000), 1) }
        }
    };
    let (negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let value: i128 = digits.parse().map_err(|_| bad())?;
    let places = u32::try_from(fraction.len()).map_err(|_| bad())?;
    let divisor =
        10_i128.checked_pow(places).and_then(|p| p.checked_mul(divisor)).ok_or_else(bad)?;
    let value = value.checked_mul(multiplier).ok_or_else(bad)?;
    let thousandths = value / divisor + i128::from(value % divisor != 0);
    Ok(if negative { -thousandths } else { thousandths })
}

/// The full name of a host: a name without a dot belongs to `namespace`.
///
/// `reviews` in `default` is `reviews.default.svc.cluster.local`; `*` and dotted names stay.
#[must_use]
pub fn full_host(host: &str, namespace: &str) -> String {
    if host.contains('.') || host == "*" || host.is_empty() {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.cluster.local")
    }
}

/// Whether `pattern` (a name, `*`, or `*.` and a name) covers `host`, which may be a pattern too.
#[must_use]
pub fn host_covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.strip_prefix('*').unwrap_or(host).ends_with(suffix),
        None => pattern == host,
    }
}

/// Whether the text is a DNS label (RFC 1123): at most 63 of `a-z0-9-`, no `-` at either end.
#[must_use]
pub fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

/// Whether the text is a DNS label (RFC 1035): as [`is_label`], but it begins with a letter.
#[must_use]
pub fn is_letter_label(text: &str) -> bool {
    is_label(text) && text.as_bytes()[0].is_ascii_lowercase()
}

/// Whether the text is a DNS subdomain: at most 253, labels (of any length) joined by dots.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Whether the text is a port name (IANA service name): 1 to 15 of `a-z0-9-` with a letter,
/// no `-` at either end and no two together.
#[must_use]
pub fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && is_label(text)
        && !text.contains("--")
        && text.bytes().any(|b| b.is_ascii_lowercase())
}

/// Whether the text may be the value of a label.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    text.is_empty() || (text.len() <= 63 && is_qualified(text))
}

/// Whether the text is the name part of a label's key: alphanumeric ends, `-_.` between.
#[must_use]
pub fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes[0].is_ascii_alphanumeric()
        && bytes[bytes.len() - 1].is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("1h1m1s1ms", 3_661_001),
            ("1.5s", 1_500),
            (".5s", 500),
            ("2m", 120_000),
            ("+3s", 3_000),
            ("1000us", 1),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1x", "1s2", ".s", "1..2s", "99999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_round_as_asked() {
        let quarter = IntOrString::String("25%".into());
        assert_eq!(count_of(&quarter, 3, true), Ok(1));
        assert_eq!(count_of(&quarter, 3, false), Ok(0));
        assert_eq!(count_of(&IntOrString::Int(2), 3, false), Ok(2));
        assert_eq!(count_of(&IntOrString::Int(-2), 3, false), Ok(0));
        assert!(count_of(&IntOrString::String("many".into()), 3, false).is_err());
    }

    #[test]
    fn quantities_are_thousandths_rounded_up() {
        for (text, thousandths) in [
            ("100m", 100),
            ("0.5", 500),
            ("1", 1_000),
            ("64Mi", 67_108_864_000),
            ("2e3", 2_000_000),
            ("1500u", 2),
            ("-1", -1_000),
            ("1k", 1_000_000),
        ] {
            assert_eq!(quantity(text), Ok(thousandths), "{text}");
        }
        for text in ["", "m", "1x", "1.2.3", "1e99", "--1"] {
            assert!(quantity(text).is_err(), "{text}");
        }
    }

    #[test]
    fn wildcards_cover_what_ends_alike() {
        assert!(host_covers("*", "a.b"));
        assert!(host_covers("*.b", "a.b"));
        assert!(host_covers("*.b", "*.a.b"));
        assert!(!host_covers("*.b", "b"));
        assert!(!host_covers("a.b", "*.b"));
        assert_eq!(full_host("reviews", "shop"), "reviews.shop.svc.cluster.local");
        assert_eq!(full_host("reviews.shop", "x"), "reviews.shop");
    }

    #[test]
    fn names_are_told_apart() {
        assert!(is_label("0a-b") && !is_letter_label("0a-b") && is_letter_label("a0"));
        assert!(!is_label("a.b") && is_subdomain("a.b") && !is_subdomain("a..b"));
        assert!(!is_subdomain("A") && !is_subdomain("-a") && !is_subdomain(""));
        assert!(is_port_name("http-web") && !is_port_name("8080") && !is_port_name("a--b"));
        assert!(is_label_value("") && is_label_value("A_b.c") && !is_label_value("-a"));
    }
}
