//! What a certificate says of its holder: alternative names and subject.

use std::fmt::Write as _;
use std::net::IpAddr;

use traffic::tls::NameKind;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

/// What a certificate says of its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) uris: Vec<String>,
    pub(crate) dns: Vec<String>,
    emails: Vec<String>,
    ips: Vec<String>,
    /// As RFC 2253 writes it.
    pub(crate) subject: String,
}

impl Names {
    /// Nothing for what is no certificate.
    pub(crate) fn of(der: &[u8]) -> Names {
        let mut names = Names::default();
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return names };
        names.subject = distinguished(certificate.subject());
        let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return names };
        for name in &alternative.value.general_names {
            match name {
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                GeneralName::DNSName(dns) => names.dns.push((*dns).to_owned()),
                GeneralName::RFC822Name(mail) => names.emails.push((*mail).to_owned()),
                GeneralName::IPAddress(bytes) => names.ips.extend(ip(bytes)),
                _ => {}
            }
        }
        names
    }

    /// All alternative names, each with its kind.
    pub(crate) fn all(&self) -> impl Iterator<Item = (NameKind, &str)> {
        let dns = self.dns.iter().map(|name| (NameKind::Dns, name.as_str()));
        let uris = self.uris.iter().map(|name| (NameKind::Uri, name.as_str()));
        let emails = self.emails.iter().map(|name| (NameKind::Email, name.as_str()));
        let ips = self.ips.iter().map(|name| (NameKind::Ip, name.as_str()));
        dns.chain(uris).chain(emails).chain(ips)
    }
}

fn ip(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let ip = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    ip.ok().map(|ip| ip.to_string())
}

/// A distinguished name as RFC 2253 writes it: the last part first.
fn distinguished(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.into_iter().rev() {
        if !text.is_empty() {
            text.push(',');
        }
        for (at, attribute) in part.iter().enumerate() {
            if at > 0 {
                text.push('+');
            }
            let oid = attribute.attr_type().to_id_string();
            text.push_str(short(&oid).unwrap_or(&oid));
            text.push('=');
            match attribute.as_str() {
                Ok(value) => escape(value, &mut text),
                Err(_) => {
                    text.push('#');
                    for byte in attribute.as_slice() {
                        let _ = write!(text, "{byte:02X}");
                    }
                }
            }
        }
    }
    text
}

fn short(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// Spec: RFC 2253, section 2.4.
fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let at_edge = (at == 0 && matches!(c, ' ' | '#')) || (at == last && c == ' ');
        if at_edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            text.push('\\');
            text.push(c);
        } else if c.is_control() || !c.is_ascii() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(text, "\\{byte:02X}");
            }
        } else {
            text.push(c);
        }
    }
}
