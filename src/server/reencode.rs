//! hickory-server's side: replies of `answer::respond_with`, written by a request handler, for DNS over
//! HTTPS (HTTP/1.1 to HTTP/3) and over QUIC.
//!
//! A reply is made as bytes by the same function as for every transport and re-encoded section by
//! section, since hickory-server takes records. What hickory-proto cannot read (and hickory-server
//! would answer on its own, without OPT or question) never comes here.

use super::stream::Service;
use super::tally;
use crate::answer::{Asker, respond_with};
use crate::clock;
use crate::dns::hickory::{fit_padding, freshness_s, read_reply};
use crate::metrics::Count;
use crate::snapshot::Snapshot;
use hickory_server::net::NetError;
use hickory_server::net::runtime::{Time, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Header, HeaderCounts, Message, Metadata, ResponseCode};
use hickory_server::proto::rr::Record;
use hickory_server::proto::serialize::binary::{BinDecoder, BinEncoder};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder, Queries};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest reply of a stream transport (RFC 8484 §6).
const MESSAGE: usize = u16::MAX as usize;

/// Answers from the snapshot of a service.
#[derive(Clone)]
pub(super) struct Handler(pub(super) Arc<Service>);

/// What a query got.
pub(super) struct Answered {
    /// The reply.
    pub(super) bytes: Vec<u8>,
    /// How long whoever asked may keep it, seconds.
    pub(super) fresh_s: u32,
    /// What it was made from, to be held until the reply is taken.
    pub(super) snapshot: Arc<Snapshot>,
}

impl Handler {
    /// The reply to `query`, counted and re-encoded; `None` for what is no query.
    pub(super) async fn answer(&self, client: SocketAddr, query: Vec<u8>) -> Option<Answered> {
        let snapshot = self.0.cell.load_full();
        let made = self.reply(&snapshot, client, &query);
        if made.is_empty() {
            return None;
        }
        let Ok(read) = read_reply(&made) else {
            // hickory-proto knows no empty RDATA and no subnet of family 0: these go out as they were made.
            return Some(Answered { bytes: made, fresh_s: 0, snapshot });
        };
        let fresh_s = freshness_s(&read);
        Some(Answered { bytes: rewrite(client, query, read).await.unwrap_or(made), fresh_s, snapshot })
    }

    /// The reply to `query` as bytes, counted; empty: silence.
    fn reply(&self, snapshot: &Snapshot, client: SocketAddr, query: &[u8]) -> Vec<u8> {
        let service = &self.0;
        service.writer.add(Count::Received, 1);
        let len = query.len().min(MESSAGE);
        let mut message = vec![0; MESSAGE];
        message[..len].copy_from_slice(&query[..len]);
        let copies = service.copy_query(client, query);
        let asker = Asker { client: client.ip(), transport: service.protocol.transport(), draw: service.draw() };
        let outcome = respond_with(snapshot, &asker, service.cookies().as_ref(), &mut message, len);
        message.truncate(outcome.len);
        service.hand_over_copies(copies, &message);
        if message.is_empty() {
            service.writer.add(Count::Dropped, 1);
            return message;
        }
        service.writer.response(outcome.rcode);
        if let Some(chosen) = outcome.choice {
            let tally = tally(&chosen);
            service.writer.answers(clock::boot_ms(), &[tally]);
        }
        message
    }
}

/// The reply as hickory-server writes it; `None` when it cannot read the query or write the reply.
async fn rewrite(client: SocketAddr, query: Vec<u8>, reply: Message) -> Option<Vec<u8>> {
    let request = Request::from_bytes(query, client, Protocol::Https).ok()?;
    let mut made = Made(reply);
    let written = made.write(&request).await?;
    if fit_padding(&mut made.0, written.len()) { made.write(&request).await } else { Some(written) }
}

/// A reply that has been made, for hickory-server to write.
struct Made(Message);

impl Made {
    /// The reply as octets.
    async fn write(&self, request: &Request) -> Option<Vec<u8>> {
        let capture = Capture::default();
        self.handle_request::<_, TokioTime>(request, capture.clone()).await;
        Some(capture.into_bytes()).filter(|written| !written.is_empty())
    }
}

#[async_trait::async_trait]
impl RequestHandler for Made {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let Self(reply) = self;
        let nothing =
            Header { metadata: Metadata::response_from_request(&request.metadata), counts: HeaderCounts::default() };
        let Ok(no_question) = Queries::read(&mut BinDecoder::new(&[]), 0) else { return failed(nothing) };
        let question = if reply.queries.is_empty() { &no_question } else { &request.queries };
        let response = MessageResponseBuilder::new(question, reply.edns.as_ref()).build(
            reply.metadata,
            &reply.answers,
            &reply.authorities,
            [],
            &reply.additionals,
        );
        response_handle.send_response(response).await.unwrap_or_else(|_| failed(nothing))
    }
}

fn failed(mut header: Header) -> ResponseInfo {
    header.metadata.response_code = ResponseCode::ServFail;
    header.into()
}

/// Takes a response as bytes.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// What was sent; empty: nothing.
    fn into_bytes(self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait::async_trait]
impl ResponseHandler for Capture {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut bytes = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(u16::MAX);
        let info = response.destructive_emit(&mut encoder)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        Ok(info)
    }
}
