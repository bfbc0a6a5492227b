//! Wire vocabulary: names, types, record sets, queries and replies as bytes.
//!
//! The only room that names hickory-proto's wire types. Knows RFC 1035, 3597, 6891, 7871 as
//! formats; knows nothing of zones, switches or sockets. Imports no room of ours.

pub mod compose;
pub mod cookie;
pub mod cut;
#[cfg(test)]
pub(crate) mod decoded;
pub mod edns;
mod extended_error;
pub mod hickory;
pub mod lex;
pub mod message;
pub mod name;
pub mod qname;
pub mod query;
pub mod rcode;
pub mod rdata;
pub mod rrset;
pub mod rtype;
pub mod serial;
pub mod tsig;
pub mod update;

pub use edns::{Edns, Subnet};
pub use name::{Name, NameError};
pub use qname::Qname;
pub use rcode::Rcode;
pub use rrset::{RecordList, Rrset};
pub use rtype::RecordType;
