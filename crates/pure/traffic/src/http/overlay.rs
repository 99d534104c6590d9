//! The request of an answer of our own, as values of headers see it.

use std::borrow::Cow;

use crate::{
    edits::{Editable, Headers},
    head::Head,
};

/// A head that came, and what was made of its headers and path since.
#[derive(Debug)]
pub(super) struct Overlay<'a> {
    head: &'a Head<'a>,
    headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    pub(super) path: Option<String>,
}

impl<'a> Overlay<'a> {
    /// A request without headers.
    pub(super) const fn new(head: &'a Head<'a>) -> Self {
        Self { head, headers: Vec::new(), path: None }
    }

    /// Takes the headers that came.
    pub(super) fn take_headers(&mut self) {
        let own = |name: &str| Cow::Owned(name.to_owned());
        self.headers.extend(self.head.headers.iter().map(|it| (own(it.name), it.value.to_vec())));
    }
}

impl Headers for Overlay<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        match (name, &self.path) {
            (":path", Some(path)) => Some(path.as_bytes()),
            _ if name.starts_with(':') || name == "host" => self.head.header(name),
            _ => self.headers.header(name),
        }
    }
}

impl Editable for Overlay<'_> {
    fn add(&mut self, name: &str, value: &[u8]) {
        self.headers.add(name, value);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.headers.set(name, value);
    }

    fn remove_all(&mut self, name: &str) {
        self.headers.remove_all(name);
    }

    fn join(&mut self, name: &str, value: &[u8], separator: &str) {
        self.headers.join(name, value, separator);
    }
}
