//! HTTP/1.1, byte by byte, so that a test can also send what no library would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::serving::LONG;

/// One connection.
pub(crate) struct HttpClient {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value, its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The text of an error.
    pub(crate) fn error(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"));
        body["error"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl HttpClient {
    pub(crate) fn connect(address: SocketAddr) -> HttpClient {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        HttpClient { stream, received: Vec::new() }
    }

    /// Sends bytes as they are. A server that has closed already is no error here: reading will tell.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Says that nothing more will be sent. As with sending, a server that has closed is no error.
    pub(crate) fn finish(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    pub(crate) fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.post_with(path, "", body)
    }

    /// Posts with more headers, each ended by `\r\n`.
    pub(crate) fn post_with(&mut self, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat());
        self.receive().expect("an answer")
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, "")
    }

    /// Sends a request without a body.
    pub(crate) fn request(&mut self, method: &str, path: &str, headers: &str) -> Answer {
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n"));
        self.receive().expect("an answer")
    }

    /// The next answer; `None` when the server closed instead. Answers to HEAD look like answers with a body, and
    /// must not be received here.
    pub(crate) fn receive(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                assert!(self.received.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.received));
                return None;
            }
        };
        let head = String::from_utf8(self.received.drain(..end).collect()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.received.len() < length {
            assert!(self.more(), "half a body after {answer:?}");
        }
        answer.body = String::from_utf8(self.received.drain(..length).collect()).unwrap();
        Some(answer)
    }

    /// Reads all that comes until the server closes.
    pub(crate) fn read_to_end(&mut self, into: &mut String) {
        self.wait_for_close();
        into.push_str(std::str::from_utf8(&self.received).unwrap());
    }

    /// Reads whatever comes until the server closes.
    pub(crate) fn wait_for_close(&mut self) {
        while self.more() {}
    }

    /// Waits for the first bytes of an answer, which are kept for [`HttpClient::receive`].
    pub(crate) fn wait_for_an_answer(&mut self) {
        assert!(self.more(), "the connection ended before an answer");
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 65536];
        match self.stream.read(&mut chunk) {
            // A reset is the end, too: the server closed while bytes of ours were on their way.
            Ok(0) => false,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            // Who is stopped and goes on is told so by a socket with a time limit.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.more(),
            Ok(length) => {
                self.received.extend_from_slice(&chunk[..length]);
                true
            }
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
}
