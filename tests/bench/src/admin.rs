//! The admin interface of Tidegate, as far as a measurement needs it: requests over one kept connection.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// An open connection with a token.
pub struct Admin {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Admin {
    /// Connects to 127.0.0.1:25321 with the first token of the server whose files are in `own`.
    pub fn connect(own: &Path) -> io::Result<Self> {
        let token = fs::read_to_string(own.join("state/admin-token"))?.trim().to_owned();
        let stream = TcpStream::connect("127.0.0.1:25321")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream: BufReader::new(stream), token })
    }

    /// Posts JSON; the reply's body, or an error that shows it.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<String> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:25321\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut reply = vec![0; length];
        self.stream.read_exact(&mut reply)?;
        let reply = String::from_utf8_lossy(&reply).into_owned();
        if status.contains(" 200") { Ok(reply) } else { Err(io::Error::other(format!("{} {reply}", status.trim()))) }
    }
}
