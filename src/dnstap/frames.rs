//! Frame Streams, bidirectional: the handshake, data frames, and the goodbye.
//!
//! A data frame is its length (32 bits, big-endian) and its octets; a length of 0 begins a control frame:
//! its length, its type, and its fields.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// What the frames hold.
const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// The longest control frame (fstrm).
const CONTROL_MAX: u32 = 512;
/// Field type of a content type.
const FIELD_CONTENT_TYPE: u32 = 1;

/// Control frame types.
const ACCEPT: u32 = 1;
const START: u32 = 2;
const STOP: u32 = 3;
const READY: u32 = 4;
const FINISH: u32 = 5;

/// How long the reader may take to say what it has to say.
const PATIENCE: Duration = Duration::from_secs(5);

/// A control frame; READY and START name the content type.
fn control(kind: u32, names_content: bool) -> Vec<u8> {
    let mut body = kind.to_be_bytes().to_vec();
    if names_content {
        body.extend(FIELD_CONTENT_TYPE.to_be_bytes());
        body.extend(u32::try_from(CONTENT_TYPE.len()).unwrap_or(0).to_be_bytes());
        body.extend(CONTENT_TYPE);
    }
    let len = u32::try_from(body.len()).unwrap_or(0);
    [&0u32.to_be_bytes()[..], &len.to_be_bytes(), &body].concat()
}

/// A data frame.
pub(super) fn append(out: &mut Vec<u8>, frame: &[u8]) {
    if let Ok(len @ 1..) = u32::try_from(frame.len()) {
        out.extend(len.to_be_bytes());
        out.extend(frame);
    }
}

/// Reads a control frame: its type and its fields.
async fn read_control(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u32, Vec<u8>)> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    if stream.read_u32().await? != 0 {
        return Err(bad("the reader sent data; it does not speak Frame Streams"));
    }
    let len = stream.read_u32().await?;
    if !(4..=CONTROL_MAX).contains(&len) {
        return Err(bad("the reader sent a control frame of no allowed length"));
    }
    let mut body = vec![0; usize::try_from(len).unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let (kind, fields) = body.split_first_chunk::<4>().ok_or_else(|| bad("the reader sent an empty control frame"))?;
    Ok((u32::from_be_bytes(*kind), fields.to_vec()))
}

/// Waits for one type of control frame.
async fn expect(stream: &mut (impl AsyncRead + Unpin), wanted: u32) -> io::Result<Vec<u8>> {
    let (kind, fields) = timeout(PATIENCE, read_control(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if kind != wanted {
        let what = format!("the reader sent control frame {kind} where {wanted} was due");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(fields)
}

/// Agrees on the content: READY, ACCEPT, START.
pub(super) async fn begin(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_all(&control(READY, true)).await?;
    let fields = expect(stream, ACCEPT).await?;
    if !fields.windows(CONTENT_TYPE.len()).any(|window| window == CONTENT_TYPE) {
        let what = "the reader does not take protobuf:dnstap.Dnstap (fstrm_capture -t)";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    stream.write_all(&control(START, true)).await
}

/// Ends in order: STOP, FINISH.
pub(super) async fn end(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    timeout(PATIENCE, stream.write_all(&control(STOP, false))).await.map_err(|_| io::ErrorKind::TimedOut)??;
    expect(stream, FINISH).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_of_something_else_is_told_so() {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        let reader = async {
            let mut ready = vec![0; 42];
            theirs.read_exact(&mut ready).await.unwrap();
            assert_eq!(ready, control(READY, true));
            theirs.write_all(&control(ACCEPT, false)).await.unwrap();
        };
        let (begun, ()) = tokio::join!(begin(&mut ours), reader);
        assert!(begun.unwrap_err().to_string().contains("does not take protobuf:dnstap.Dnstap"));
    }

    #[tokio::test]
    async fn what_is_no_frame_stream_ends_the_handshake() {
        for answer in [&b"HTTP/1.1 400"[..], &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], &[0, 0, 0, 0, 0, 0, 0, 1, 9]] {
            let (mut ours, mut theirs) = tokio::io::duplex(1024);
            theirs.write_all(answer).await.unwrap();
            assert_eq!(begin(&mut ours).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
