//! Collects what is found wrong while one object is read.

use std::time::Duration;

use crate::findings::{Code, Finding};
use crate::model::route::Share;
use crate::world::{Key, Settings};

/// A part that cannot be used; the finding is already noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bad;

/// The findings about one object, with what is needed to read it.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    pub(super) key: Key,
    pub(super) settings: &'a Settings,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(key: Key, settings: &'a Settings, findings: &'a mut Vec<Finding>) -> Self {
        Notes { key, settings, findings }
    }

    /// The namespace in which names of this object are completed.
    pub(super) fn namespace(&self) -> &str {
        &self.key.namespace
    }

    pub(super) fn note(&mut self, code: Code, path: &str, text: impl Into<String>) {
        self.findings.push(Finding {
            object: self.key.clone(),
            code,
            path: path.to_owned(),
            text: text.into(),
        });
    }

    /// Notes something that cannot be, and gives the mark for it.
    pub(super) fn wrong(&mut self, path: &str, text: impl Into<String>) -> Bad {
        self.note(Code::SchemaValidationError, path, text);
        Bad
    }

    /// Notes a field that does nothing, if it is set.
    pub(super) fn ignored(&mut self, set: bool, path: &str) {
        if set {
            self.note(Code::FieldNotHonoured, path, "this field does nothing yet");
        }
    }

    /// Reads a duration; a bad one is noted and counts as absent.
    pub(super) fn duration(&mut self, path: &str, text: Option<&String>) -> Option<Duration> {
        let text = text.filter(|text| !text.is_empty())?;
        match kinds::words::duration(text) {
            Ok(duration) => Some(duration),
            Err(why) => {
                self.wrong(path, why);
                None
            }
        }
    }

    /// Reads a percentage, exact to a ten-thousandth of a percent.
    pub(super) fn share(&mut self, path: &str, percent: f64) -> Share {
        if !(0.0..=100.0).contains(&percent) {
            self.wrong(path, format!("{percent} is no percentage from 0 to 100"));
            return if percent > 100.0 { Share::ALL } else { Share::NONE };
        }
        Share(thousandths(percent * 10.0))
    }

    /// Reads a port number.
    pub(super) fn port(&mut self, path: &str, number: u32) -> Result<u16, Bad> {
        match u16::try_from(number) {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(self.wrong(path, format!("{number} is no port from 1 to 65535"))),
        }
    }

    /// Completes a host, after a look whether it can be one.
    pub(super) fn host(&mut self, path: &str, text: &str) -> Result<String, Bad> {
        let host = crate::host::resolve(text, self.namespace(), &self.settings.domain);
        let name = host.strip_prefix('*').unwrap_or(&host);
        let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
        if host.is_empty() || !fits || host.len() > 253 {
            return Err(self.wrong(path, format!("{text:?} is no host name")));
        }
        Ok(host)
    }
}

/// A non-negative number in thousandths; what does not fit is the nearest that does.
pub(super) fn thousandths(number: f64) -> u32 {
    let scaled = (number * 1000.0).round().clamp(0.0, f64::from(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped above")]
    let whole = scaled as u32;
    whole
}
