//! One `kubectl exec` or `attach`: channels of bytes over a WebSocket.
//!
//! The first byte of a message is its channel: 0 input, 1 output, 2 errors, 3 the result, 4 the
//! terminal's size; in v5, 255 and a channel closes that channel.

use super::{Socket, exec};
use crate::agent::{PodEntry, Shared};
use crate::container::launch::{Exit, Streams};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const INPUT: u8 = 0;
const OUTPUT: u8 = 1;
const ERRORS: u8 = 2;
const RESULT: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;
/// After the end of the program its last output is waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Which streams the client wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants {
    input: bool,
    output: bool,
    errors: bool,
    terminal: bool,
    /// The client may close its input (v5).
    pub(super) can_close: bool,
}

impl Wants {
    /// Both the API server's words and the kubelet's.
    pub(super) fn of(query: &super::query::Query) -> Wants {
        let either = |a: &str, b: &str| query.is_true(a) || query.is_true(b);
        Wants {
            input: either("stdin", "input"),
            output: either("stdout", "output"),
            errors: either("stderr", "error"),
            terminal: query.is_true("tty"),
            can_close: false,
        }
    }
}

/// The end as clients want it: without a code, kubectl takes it for a broken connection.
fn goodbye() -> Message {
    let code = CloseCode::Normal;
    Message::Close(Some(CloseFrame { code, reason: "".into() }))
}

fn message(channel: u8, data: &[u8]) -> Message {
    let mut bytes = Vec::with_capacity(data.len() + 1);
    bytes.push(channel);
    bytes.extend_from_slice(data);
    Message::Binary(Bytes::from(bytes))
}

/// Runs a program and joins it to the client.
pub(super) async fn exec(
    shared: &Shared,
    pod: &PodEntry,
    container: &str,
    words: Vec<String>,
    wants: Wants,
    socket: Socket,
) {
    let (mut to_client, from_client) = socket.split();
    let terminal = if wants.terminal { exec::terminal().map(Some) } else { Ok(None) };
    let (master, streams) = match terminal {
        Ok(Some((master, slave))) => (Some(Arc::new(master)), Streams::Terminal(slave)),
        Ok(None) => (None, Streams::Pipes { input: wants.input }),
        Err(error) => return refuse(to_client, &format!("no terminal: {error}")).await,
    };
    let mut process = match exec::start(shared, pod, container, words, streams).await {
        Ok(process) => process,
        Err(error) => return refuse(to_client, &error).await,
    };
    let (send, mut outgoing) = mpsc::channel::<Message>(16);
    let mut copies = Vec::new();
    let mut input: Option<Box<dyn AsyncWrite + Send + Unpin>> = None;
    if let Some(master) = &master {
        if let Ok(from) = exec::duplicate(master) {
            copies.push(tokio::spawn(copy(from, OUTPUT, send.clone(), true)));
        }
        if let (true, Ok(to)) = (wants.input, exec::typist(master)) {
            input = Some(Box::new(to));
        }
    } else {
        let pairs = [
            (process.output.take(), OUTPUT, wants.output),
            (process.errors.take(), ERRORS, wants.errors),
        ];
        for (from, channel, wanted) in pairs {
            copies.extend(from.map(|f| tokio::spawn(copy(f, channel, send.clone(), wanted))));
        }
        input = process.input.take().map(|i| Box::new(i) as Box<dyn AsyncWrite + Send + Unpin>);
    }
    drop(send);
    let mut reader =
        tokio::spawn(listen(from_client, Sink::Stream(input), master.clone(), wants.can_close));
    let result = loop {
        tokio::select! {
            Some(out) = outgoing.recv() => if to_client.send(out).await.is_err() { return },
            exit = process.ended() => break exit,
            // The client went away: so does the program, when `process` is dropped.
            _ = &mut reader => return,
        }
    };
    let rest = async {
        while let Some(out) = outgoing.recv().await {
            if to_client.send(out).await.is_err() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    reader.abort();
    for copy in copies {
        copy.abort();
    }
    let status = result.map_or_else(|e| failure(&e.to_string()), status);
    let _ = to_client.send(message(RESULT, status.to_string().as_bytes())).await;
    let _ = to_client.send(goodbye()).await;
}

/// Joins the client to the container's own program.
pub(super) async fn attach(pod: &PodEntry, container: &str, wants: Wants, socket: Socket) {
    let (mut to_client, from_client) = socket.split();
    let Some(known) = pod.container(container) else {
        return refuse(to_client, "the container does not run").await;
    };
    let mut output = known.log.attach();
    let log = Arc::clone(&known.log);
    let typist = known.terminal.as_ref().and_then(|m| exec::typist(m).ok());
    let sink = match (wants.input, typist, known.input.clone()) {
        (false, _, _) => Sink::Stream(None),
        (true, Some(typist), _) => Sink::Stream(Some(Box::new(typist))),
        (true, None, Some(input)) => Sink::Container(input),
        (true, None, None) => Sink::Stream(None),
    };
    let mut reader = tokio::spawn(listen(from_client, sink, known.terminal, wants.can_close));
    loop {
        tokio::select! {
            chunk = output.recv() => match chunk {
                Ok((errors, bytes)) => {
                    let wanted = if errors { wants.errors } else { wants.output };
                    let channel = if errors { ERRORS } else { OUTPUT };
                    if wanted && to_client.send(message(channel, &bytes)).await.is_err() {
                        return;
                    }
                }
                // A slow client misses output; the log has it.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
            },
            () = log.ended() => break,
            _ = &mut reader => return,
        }
    }
    reader.abort();
    let done = status(Exit { code: 0, signal: None });
    let _ = to_client.send(message(RESULT, done.to_string().as_bytes())).await;
    let _ = to_client.send(goodbye()).await;
}

type ToClient = futures_util::stream::SplitSink<Socket, Message>;

async fn refuse(mut to_client: ToClient, text: &str) {
    let _ = to_client.send(message(RESULT, failure(text).to_string().as_bytes())).await;
    let _ = to_client.send(goodbye()).await;
}

async fn copy(mut from: pipe::Receiver, channel: u8, to: mpsc::Sender<Message>, wanted: bool) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(len) = from.read(&mut chunk).await {
        if len == 0 {
            break;
        }
        if wanted && to.send(message(channel, &chunk[..len])).await.is_err() {
            break;
        }
    }
}

/// Where the client's input goes.
enum Sink {
    Stream(Option<Box<dyn AsyncWrite + Send + Unpin>>),
    Container(mpsc::Sender<Vec<u8>>),
}

/// Takes what the client sends, until it leaves.
async fn listen(
    mut from_client: futures_util::stream::SplitStream<Socket>,
    mut sink: Sink,
    terminal: Option<Arc<OwnedFd>>,
    can_close: bool,
) {
    while let Some(Ok(message)) = from_client.next().await {
        let data = match &message {
            Message::Binary(data) => &data[..],
            Message::Text(text) => text.as_bytes(),
            Message::Close(_) => return,
            _ => continue,
        };
        match (data, &mut sink) {
            ([INPUT, rest @ ..], Sink::Stream(Some(stream))) => {
                let written = async {
                    stream.write_all(rest).await?;
                    stream.flush().await
                };
                if written.await.is_err() {
                    sink = Sink::Stream(None);
                }
            }
            ([INPUT, rest @ ..], Sink::Container(to)) if !rest.is_empty() => {
                let _ = to.send(rest.to_vec()).await;
            }
            ([RESIZE, rest @ ..], _) => {
                if let (Some(terminal), Some(size)) = (&terminal, size(rest)) {
                    let _ = tcsetwinsize(terminal, size);
                }
            }
            ([CLOSE, INPUT], Sink::Stream(_)) if can_close => sink = Sink::Stream(None),
            ([CLOSE, INPUT], Sink::Container(to)) if can_close => {
                let _ = to.send(Vec::new()).await;
            }
            _ => {}
        }
    }
}

fn size(json: &[u8]) -> Option<Winsize> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let number = |name: &str| u16::try_from(value.get(name)?.as_u64()?).ok();
    let (ws_row, ws_col) = (number("Height")?, number("Width")?);
    Some(Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 })
}

/// The Status that tells how the program ended.
fn status(exit: Exit) -> Value {
    if exit.code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("command terminated with non-zero exit code: exit status {}", exit.code),
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": exit.code.to_string()}]},
    })
}

fn failure(text: &str) -> Value {
    json!({
        "metadata": {}, "status": "Failure", "message": text, "reason": "InternalError", "code": 500,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_travels_as_kubectl_reads_it() {
        assert_eq!(status(Exit { code: 0, signal: None })["status"], "Success");
        let failed = status(Exit { code: 3, signal: None });
        assert_eq!(failed["reason"], "NonZeroExitCode");
        assert_eq!(failed["details"]["causes"][0]["message"], "3");
    }

    #[test]
    fn a_terminal_size_is_read() {
        let size = size(br#"{"Width":80,"Height":24}"#).unwrap();
        assert_eq!((size.ws_col, size.ws_row), (80, 24));
    }
}
