//! The settings of a built-in image, read from its container's environment.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::Context as _;

/// What the environment of the container says.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// Takes the environment as pairs of name and value.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: values.into_iter().collect() }
    }

    /// The text of one setting; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A switch: `true`, `on`, `1`, `yes` or `false`, `off`, `0`, `no`.
    pub(crate) fn switch(&self, name: &str, default: bool) -> anyhow::Result<bool> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "on" | "1" | "yes") => Ok(true),
            Some("false" | "off" | "0" | "no") => Ok(false),
            Some(other) => anyhow::bail!("{name}={other:?}: say true or false"),
        }
    }

    /// A number, such as a port, a share or requests a second.
    pub(crate) fn number(&self, name: &str, default: f64) -> anyhow::Result<f64> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number: f64 = text.parse().with_context(|| format!("{name}={text:?}: not a number"))?;
        anyhow::ensure!(number.is_finite() && number >= 0.0, "{name}={text:?}: at least 0");
        Ok(number)
    }

    /// A latency: `50ms`, `1.5s`, or a range `10ms-80ms` from which each request draws.
    pub(crate) fn latency(&self, name: &str) -> anyhow::Result<(Duration, Duration)> {
        let Some(text) = self.text(name) else { return Ok((Duration::ZERO, Duration::ZERO)) };
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let (low, high) = (duration(low), duration(high));
        let (Some(low), Some(high)) = (low, high) else {
            anyhow::bail!("{name}={text:?}: say 50ms, 1.5s or a range such as 10ms-80ms");
        };
        anyhow::ensure!(low <= high, "{name}={text:?}: the range runs backwards");
        Ok((low, high))
    }

    /// Where to listen: every address of the pod, port `PORT` (8080 unless said).
    pub(crate) fn listen(&self) -> anyhow::Result<SocketAddr> {
        let text = self.text("PORT").unwrap_or("8080");
        let port: u16 = text.parse().with_context(|| format!("PORT={text:?}: not a port"))?;
        Ok(SocketAddr::from(([0, 0, 0, 0], port)))
    }
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s')?, 1.0),
    };
    Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_a_length_or_a_range() {
        let settings = |text: &str| Settings::new([("LATENCY".to_owned(), text.to_owned())]);
        let ms = Duration::from_millis;
        assert_eq!(settings("50ms").latency("LATENCY").unwrap(), (ms(50), ms(50)));
        assert_eq!(settings("10ms-1.5s").latency("LATENCY").unwrap(), (ms(10), ms(1500)));
        assert!(settings("9").latency("LATENCY").is_err());
        assert!(settings("80ms-10ms").latency("LATENCY").is_err());
        assert_eq!(settings("").latency("LATENCY").unwrap(), (ms(0), ms(0)));
    }
}
