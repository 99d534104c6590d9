//! A plain HTTP/1.1 client on one keep-alive connection, with nothing of the product in it.

use std::{
    io::{BufRead as _, BufReader, Error, ErrorKind, Read as _, Result, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A client of one address; it dials again when the server closed the connection between requests.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client of `127.0.0.1:port`.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), connection: None }
    }

    /// GET with extra header lines such as `("host", "a.example")`.
    ///
    /// # Errors
    /// When the connection cannot be made or breaks off.
    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let reused = self.connection.is_some();
        match self.exchange(path, headers) {
            // As every HTTP client does: a kept connection that the server had closed is no failure.
            Err(error) if reused && error.kind() == ErrorKind::UnexpectedEof => {
                self.connection = None;
                self.exchange(path, headers)
            }
            other => other,
        }
    }

    fn exchange(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let result = self.try_exchange(path, headers);
        let close = match &result {
            Ok(answer) => answer.header("connection") == Some("close"),
            Err(_) => true,
        };
        if close {
            self.connection = None;
        }
        result
    }

    fn try_exchange(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        if self.connection.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            self.connection = Some(BufReader::new(stream));
        }
        let connection = self.connection.as_mut().ok_or(ErrorKind::NotConnected)?;
        let mut request = format!("GET {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        let sent = connection.get_mut().write_all(request.as_bytes());
        // A server that closed in between resets what we send: that, too, is the end of the old connection.
        sent.map_err(|_| Error::from(ErrorKind::UnexpectedEof))?;
        read(connection)
    }
}

fn line(connection: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    let n = connection.read_line(&mut line).map_err(|error| match error.kind() {
        ErrorKind::ConnectionReset => Error::from(ErrorKind::UnexpectedEof),
        _ => error,
    })?;
    if n == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn read(connection: &mut BufReader<TcpStream>) -> Result<Answer> {
    let bad = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
    let first = line(connection)?;
    let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
    let status: u16 = status.ok_or_else(|| bad(&format!("no status line: {first:?}")))?;
    let mut answer = Answer { status, headers: Vec::new(), body: Vec::new() };
    loop {
        let line = line(connection).map_err(|_| bad("the head broke off"))?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
        answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let broke = |_| bad("the body broke off");
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = line(connection).map_err(broke)?;
            let size =
                usize::from_str_radix(&size, 16).map_err(|_| bad("a chunk without a size"))?;
            let mut chunk = vec![0; size + 2];
            connection.read_exact(&mut chunk).map_err(broke)?;
            answer.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = answer.header("content-length") {
        let length = length.parse().map_err(|_| bad("a content-length that is no number"))?;
        answer.body = vec![0; length];
        connection.read_exact(&mut answer.body).map_err(broke)?;
    } else if !matches!(status, 204 | 304) {
        connection.read_to_end(&mut answer.body).map_err(broke)?;
    }
    Ok(answer)
}
