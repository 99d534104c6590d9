//! A request that somebody might make.

use std::fmt;

/// Who makes the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A pod with a sidecar, by namespace and name.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name; a pod that does not exist has no labels.
        name: String,
    },
    /// Somebody outside, at the ingress gateway.
    Gateway,
}

impl Caller {
    /// Reads `namespace/pod` or `gateway`.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub fn read(from: &str) -> Result<Self, String> {
        match from.trim().split_once('/') {
            None if from.trim() == "gateway" => Ok(Self::Gateway),
            Some((namespace, name)) => {
                Ok(Self::Pod { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            None => Err(format!("{from:?}: say NAMESPACE/POD, or gateway")),
        }
    }
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scheme {
    /// HTTP without TLS.
    #[default]
    Http,
    /// TLS that the proxy does not open; it sees the server's name.
    Tls,
    /// Bytes.
    Tcp,
}

/// One request, or one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who makes it.
    pub from: Caller,
    /// What is spoken.
    pub scheme: Scheme,
    /// The method, in capitals; `CONNECT` of what is no HTTP.
    pub method: String,
    /// Host, and port where one is given.
    pub authority: String,
    /// Path and query; `/` at least.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Question {
    /// Reads `namespace/pod` or `gateway`, and `METHOD http://host[:port]/path name: value, name: value`;
    /// or `CONNECT tls://host[:port] sni: name`, or `CONNECT tcp://host:port`.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub fn read(from: &str, request: &str) -> Result<Self, String> {
        let from = Caller::read(from)?;
        let mut words = request.trim().splitn(3, ' ');
        let (method, url) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let read = |(word, scheme)| url.strip_prefix(word).map(|rest| (rest, scheme));
        let schemes = [("http://", Scheme::Http), ("tls://", Scheme::Tls), ("tcp://", Scheme::Tcp)];
        let Some((rest, scheme)) =
            schemes.into_iter().find_map(read).filter(|_| !method.is_empty())
        else {
            return Err(format!("{request:?}: say METHOD http://HOST/PATH"));
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        if authority.is_empty() {
            return Err(format!("{request:?}: there is no host"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let mut headers = Vec::new();
        for header in words.next().unwrap_or("").split(',').filter(|it| !it.trim().is_empty()) {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| format!("{header:?}: say headers as name: value"))?;
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let authority = authority.to_owned();
        Ok(Self { from, scheme, method: method.to_ascii_uppercase(), authority, path, headers })
    }

    /// The host without its port.
    pub(crate) fn host(&self) -> &str {
        self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host)
    }

    /// The server that a TLS client asks for: the header `sni` where one is given, else the host.
    pub(crate) fn server_name(&self) -> String {
        let said = self.headers.iter().find(|(name, _)| name == "sni");
        said.map_or(self.host(), |(_, name)| name).to_ascii_lowercase()
    }

    /// The port that is dialled: the one of the URL, else the usual one.
    pub(crate) fn port(&self) -> Option<u16> {
        let usual = match self.scheme {
            Scheme::Http => Some(80),
            Scheme::Tls => Some(443),
            Scheme::Tcp => None,
        };
        self.authority.rsplit_once(':').map_or(usual, |(_, port)| port.parse().ok())
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Http => write!(f, "{} http://{}{}", self.method, self.authority, self.path)?,
            Scheme::Tls => write!(f, "{} tls://{}", self.method, self.authority)?,
            Scheme::Tcp => write!(f, "{} tcp://{}", self.method, self.authority)?,
        }
        for (idx, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{} {name}: {value}", if idx == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_as_it_is_written() {
        for text in ["GET http://shop/cart", "POST http://shop:81/a?b=c x-user: t, x-b: 2"] {
            assert_eq!(Question::read("a/b", text).unwrap().to_string(), text);
        }
        let question = Question::read("gateway", "get http://shop.example").unwrap();
        assert_eq!((question.path.as_str(), question.port()), ("/", Some(80)));
        assert_eq!(question.method, "GET");
        let question = Question::read("a/b", "CONNECT tls://shop.example").unwrap();
        assert_eq!((question.scheme, question.port()), (Scheme::Tls, Some(443)));
        assert_eq!(question.to_string(), "CONNECT tls://shop.example");
        for bad in ["GET", "GET shop/cart", "GET http:///x", "GET http://a/ header"] {
            assert!(Question::read("a/b", bad).is_err(), "{bad}");
        }
        assert!(Question::read("nobody", "GET http://a/").is_err());
    }
}
