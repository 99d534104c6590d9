//! One TLS connection over a socket: the handshake, then records both ways without a task or a lock of its own.

use std::cell::RefCell;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::Acceptor;
use rustls::{CipherSuite, ClientConfig, ClientConnection, Connection, Error, ProtocolVersion};
use tokio::net::TcpStream;
use traffic::{PeerTls, tls};

use super::{Names, Server};

/// One call moves this much plain text at most, so that nothing grows with what the peer sends.
const PLAIN_MOST: usize = 256 * 1024;

/// The state of a connection after its handshake. One thread owns it.
#[derive(Debug)]
pub(crate) struct Session {
    connection: RefCell<Connection>,
}

/// The socket, as rustls wants it: it never waits.
struct Ready<'s>(&'s TcpStream);

impl Read for Ready<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Ready<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// So many bytes; 0 is the end.
    Bytes(usize),
    /// More has to come from the socket first.
    Nothing,
}

impl Session {
    /// Moves plain text that is here already.
    pub(crate) fn take(&self, buf: &mut BytesMut) -> io::Result<Taken> {
        let mut connection = self.connection.borrow_mut();
        let mut reader = connection.reader();
        let mut taken = 0;
        while taken < PLAIN_MOST {
            match reader.fill_buf() {
                Ok([]) if taken == 0 => return Ok(Taken::Bytes(0)),
                Ok([]) => break,
                Ok(plain) => {
                    let n = plain.len();
                    buf.extend_from_slice(plain);
                    reader.consume(n);
                    taken += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if taken == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(if taken > 0 { Taken::Bytes(taken) } else { Taken::Nothing })
    }

    /// As [`Session::take`], into a slice.
    pub(crate) fn take_into(&self, out: &mut [u8]) -> io::Result<Taken> {
        match self.connection.borrow_mut().reader().read(out) {
            Ok(n) => Ok(Taken::Bytes(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Taken::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Reads records from the socket once; `WouldBlock` when there are none.
    pub(crate) fn pull(&self, tcp: &TcpStream) -> io::Result<()> {
        let connection = &mut *self.connection.borrow_mut();
        connection.read_tls(&mut Ready(tcp))?;
        let processed = connection.process_new_packets();
        // Answers of the protocol itself, and alerts; what does not fit leaves with the next write.
        if connection.wants_write() {
            let _ = connection.write_tls(&mut Ready(tcp));
        }
        // To whoever reads, a broken session is a broken connection.
        processed.map(drop).map_err(|error| io::Error::new(io::ErrorKind::ConnectionReset, error))
    }

    /// Whether the peer has gone; `Some(false)` when it sent bytes instead, `None` when it did neither yet.
    pub(crate) fn is_over(&self) -> Option<bool> {
        match self.connection.borrow_mut().reader().fill_buf() {
            Ok([]) => Some(true),
            Ok(_) => Some(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(true),
        }
    }

    /// Encrypts as much as the buffer takes; 0 when it is full.
    pub(crate) fn put(&self, plain: &[u8]) -> io::Result<usize> {
        self.connection.borrow_mut().writer().write(plain)
    }

    /// Sends once; `WouldBlock` when the socket is full. True when nothing is left.
    pub(crate) fn push(&self, tcp: &TcpStream) -> io::Result<bool> {
        let mut connection = self.connection.borrow_mut();
        if !connection.wants_write() {
            return Ok(true);
        }
        if connection.write_tls(&mut Ready(tcp))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(!connection.wants_write())
    }

    /// Whether something waits to be sent.
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.borrow().wants_write()
    }

    /// Says that nothing more comes.
    pub(crate) fn end(&self, tcp: &TcpStream) {
        self.connection.borrow_mut().send_close_notify();
        while matches!(self.push(tcp), Ok(false)) {}
    }

    /// The application protocol that was agreed on.
    pub(crate) fn alpn(&self) -> Option<Vec<u8>> {
        self.connection.borrow().alpn_protocol().map(<[u8]>::to_vec)
    }
}

/// Ends the client's half of a handshake.
pub(crate) async fn connect(
    tcp: &TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<Session, Failure> {
    let connection = ClientConnection::new(config, name).map_err(Failure::Tls)?;
    shake(tcp, Connection::Client(connection), BytesMut::new()).await
}

/// Ends the server's half of a handshake, of which `input` was read already.
pub(crate) async fn accept(
    tcp: &TcpStream,
    server: &Server,
    mut input: BytesMut,
) -> Result<(Session, PeerTls), Failure> {
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        let fed = if input.is_empty() {
            tcp.readable().await?;
            acceptor.read_tls(&mut Ready(tcp))
        } else {
            let fed = acceptor.read_tls(&mut &input[..]);
            input.advance(*fed.as_ref().unwrap_or(&0));
            fed
        };
        match fed {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => break accepted,
            Ok(None) => {}
            Err((error, mut alert)) => {
                let _ = alert.write_all(&mut Ready(tcp));
                return Err(Failure::Tls(error));
            }
        }
    };
    let hello = accepted.client_hello();
    if server.requires_server_name && hello.server_name().is_none() {
        return Err(Failure::Tls(Error::General("no server name was asked for".to_owned())));
    }
    let server_name = hello.server_name().map(str::to_owned);
    let spoken = &server.config.alpn_protocols;
    let agrees = hello.alpn().is_none_or(|mut offered| {
        offered.any(|offered| spoken.iter().any(|spoken| *spoken == offered))
    });
    let config = if agrees { &server.config } else { &server.silent };
    let connection = match accepted.into_connection(config.clone()) {
        Ok(connection) => connection,
        Err((error, mut alert)) => {
            let _ = alert.write_all(&mut Ready(tcp));
            return Err(Failure::Tls(error));
        }
    };
    let session = shake(tcp, Connection::Server(connection), input).await?;
    let mut peer = told(&session.connection.borrow(), server);
    peer.server_name = server_name;
    Ok((session, peer))
}

async fn shake(
    tcp: &TcpStream,
    mut connection: Connection,
    mut input: BytesMut,
) -> Result<Session, Failure> {
    loop {
        while connection.wants_write() {
            tcp.writable().await?;
            match connection.write_tls(&mut Ready(tcp)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !connection.is_handshaking() && input.is_empty() {
            return Ok(Session { connection: RefCell::new(connection) });
        }
        let read = if input.is_empty() {
            tcp.readable().await?;
            connection.read_tls(&mut Ready(tcp))
        } else {
            let read = connection.read_tls(&mut &input[..]);
            input.advance(*read.as_ref().unwrap_or(&0));
            read
        };
        match read {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        if let Err(error) = connection.process_new_packets() {
            // The alert tells the peer why; whether it arrives does not matter here.
            let _ = connection.write_tls(&mut Ready(tcp));
            return Err(Failure::Tls(error));
        }
    }
}

/// Why a handshake failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The socket.
    Io(#[expect(dead_code, reason = "shown by Debug alone")] io::Error),
    /// The protocol, or a certificate.
    Tls(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl std::fmt::Display for Failure {
    /// Near Envoy's words, which are those of its library.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let library = |f: &mut std::fmt::Formatter<'_>, code: u32, what: &str| {
            write!(f, "TLS_error:|{code}:SSL routines:OPENSSL_internal:{what}:TLS_error_end")
        };
        match self {
            Failure::Io(_) => f.write_str("connection termination"),
            Failure::Tls(Error::InvalidCertificate(why)) => {
                use rustls::CertificateError as Why;
                let detail = match why {
                    Why::NotValidForName => "verify SAN list",
                    Why::Expired | Why::ExpiredContext { .. } => "certificate has expired",
                    Why::NotValidYet | Why::NotValidYetContext { .. } => {
                        "certificate is not yet valid"
                    }
                    Why::UnknownIssuer => "unable to get local issuer certificate",
                    Why::BadSignature => "certificate signature failure",
                    Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => {
                        "unsupported certificate purpose"
                    }
                    _ => "certificate rejected",
                };
                let what = format!("CERTIFICATE_VERIFY_FAILED:verify cert failed: {detail}");
                library(f, 268_435_581, &what)
            }
            Failure::Tls(Error::NoCertificatesPresented) => {
                library(f, 268_435_655, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
            }
            Failure::Tls(Error::AlertReceived(alert)) => {
                let name = format!("{alert:?}").to_uppercase();
                write!(f, "TLS_error:|SSL routines:OPENSSL_internal:ALERT_{name}:TLS_error_end")
            }
            Failure::Tls(Error::PeerIncompatible(_)) => {
                write!(
                    f,
                    "TLS_error:|SSL routines:OPENSSL_internal:HANDSHAKE_FAILURE:TLS_error_end"
                )
            }
            Failure::Tls(Error::InvalidMessage(_)) => {
                library(f, 268_435_703, "WRONG_VERSION_NUMBER")
            }
            Failure::Tls(other) => {
                let text: String = other.to_string().chars().take(200).collect();
                write!(f, "TLS_error:|{text}:TLS_error_end")
            }
        }
    }
}

/// What a handshake told about the client.
fn told(connection: &Connection, server: &Server) -> PeerTls {
    let mut peer = PeerTls {
        alpn: connection.alpn_protocol().map(|it| String::from_utf8_lossy(it).into_owned()),
        local_uri_sans: server.local_uris.clone(),
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "",
        },
        cipher: connection.negotiated_cipher_suite().map_or("", |it| cipher_name(it.suite())),
        ..PeerTls::default()
    };
    let Some(chain) = connection.peer_certificates() else { return peer };
    let Some(leaf) = chain.first() else { return peer };
    let names = Names::of(leaf);
    peer.uri_sans = names.uris;
    peer.dns_sans = names.dns;
    peer.subject = Some(names.subject);
    peer.hash = Some(sha256(leaf));
    peer.certificate = Some(encoded(std::slice::from_ref(leaf)));
    peer.chain = Some(encoded(chain));
    peer
}

fn sha256(der: &[u8]) -> String {
    use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256 as SUITE;
    let Some(suite) = SUITE.tls13() else { return String::new() };
    let hash = suite.common.hash_provider.hash(der);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Characters that stay as they are in an encoded certificate, as in Envoy: the unreserved ones.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Certificates in PEM, encoded for a URL.
fn encoded(chain: &[CertificateDer<'_>]) -> String {
    use base64::Engine as _;
    let mut text = String::new();
    for certificate in chain {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let base64 = base64::engine::general_purpose::STANDARD.encode(certificate);
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    utf8_percent_encode(&text, ENCODED).to_string()
}

/// A server name, or an address, which asks for none.
pub(crate) fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| format!("{text:?} is not a DNS name"))
}

/// Asks for no name.
pub(crate) fn nameless(ip: IpAddr) -> ServerName<'static> {
    ServerName::IpAddress(ip.into())
}

/// Whether HTTP/2 was agreed on.
pub(crate) fn is_http2(session: &Session) -> bool {
    session.alpn().is_some_and(|name| tls::is_http2(&name))
}

/// The name of a suite in OpenSSL's words, as Envoy logs it.
pub(crate) fn cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "",
    }
}
