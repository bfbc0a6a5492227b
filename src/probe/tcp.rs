//! The `tcp` probe: a connection, with an optional exchange.

use super::attempt::{Deadline, Failure, connect};
use super::reply::READ_LIMIT;
use super::words;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to say and what to hear.
pub(super) struct TcpPlan {
    port: u16,
    send: Option<Vec<u8>>,
    expect: Option<String>,
}

impl TcpPlan {
    /// Prepares a `tcp` monitor. An empty `send` or `expect` is none.
    pub(super) fn new(port: u16, send: Option<&str>, expect: Option<&str>) -> Self {
        let send = send.filter(|text| !text.is_empty()).map(|text| text.as_bytes().to_vec());
        Self { port, send, expect: expect.filter(|text| !text.is_empty()).map(str::to_owned) }
    }

    /// Carries it out.
    pub(super) async fn probe(&self, address: IpAddr, deadline: &Deadline) -> Result<(), Failure> {
        let mut stream = connect(address, self.port, deadline).await?;
        if let Some(send) = &self.send {
            let sent = deadline.step("sending", stream.write_all(send)).await?;
            sent.map_err(|problem| words::io_failure(&problem, "while sending"))?;
        }
        match &self.expect {
            Some(expect) => hear(&mut stream, expect, deadline).await,
            None => Ok(()),
        }
    }
}

/// Reads until `expect` has come, within the first 64 KiB.
async fn hear(stream: &mut TcpStream, expect: &str, deadline: &Deadline) -> Result<(), Failure> {
    let waiting = format!("waiting for {:?}", words::quote(expect));
    let mut heard = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = deadline.step(&waiting, stream.read(&mut piece)).await?;
        let length = length.map_err(|problem| words::io_failure(&problem, &waiting))?;
        // What was searched before need not be searched again, but for a match that spans the seam.
        let from = heard.len().saturating_sub(expect.len());
        heard.extend_from_slice(&piece[..length]);
        heard.truncate(READ_LIMIT);
        if heard[from..].windows(expect.len()).any(|window| window == expect.as_bytes()) {
            return Ok(());
        }
        if length == 0 || heard.len() >= READ_LIMIT {
            let said = words::quote(&String::from_utf8_lossy(&heard));
            let said = if said.is_empty() { "closed without a word".to_owned() } else { format!("said \"{said}\"") };
            return Err(Failure::Theirs(format!("{said}, wanted \"{}\"", words::quote(expect))));
        }
    }
}
