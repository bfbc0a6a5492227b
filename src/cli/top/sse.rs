//! Server-sent events, as far as the admin interface sends them (WHATWG HTML, section 9.2).

/// The longest line that is read: a happening takes some 300 bytes.
const LONGEST_LINE: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    /// Its kind.
    pub name: String,
    /// What it says.
    pub data: String,
    /// Its number, to come back with.
    pub id: Option<String>,
}

/// Bytes in as they come, events out as they are complete.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    event: Event,
}

impl Reader {
    /// Takes a piece; `None` when this is no stream of events.
    pub(super) fn take(&mut self, piece: &[u8]) -> Option<Vec<Event>> {
        let mut complete = Vec::new();
        for byte in piece {
            match byte {
                b'\n' => complete.extend(self.end_of_line()),
                b'\r' => {}
                _ if self.line.len() == LONGEST_LINE => return None,
                _ => self.line.push(*byte),
            }
        }
        Some(complete)
    }

    /// An empty line ends an event; others add to it.
    fn end_of_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.name.is_empty() || !event.data.is_empty()).then_some(event);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments keep the connection open; `retry` is not sent.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"event: connected\ndata: {}\n\n:\n\nevent: changed\r\nid: 7\r\ndata: a\r\ndata: b\r\n\r\n";

    #[test]
    fn events_come_out_whole_however_they_are_cut() {
        for size in 1..STREAM.len() {
            let mut reader = Reader::default();
            let events: Vec<Event> = STREAM.chunks(size).flat_map(|piece| reader.take(piece).unwrap()).collect();
            let [connected, changed] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!((connected.name.as_str(), connected.data.as_str(), &connected.id), ("connected", "{}", &None));
            assert_eq!(changed.data, "a\nb");
            assert_eq!(changed.id.as_deref(), Some("7"));
        }
    }

    #[test]
    fn what_never_ends_a_line_is_no_stream() {
        let mut reader = Reader::default();
        assert_eq!(reader.take(&vec![b'x'; LONGEST_LINE]), Some(Vec::new()));
        assert_eq!(reader.take(b"x"), None);
    }
}
