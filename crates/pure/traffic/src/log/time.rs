//! Points in time as a format wants them, in UTC.

use std::{fmt::Write as _, time::Duration};

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};

use crate::compile::Bad;

/// How a point in time is written: strftime's words, with Envoy's own for parts of seconds.
#[derive(Clone, Debug)]
pub(super) struct TimeFormat {
    /// Empty is the form of RFC 3339 with milliseconds.
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    /// strftime's.
    Words(String),
    /// So many digits of the second's fraction; `None` is as many as it takes.
    Fraction { digits: Option<usize>, whole: bool },
}

impl TimeFormat {
    /// Reads a format; an empty one is the default.
    pub(super) fn parse(text: &str) -> Result<Self, Bad> {
        let mut pieces = Vec::new();
        let mut words = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            words.push_str(&rest[..at]);
            let (word, after) = word(&rest[at..]);
            rest = after;
            let piece = match word.as_bytes() {
                [b'%', b'f'] => Some(Piece::Fraction { digits: Some(9), whole: false }),
                [b'%', digit @ b'1'..=b'9', b'f'] => {
                    let digits = usize::from(digit - b'0');
                    Some(Piece::Fraction { digits: Some(digits), whole: false })
                }
                [b'%', b'1'..=b'9', b's'] => {
                    words.push_str("%s");
                    continue;
                }
                [b'%', b'E', digits, kind @ (b'S' | b'f')] => {
                    let digits = match digits {
                        b'*' => None,
                        digit => Some(usize::from(digit.saturating_sub(b'0')).min(9)),
                    };
                    Some(Piece::Fraction { digits, whole: *kind == b'S' })
                }
                [b'%', b'E', b'z'] | [b'%', b'E', b'*', b'z'] => {
                    words.push_str(if word == "%Ez" { "+00:00" } else { "+00:00:00" });
                    continue;
                }
                [b'%', b'E', b'4', b'Y'] => {
                    words.push_str("%Y");
                    continue;
                }
                [b'%', b'E', b'T'] => {
                    words.push('T');
                    continue;
                }
                [.., b'n'] => {
                    return Err(Bad::new("", format!("{text:?} holds the end of a line")));
                }
                _ => None,
            };
            match piece {
                Some(piece) => {
                    if !words.is_empty() {
                        pieces.push(Piece::Words(std::mem::take(&mut words)));
                    }
                    pieces.push(piece);
                }
                None => words.push_str(word),
            }
        }
        words.push_str(rest);
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        let format = Self { pieces };
        match format.text(Duration::ZERO) {
            Some(_) => Ok(format),
            None => Err(Bad::new("", format!("{text:?} is no format of a time that we know"))),
        }
    }

    /// A point in time, counted from 1970.
    pub(super) fn write(&self, since: Duration, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text(since).unwrap_or_default().as_bytes());
    }

    fn text(&self, since: Duration) -> Option<String> {
        let seconds = i64::try_from(since.as_secs()).ok()?;
        let nanos = since.subsec_nanos();
        let stamp = Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()?;
        let mut text = String::new();
        if self.pieces.is_empty() {
            // Whole milliseconds, cut and not rounded.
            let cut = Timestamp::new(seconds, i32::try_from(nanos / 1_000_000 * 1_000_000).ok()?);
            write!(text, "{:.3}", cut.ok()?).ok()?;
            return Some(text);
        }
        for piece in &self.pieces {
            match piece {
                Piece::Words(words) => {
                    let when = stamp.to_zoned(TimeZone::UTC);
                    text.push_str(&strtime::format(words, &when).ok()?);
                }
                Piece::Fraction { digits, whole } => {
                    let all = format!("{nanos:09}");
                    let part = match digits {
                        Some(digits) => &all[..*digits],
                        None => all.trim_end_matches('0'),
                    };
                    if *whole {
                        write!(text, "{:02}", since.as_secs() % 60).ok()?;
                        if !part.is_empty() {
                            text.push('.');
                        }
                    }
                    text.push_str(part);
                }
            }
        }
        Some(text)
    }
}

/// The conversion at the start of a text, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let len = match bytes.get(1) {
        Some(b'E') => match bytes.get(2) {
            Some(b'*' | b'0'..=b'9') => 4,
            _ => 3,
        },
        Some(b'0'..=b'9' | b'-' | b'_' | b'^' | b'#' | b':') => 3,
        _ => 2,
    };
    text.split_at_checked(len.min(text.len())).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30T20:55:24.291219 UTC.
    const THEN: Duration = Duration::new(1_796_072_124, 291_219_000);

    fn told(format: &str) -> String {
        let mut out = Vec::new();
        TimeFormat::parse(format).unwrap().write(THEN, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_as_envoy_writes_them() {
        for (format, expected) in [
            ("", "2026-11-30T20:55:24.291Z"),
            ("%Y/%m/%dT%H:%M:%S", "2026/11/30T20:55:24"),
            ("%s", "1796072124"),
            ("%s.%f", "1796072124.291219000"),
            ("%3f|%1f|%9f", "291|2|291219000"),
            ("%3s|%6s", "1796072124|1796072124"),
            ("%E3S", "24.291"),
            ("%E*S %Ez %Z %a %b %e %j %k %p %I", "24.291219 +00:00 UTC Mon Nov 30 334 20 PM 08"),
            ("%H%%", "20%"),
        ] {
            assert_eq!(told(format), expected, "{format}");
        }
    }

    #[test]
    fn what_is_no_format_is_refused() {
        for format in ["%n", "%Y%-n", "%!", "%"] {
            assert!(TimeFormat::parse(format).is_err(), "{format}");
        }
    }
}
