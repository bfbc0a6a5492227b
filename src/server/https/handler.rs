//! hickory-server's side: replies of `answer::respond_with`, written by a request handler.
//!
//! A reply is made as bytes by the same function as for every transport and re-encoded section by
//! section, since hickory-server takes records. What hickory-proto cannot read (and hickory-server
//! would answer on its own, without OPT or question) never comes here.

use super::super::stream::Service;
use super::super::tally;
use crate::answer::{Asker, Transport, respond_with};
use crate::clock;
use crate::metrics::Count;
use hickory_server::net::NetError;
use hickory_server::net::runtime::Time;
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

impl Handler {
    /// The reply to `query` as bytes, counted; empty: silence.
    pub(super) fn reply(&self, client: SocketAddr, query: &[u8]) -> Vec<u8> {
        let service = &self.0;
        service.writer.add(Count::Received, 1);
        let len = query.len().min(MESSAGE);
        let mut message = vec![0; MESSAGE];
        message[..len].copy_from_slice(&query[..len]);
        let copies = service.copy_query(client, query);
        let asker = Asker { client: client.ip(), transport: Transport::Https, draw: service.draw() };
        let outcome = respond_with(&service.cell.load(), &asker, service.cookies().as_ref(), &mut message, len);
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

/// A reply that has been made, for hickory-server to write.
pub(super) struct Made(pub(super) Message);

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
pub(super) struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// What was sent; empty: nothing.
    pub(super) fn into_bytes(self) -> Vec<u8> {
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
