//! Changes to headers, as data that the codec applies.

use std::{borrow::Cow, net::IpAddr, time::Duration};

/// What an edit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Adds another header of this name, after those that exist.
    Append,
    /// Appends to the last value of the name, after this separator; adds the header when there is none.
    Join(&'static str),
    /// Adds the header unless the name is there.
    AddIfAbsent,
    /// Removes all headers of this name and adds one.
    Set,
    /// Removes all headers of this name.
    Remove,
}

/// One change to the headers of a message. Edits are applied in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// What to do.
    pub action: Action,
    /// The name, in lower case; never a pseudo header or `host`.
    pub name: &'a str,
    /// The value; empty for `Remove`.
    pub value: Value<'a>,
}

impl<'a> Edit<'a> {
    pub(crate) const fn set(name: &'a str, value: Value<'a>) -> Self {
        Self { action: Action::Set, name, value }
    }

    pub(crate) const fn remove(name: &'a str) -> Self {
        Self { action: Action::Remove, name, value: Value::Bytes(b"") }
    }
}

/// Headers that can be looked up; where they are a request's, pseudo headers and `host` as well.
pub trait Headers {
    /// The first value of a header; the name is in lower case.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

/// Headers while they are edited. Names are in lower case and are no pseudo headers; values hold no line breaks.
pub trait Editable: Headers {
    /// Adds a header after those that exist.
    fn add(&mut self, name: &str, value: &[u8]);
    /// Removes all headers of this name and adds one.
    fn set(&mut self, name: &str, value: &[u8]);
    /// Removes all headers of this name.
    fn remove_all(&mut self, name: &str);
    /// Appends to the last value of this name, or adds the header.
    fn join(&mut self, name: &str, value: &[u8], separator: &str);
}

/// The head of a request while it is edited.
pub trait EditableHead: Editable {
    /// Sets path and query.
    fn set_path(&mut self, path: &str);
    /// Sets the authority.
    fn set_authority(&mut self, authority: &str);
}

/// What the value of a header may tell of the world outside.
pub trait Outside {
    /// When the request began, since 1970 (UTC).
    fn started(&self) -> Duration;
    /// A variable of the environment.
    fn environment(&self, name: &str) -> Option<String>;
    /// The name of this machine.
    fn hostname(&self) -> Option<String>;
}

/// A world about which nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

impl Outside for Nowhere {
    fn started(&self) -> Duration {
        Duration::ZERO
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }

    fn hostname(&self) -> Option<String> {
        None
    }
}

/// Applies edits in order.
pub fn apply<'e>(headers: &mut impl Editable, edits: impl IntoIterator<Item = Edit<'e>>) {
    let mut made = Vec::new();
    for Edit { action, name, value } in edits {
        let value = match value {
            Value::Bytes(bytes) => bytes,
            other => {
                made.clear();
                // A UUID is the longest of them.
                made.reserve(40);
                other.write(&mut made);
                &made
            }
        };
        match action {
            Action::Append => headers.add(name, value),
            Action::Join(separator) => headers.join(name, value, separator),
            Action::AddIfAbsent if headers.header(name).is_some() => {}
            Action::AddIfAbsent => headers.add(name, value),
            Action::Set => headers.set(name, value),
            Action::Remove => headers.remove_all(name),
        }
    }
}

impl Headers for Vec<(Cow<'static, str>, Vec<u8>)> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

impl Editable for Vec<(Cow<'static, str>, Vec<u8>)> {
    fn add(&mut self, name: &str, value: &[u8]) {
        self.push((Cow::Owned(name.to_owned()), value.to_vec()));
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove_all(name);
        self.add(name, value);
    }

    fn remove_all(&mut self, name: &str) {
        self.retain(|(key, _)| key != name);
    }

    fn join(&mut self, name: &str, value: &[u8], separator: &str) {
        match self.iter_mut().rfind(|(key, _)| key == name) {
            Some((_, old)) => {
                old.extend_from_slice(separator.as_bytes());
                old.extend_from_slice(value);
            }
            None => self.add(name, value),
        }
    }
}

/// The value of an edit. It is written straight into the codec's buffer, so that none needs the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A decimal number.
    Number(u64),
    /// An IP address.
    Address(IpAddr),
    /// A random UUID of version 4, in its usual form.
    Uuid([u8; 16]),
    /// A time as `grpc-timeout` writes it.
    GrpcTimeout(Duration),
}

impl Value<'_> {
    /// Appends the value to a buffer.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Number(number) => write_number(*number, out),
            Self::Address(IpAddr::V4(address)) => {
                for (at, octet) in address.octets().into_iter().enumerate() {
                    if at != 0 {
                        out.push(b'.');
                    }
                    write_number(octet.into(), out);
                }
            }
            Self::Address(IpAddr::V6(address)) => {
                out.extend_from_slice(address.to_string().as_bytes());
            }
            Self::Uuid(random) => out.extend_from_slice(&uuid(*random)),
            Self::GrpcTimeout(time) => write_grpc_timeout(*time, out),
        }
    }

    /// The value as bytes of its own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

/// Appends a number in decimal digits.
pub(crate) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("a digit is below ten");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes a time in the finest unit from milliseconds on whose number has at most eight digits.
fn write_grpc_timeout(time: Duration, out: &mut Vec<u8>) {
    const MOST: u128 = 99_999_999;
    let millis = time.as_millis();
    let units = [(1, b'm'), (1000, b'S'), (60_000, b'M'), (3_600_000, b'H')];
    let fitting = units.into_iter().find(|(length, _)| millis / length <= MOST);
    let (length, unit) = fitting.unwrap_or((3_600_000, b'H'));
    let number = (millis / length).min(MOST);
    write_number(u64::try_from(number).unwrap_or(u64::MAX), out);
    out.push(unit);
}

/// Writes random bytes as a UUID. Spec: RFC 9562, version 4.
fn uuid(mut random: [u8; 16]) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (byte_idx, byte) in random.into_iter().enumerate() {
        if matches!(byte_idx, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_do_what_their_names_say() {
        let edit =
            |action, name, value: &'static [u8]| Edit { action, name, value: Value::Bytes(value) };
        let mut headers: Vec<(Cow<'static, str>, Vec<u8>)> = Vec::new();
        let edits = [
            edit(Action::Append, "a", b"1"),
            edit(Action::Append, "a", b"2"),
            edit(Action::AddIfAbsent, "a", b"3"),
            edit(Action::AddIfAbsent, "b", b"4"),
            edit(Action::Set, "c", b"5"),
            edit(Action::Set, "c", b"6"),
            edit(Action::Join(", "), "c", b"7"),
            edit(Action::Join(","), "e", b"8"),
            edit(Action::Append, "d", b"8"),
            edit(Action::Remove, "d", b""),
        ];
        apply(&mut headers, edits);
        let all: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        assert_eq!(all, ["a=1", "a=2", "b=4", "c=6, 7", "e=8"]);
    }

    fn text(value: &Value<'_>) -> String {
        String::from_utf8(value.to_vec()).unwrap()
    }

    #[test]
    fn values_are_written_as_people_write_them() {
        assert_eq!(text(&Value::Number(0)), "0");
        assert_eq!(text(&Value::Number(u64::MAX)), u64::MAX.to_string());
        assert_eq!(text(&Value::Address("10.0.255.1".parse().unwrap())), "10.0.255.1");
        assert_eq!(text(&Value::Address("fd00::1".parse().unwrap())), "fd00::1");
        for (seconds, expected) in [
            (1, "1000m"),
            (0, "0m"),
            (100_000, "100000S"),
            (6_000_000_000, "1666666H"),
            (u64::MAX, "99999999H"),
        ] {
            let timeout = Value::GrpcTimeout(Duration::from_secs(seconds));
            assert_eq!(text(&timeout), expected);
        }
        assert_eq!(text(&Value::Uuid([0xff; 16])), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
