//! The only clock of the data path: moments for decisions, the `date` header for responses.

use std::cell::{Cell, RefCell};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use traffic::Moment;

/// Counts from the start of the proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting.
    pub(crate) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Now, as `traffic` wants it.
    pub(crate) fn now(self) -> Moment {
        Moment::after_start(self.start.elapsed())
    }

    /// Seconds since the start.
    pub(crate) fn uptime_seconds(self) -> u64 {
        self.start.elapsed().as_secs()
    }
}

/// What values of headers may tell of the world: asked only by those that do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    started: tokio::time::Instant,
}

impl World {
    /// As a request that began then sees it.
    pub(crate) fn since(started: tokio::time::Instant) -> World {
        World { started }
    }
}

impl traffic::Outside for World {
    fn started(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(self.started.elapsed())
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn hostname(&self) -> Option<String> {
        static NAME: OnceLock<Option<String>> = OnceLock::new();
        let read = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        NAME.get_or_init(|| read().map(|name| name.trim().to_owned())).clone()
    }
}

/// The text of the `date` header, made once a second per worker.
#[derive(Debug, Default)]
pub(crate) struct Date {
    second: Cell<u64>,
    text: RefCell<String>,
}

impl Date {
    /// Gives the text of this second to `with`.
    pub(crate) fn now(&self, with: impl FnOnce(&str)) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if self.second.replace(since) != since {
            *self.text.borrow_mut() = http_date(since);
        }
        with(&self.text.borrow());
    }
}

/// Seconds since 1970 as RFC 9110 section 5.6.7 writes them.
fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = seconds / 86_400;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or_default()];
    // Civil date of a day count: eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12;
    let year = year_of_era + era * 400 + u64::from(month < 2);
    let month = MONTHS[usize::try_from(month).unwrap_or_default()];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::http_date;

    #[test]
    fn dates_are_those_of_the_rfc() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT"),
            (1_767_225_600, "Thu, 01 Jan 2026 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(seconds), text);
        }
    }
}
