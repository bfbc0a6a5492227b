//! One question to one resolver: over UDP, and over TCP when the reply did not fit.

use crate::ask::{Question, Transport, send};
use crate::dns::message::{Header, Records, read_name};
use crate::dns::{Name, RecordType};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// TC among the flags of a header.
const TRUNCATED: u16 = 0x0200;

/// The longest chain of aliases that is followed.
const MAX_ALIASES: usize = 8;

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Of A or AAAA.
    Address(IpAddr),
    /// Of SRV (RFC 2782); its port is of no use here.
    Service { priority: u16, weight: u16, target: Name },
}

/// Asks, and gives the records of the answer; none when the name has none of the type.
pub(super) async fn ask(resolver: SocketAddr, question: Question<'_>, limit: Duration) -> Result<Vec<Found>, String> {
    let until = Instant::now() + limit;
    let doing = |what: &str| format!("{what} {resolver} for {} {}", question.name, question.rtype);
    let reply = within(until, &doing("asking"), send(resolver, question, Transport::Udp)).await?;
    let truncated = Header::read(&reply).is_some_and(|header| header.flags & TRUNCATED != 0);
    let reply = if truncated {
        within(until, &doing("asking over TCP"), send(resolver, question, Transport::Tcp)).await?
    } else {
        reply
    };
    read(&reply, question).map_err(|why| format!("{resolver} says of {} {}: {why}", question.name, question.rtype))
}

async fn within<T>(until: Instant, doing: &str, step: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    match timeout_at(until, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(format!("{doing}: {error}")),
        Err(_) => Err(format!("{doing}: no answer in time")),
    }
}

/// The records of the type asked for, at the end of a chain of aliases.
fn read(reply: &[u8], question: Question<'_>) -> Result<Vec<Found>, String> {
    const MALFORMED: &str = "its reply is malformed";
    let header = Header::read(reply).ok_or(MALFORMED)?;
    match header.rcode() {
        0 => {}
        2 => return Err("SERVFAIL".to_owned()),
        3 => return Err("there is no such name (NXDOMAIN)".to_owned()),
        5 => return Err("REFUSED".to_owned()),
        other => return Err(format!("RCODE {other}")),
    }
    let records: Result<Vec<_>, _> = Records::of(reply).map_err(|_| MALFORMED)?.collect();
    let records = records.map_err(|_| MALFORMED)?;
    let answers = || records.iter().filter(|record| record.section == 1 && record.class == 1);
    let mut name = question.name.clone();
    for _ in 0..MAX_ALIASES {
        let alias = answers().find(|record| record.owner == name && record.rtype == RecordType::CNAME);
        let Some(alias) = alias else { break };
        name = read_name(reply, alias.rdata.start).ok_or(MALFORMED)?.0;
    }
    let wanted = answers().filter(|record| record.owner == name && record.rtype == question.rtype);
    let mut found = Vec::new();
    for record in wanted {
        let rdata = reply.get(record.rdata.clone()).ok_or(MALFORMED)?;
        found.push(match question.rtype {
            RecordType::A => Found::Address(<[u8; 4]>::try_from(rdata).map_err(|_| MALFORMED)?.into()),
            RecordType::AAAA => Found::Address(<[u8; 16]>::try_from(rdata).map_err(|_| MALFORMED)?.into()),
            _ => {
                let [p0, p1, w0, w1, _, _] = *rdata.first_chunk::<6>().ok_or(MALFORMED)?;
                let target = read_name(reply, record.rdata.start + 6).ok_or(MALFORMED)?.0;
                let (priority, weight) = (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([w0, w1]));
                Found::Service { priority, weight, target }
            }
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::{answers, query};
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::parse(text, Some(&Name::root())).unwrap()
    }

    /// A reply with these records: owner, type, RDATA.
    fn reply(question: Question<'_>, rcode: u8, records: &[(&Name, RecordType, Vec<u8>)]) -> Vec<u8> {
        let mut reply = query(7, question);
        reply.truncate(reply.len() - 11);
        reply[2] = 0x81;
        reply[3] = rcode;
        reply[7] = u8::try_from(records.len()).unwrap();
        reply[11] = 0;
        for (owner, rtype, rdata) in records {
            reply.extend_from_slice(owner.wire());
            for word in [rtype.0, 1, 0, 60, u16::try_from(rdata.len()).unwrap()] {
                reply.extend_from_slice(&word.to_be_bytes());
            }
            reply.extend_from_slice(rdata);
        }
        reply
    }

    #[test]
    fn aliases_are_followed_to_the_records_and_no_others() {
        let (blue, real, other) = (name("blue.service.consul"), name("real.consul"), name("other.consul"));
        let question = Question::of(&blue, RecordType::A);
        let records = [
            (&blue, RecordType::CNAME, real.wire().to_vec()),
            (&real, RecordType::A, vec![10, 0, 0, 1]),
            (&other, RecordType::A, vec![10, 0, 0, 2]),
        ];
        let found = read(&reply(question, 0, &records), question).unwrap();
        assert_eq!(found, [Found::Address("10.0.0.1".parse().unwrap())]);
        assert!(answers(&reply(question, 0, &records), 7, question));
        assert!(!answers(&reply(question, 0, &records), 8, question), "another id");
        assert!(!answers(&reply(question, 0, &records), 7, Question { name: &real, ..question }), "another name");
    }

    #[test]
    fn services_come_with_their_weights() {
        let (blue, target) = (name("blue.service.consul"), name("n1.consul"));
        let question = Question::of(&blue, RecordType::SRV);
        let rdata = [&[0, 1, 0, 9, 0, 80], target.wire()].concat();
        let found = read(&reply(question, 0, &[(&blue, RecordType::SRV, rdata)]), question).unwrap();
        assert_eq!(found, [Found::Service { priority: 1, weight: 9, target }]);
    }

    #[test]
    fn errors_are_said_in_words() {
        let blue = name("blue.service.consul");
        let question = Question::of(&blue, RecordType::A);
        assert_eq!(read(&reply(question, 2, &[]), question).unwrap_err(), "SERVFAIL");
        assert!(read(&reply(question, 3, &[]), question).unwrap_err().contains("NXDOMAIN"));
        let short = [(&blue, RecordType::A, vec![10, 0, 0])];
        assert_eq!(read(&reply(question, 0, &short), question).unwrap_err(), "its reply is malformed");
    }

    proptest! {
        #[test]
        fn no_reply_breaks_the_reader(noise in proptest::collection::vec(any::<u8>(), 0..200), srv in any::<bool>()) {
            let blue = name("blue.service.consul");
            let rtype = if srv { RecordType::SRV } else { RecordType::A };
            let question = Question::of(&blue, rtype);
            let _ = (answers(&noise, 7, question), read(&noise, question));
            let mut behind = reply(question, 0, &[]);
            behind[7] = 3;
            behind.extend_from_slice(&noise);
            let _ = read(&behind, question);
        }
    }
}
