//! EDNS(0): the OPT record of a query and of a reply (RFC 6891), and the client subnet in it (RFC 7871).

use std::net::IpAddr;

/// A client subnet as a resolver sent it (RFC 7871 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    /// The address; bits beyond `source` are zero.
    pub address: IpAddr,
    /// SOURCE PREFIX-LENGTH, at most 32 or 128.
    pub source: u8,
}
