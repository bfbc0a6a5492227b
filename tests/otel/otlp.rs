//! A small collector: takes `POST /v1/traces` as OTLP over HTTP and keeps what it reads of the spans.

use crate::harness::own_address;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The parts of `ExportTraceServiceRequest` that tests look at, by the numbers of opentelemetry-proto 1.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(message, repeated, tag = "1")]
        pub resource_spans: Vec<ResourceSpans>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ResourceSpans {
        #[prost(message, optional, tag = "1")]
        pub resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub scope_spans: Vec<ScopeSpans>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub attributes: Vec<KeyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ScopeSpans {
        #[prost(message, repeated, tag = "2")]
        pub spans: Vec<Span>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub parent_span_id: Vec<u8>,
        #[prost(string, tag = "5")]
        pub name: String,
        #[prost(int32, tag = "6")]
        pub kind: i32,
        #[prost(message, repeated, tag = "9")]
        pub attributes: Vec<KeyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct KeyValue {
        #[prost(string, tag = "1")]
        pub key: String,
        #[prost(message, optional, tag = "2")]
        pub value: Option<AnyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct AnyValue {
        #[prost(oneof = "Value", tags = "1, 2, 3")]
        pub value: Option<Value>,
    }
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        #[prost(string, tag = "1")]
        Text(String),
        #[prost(bool, tag = "2")]
        Flag(bool),
        #[prost(int64, tag = "3")]
        Number(i64),
    }
}

/// A span, ids in hexadecimal.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace_id: String,
    /// Empty at the top of a trace.
    pub parent_span_id: String,
    pub name: String,
    pub kind: i32,
    pub attributes: BTreeMap<String, String>,
}

/// Spans of one resource.
#[derive(Debug, Clone)]
pub struct Batch {
    pub resource: BTreeMap<String, String>,
    pub spans: Vec<Span>,
}

/// The collector; its thread lives as long as the process.
pub struct Collector {
    pub url: String,
    batches: Arc<Mutex<Vec<Batch>>>,
}

impl Collector {
    pub fn start() -> Self {
        let address = own_address();
        let listener = TcpListener::bind((address, 4318)).expect("an address of its own");
        let batches = Arc::new(Mutex::new(Vec::new()));
        let kept = batches.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, &kept);
            }
        });
        Self { url: format!("http://{address}:4318"), batches }
    }

    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().unwrap().clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.batches().into_iter().flat_map(|batch| batch.spans).collect()
    }
}

/// One request; the connection ends with it.
fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Batch>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_ascii_lowercase());
    }
    assert_eq!(head[0], "post /v1/traces http/1.1");
    assert!(head.iter().any(|line| line == "content-type: application/x-protobuf"), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    let request = wire::Request::decode(body.as_slice()).expect("OTLP");
    kept.lock().unwrap().extend(request.resource_spans.into_iter().map(batch));
    let reply =
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(reply.as_bytes()).expect("a reply");
}

fn batch(of: wire::ResourceSpans) -> Batch {
    let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans).map(|span| Span {
        trace_id: hex(&span.trace_id),
        parent_span_id: hex(&span.parent_span_id),
        name: span.name,
        kind: span.kind,
        attributes: texts(span.attributes),
    });
    Batch { spans: spans.collect(), resource: texts(of.resource.unwrap_or_default().attributes) }
}

fn texts(attributes: Vec<wire::KeyValue>) -> BTreeMap<String, String> {
    let text = |value: wire::AnyValue| match value.value {
        Some(wire::Value::Text(text)) => text,
        Some(wire::Value::Flag(flag)) => flag.to_string(),
        Some(wire::Value::Number(number)) => number.to_string(),
        None => String::new(),
    };
    attributes.into_iter().map(|pair| (pair.key, pair.value.map(text).unwrap_or_default())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
