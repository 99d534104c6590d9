//! Moments as text, by formats of `strftime` in UTC. Spec: Envoy, `%START_TIME%`.

use std::time::Duration;

/// A format, prepared.
#[derive(Clone, Debug)]
pub(crate) struct TimeFormat(Box<[Part]>);

#[derive(Clone, Debug)]
enum Part {
    Text(Box<str>),
    Field(Field),
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Year,
    ShortYear,
    Month,
    Day,
    PaddedDay,
    DayOfYear,
    Hour,
    Hour12,
    Half,
    Minute,
    Second,
    /// Seconds, and so many digits of their fraction.
    SecondWith(usize),
    Weekday {
        long: bool,
    },
    WeekdayNumber,
    MonthName {
        long: bool,
    },
    Epoch,
    /// So many digits of the fraction of the second.
    Fraction(usize),
}

/// The form that ISO 8601 gives it, with milliseconds.
const DEFAULT: &str = "%Y-%m-%dT%H:%M:%E3SZ";
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment as people write it.
struct Civil {
    year: u64,
    month: usize,
    day: u64,
    weekday: usize,
    day_of_year: u64,
    second_of_day: u64,
}

impl TimeFormat {
    /// Reads a format; an empty one is the default.
    pub(super) fn parse(format: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = if format.is_empty() { DEFAULT } else { format };
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            let (field, len) = specifier(&rest[at + 1..]).ok_or_else(|| {
                format!("the time format {format:?} is not supported at {:?}", &rest[at..])
            })?;
            rest = &rest[at + 1 + len..];
            match field {
                Specifier::Text(plain) => text.push_str(plain),
                Specifier::Field(field) => {
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text).into()));
                    }
                    parts.push(Part::Field(field));
                }
                Specifier::Several(formats) => {
                    let TimeFormat(inner) = Self::parse(formats)?;
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text).into()));
                    }
                    parts.extend(inner);
                }
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text.into()));
        }
        Ok(Self(parts.into()))
    }

    /// Appends a moment, given as the time since 1970.
    pub(super) fn write(&self, since: Duration, out: &mut Vec<u8>) {
        let civil = Civil::of(since.as_secs());
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Field(field) => out.extend(field.text(&civil, since).bytes()),
            }
        }
    }
}

/// What a specifier stands for.
enum Specifier {
    Text(&'static str),
    Field(Field),
    Several(&'static str),
}

/// What a specifier stands for, and how long it is without its percent sign.
fn specifier(text: &str) -> Option<(Specifier, usize)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| {
        let digit = bytes.get(at).filter(|byte| byte.is_ascii_digit())?;
        Some(usize::from(digit - b'0'))
    };
    let first = *bytes.first()?;
    if let (Some(digits @ 1..), Some(b'f')) = (digit(0), bytes.get(1)) {
        return Some((Specifier::Field(Field::Fraction(digits)), 2));
    }
    if let (b'E', Some(digits), Some(b'S')) = (first, digit(1), bytes.get(2)) {
        return Some((Specifier::Field(Field::SecondWith(digits)), 3));
    }
    let field = match first {
        b'Y' => Field::Year,
        b'y' => Field::ShortYear,
        b'm' => Field::Month,
        b'd' => Field::Day,
        b'e' => Field::PaddedDay,
        b'j' => Field::DayOfYear,
        b'H' => Field::Hour,
        b'I' => Field::Hour12,
        b'p' => Field::Half,
        b'M' => Field::Minute,
        b'S' => Field::Second,
        b'a' => Field::Weekday { long: false },
        b'A' => Field::Weekday { long: true },
        b'w' => Field::WeekdayNumber,
        b'b' | b'h' => Field::MonthName { long: false },
        b'B' => Field::MonthName { long: true },
        b's' => Field::Epoch,
        b'f' => Field::Fraction(9),
        b'F' => return Some((Specifier::Several("%Y-%m-%d"), 1)),
        b'T' => return Some((Specifier::Several("%H:%M:%S"), 1)),
        b'R' => return Some((Specifier::Several("%H:%M"), 1)),
        b'D' => return Some((Specifier::Several("%m/%d/%y"), 1)),
        b'z' => return Some((Specifier::Text("+0000"), 1)),
        b'Z' => return Some((Specifier::Text("UTC"), 1)),
        b'%' => return Some((Specifier::Text("%"), 1)),
        _ => return None,
    };
    Some((Specifier::Field(field), 1))
}

impl Field {
    fn text(self, civil: &Civil, since: Duration) -> String {
        let (hour, minute, second) =
            (civil.second_of_day / 3600, civil.second_of_day / 60 % 60, civil.second_of_day % 60);
        let fraction = |digits: usize| format!("{:09}", since.subsec_nanos())[..digits].to_owned();
        let name = |all: &[&str], at: usize, long: bool| {
            let whole = all.get(at).copied().unwrap_or_default();
            whole[..if long { whole.len() } else { whole.len().min(3) }].to_owned()
        };
        match self {
            Self::Year => civil.year.to_string(),
            Self::ShortYear => format!("{:02}", civil.year % 100),
            Self::Month => format!("{:02}", civil.month),
            Self::Day => format!("{:02}", civil.day),
            Self::PaddedDay => format!("{:2}", civil.day),
            Self::DayOfYear => format!("{:03}", civil.day_of_year),
            Self::Hour => format!("{hour:02}"),
            Self::Hour12 => format!("{:02}", (hour + 11) % 12 + 1),
            Self::Half => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Self::Minute => format!("{minute:02}"),
            Self::Second | Self::SecondWith(0) => format!("{second:02}"),
            Self::SecondWith(digits) => format!("{second:02}.{}", fraction(digits)),
            Self::Weekday { long } => name(&WEEKDAYS, civil.weekday, long),
            Self::WeekdayNumber => civil.weekday.to_string(),
            Self::MonthName { long } => name(&MONTHS, civil.month - 1, long),
            Self::Epoch => since.as_secs().to_string(),
            Self::Fraction(digits) => fraction(digits),
        }
    }
}

impl Civil {
    /// Of seconds since 1970: eras of 400 years that begin on 1 March.
    fn of(seconds: u64) -> Self {
        let days = seconds / 86_400;
        let shifted = days + 719_468;
        let of_era = shifted % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = (shifted_month + 2) % 12;
        let year = year_of_era + shifted / 146_097 * 400 + u64::from(month < 2);
        let is_leap =
            year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let (january, february) = (31, 28 + u64::from(is_leap));
        // Days are counted from March there.
        let of_year = if month < 2 { day_of_year - 306 } else { day_of_year + january + february };
        Self {
            year,
            month: usize::try_from(month).unwrap_or_default() + 1,
            day,
            weekday: usize::try_from((days + 4) % 7).unwrap_or_default(),
            day_of_year: of_year + 1,
            second_of_day: seconds % 86_400,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(format: &str, seconds: u64, nanos: u32) -> String {
        let mut out = Vec::new();
        TimeFormat::parse(format).unwrap().write(Duration::new(seconds, nanos), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn moments_are_written_as_the_format_says() {
        for (format, expected) in [
            ("", "2024-02-29T23:04:05.006Z"),
            ("%F %T", "2024-02-29 23:04:05"),
            ("%D %R %I%p", "02/29/24 23:04 11PM"),
            ("%s.%3f", "1709247845.006"),
            ("%f %E6S", "006007008 05.006007"),
            ("%a %A %w, %e %b %B %j", "Thu Thursday 4, 29 Feb February 060"),
            ("%z %Z %%", "+0000 UTC %"),
        ] {
            assert_eq!(told(format, 1_709_247_845, 6_007_008), expected, "{format}");
        }
        assert_eq!(told("%F %j %I%p", 0, 0), "1970-01-01 001 12AM");
        assert_eq!(told("%F %j", 1_767_225_599, 0), "2025-12-31 365");
        assert!(TimeFormat::parse("%Q").is_err());
        assert!(TimeFormat::parse("%").is_err());
    }
}
