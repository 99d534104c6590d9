//! Changes to headers, as data that the codec applies.

use std::{net::IpAddr, time::Duration};

/// What an edit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Adds another header of this name, after those that exist.
    Append,
    /// Appends to the last value of the name, after `, `; adds the header when there is none.
    Join,
    /// Adds the header unless the name is there.
    AddIfAbsent,
    /// Removes all headers of this name and adds one.
    Set,
    /// As `Set`, but only when the name is there.
    SetIfPresent,
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
fn write_number(mut number: u64, out: &mut Vec<u8>) {
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
