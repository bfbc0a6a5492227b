//! Class CH: who this server is, as far as its operator wants that told (RFC 4892).

use super::{Answering, Kind};
use crate::dns::RecordType;
use crate::dns::compose::Section;

impl Answering<'_, '_> {
    /// Answers TXT (or ANY) of the well-known names; refuses everything else.
    pub(super) fn answer_chaos(&mut self) {
        let asked = matches!(self.qtype, RecordType::TXT | RecordType::ANY);
        match self.snapshot.settings.chaos(self.qname.wire()).filter(|_| asked) {
            Some(record) => {
                self.authoritative = true;
                self.kind = Kind::Answer;
                if !self.reply.push(Section::Answer, record, 1) {
                    self.reply.truncate();
                }
            }
            None => self.refuse(None),
        }
    }
}
