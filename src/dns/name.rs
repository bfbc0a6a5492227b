//! Domain names in lower-case wire form (RFC 1035 §3.1, RFC 4343).
//!
//! A [`Name`] is what we store and compare; the case a client used lives only in its packet.

use std::fmt;
use std::str::FromStr;

/// The longest name in wire form, root label included (RFC 1035 §2.3.4).
pub const MAX_NAME_LEN: usize = 255;

/// An absolute name: uncompressed wire form, ASCII letters in lower case, root label included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots in a row, or a leading dot.
    #[error("empty label (two dots in a row?)")]
    EmptyLabel,
    /// A label over 63 octets.
    #[error("label longer than 63 octets")]
    LabelTooLong,
    /// The whole name over 255 octets.
    #[error("name longer than 255 octets")]
    NameTooLong,
    /// A backslash that begins no `\\X` or `\\DDD`.
    #[error("bad escape: a backslash is followed by one character or by three digits up to 255")]
    BadEscape,
    /// A relative name where nothing says relative to what.
    #[error("relative name without an origin")]
    NoOrigin,
}

impl Name {
    /// The root name.
    #[must_use]
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Takes wire form as it is found in a packet or RDATA: uncompressed, root label included.
    ///
    /// # Errors
    /// When the octets are not exactly one name.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        if wire.len() > MAX_NAME_LEN {
            return Err(NameError::NameTooLong);
        }
        let mut at = 0;
        loop {
            match wire.get(at) {
                Some(0) if at + 1 == wire.len() => break,
                Some(&len) if len != 0 && len <= 63 => at += 1 + usize::from(len),
                Some(0) => return Err(NameError::EmptyLabel),
                _ => return Err(NameError::LabelTooLong),
            }
        }
        Ok(Self(wire.to_ascii_lowercase().into_boxed_slice()))
    }

    /// Reads presentation form; a name without a final dot is completed by `origin`, `@` is the origin.
    ///
    /// # Errors
    /// When the text is not a name, or is relative and there is no origin.
    pub fn parse(text: &str, origin: Option<&Self>) -> Result<Self, NameError> {
        Self::parse_bytes(text.as_bytes(), origin)
    }

    /// [`Name::parse`] for text that need not be UTF-8 (master files).
    ///
    /// # Errors
    /// As [`Name::parse`].
    pub fn parse_bytes(text: &[u8], origin: Option<&Self>) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2 + origin.map_or(0, |o| o.0.len()));
        Self::append_text(text, origin, &mut wire)?;
        Ok(Self(wire.into_boxed_slice()))
    }

    /// [`Name::parse_bytes`] to the end of a buffer; returns whether the name was relative to the origin.
    ///
    /// # Errors
    /// As [`Name::parse`]; the buffer may then hold the beginning of the name.
    pub fn append_text(text: &[u8], origin: Option<&Self>, wire: &mut Vec<u8>) -> Result<bool, NameError> {
        let start = wire.len();
        if text == b"@" {
            wire.extend_from_slice(&origin.ok_or(NameError::NoOrigin)?.0);
            return Ok(true);
        }
        wire.push(0);
        if text == b"." {
            return Ok(false);
        }
        let mut label_at = start;
        let mut rest = text;
        let mut absolute = false;
        while let Some((&octet, tail)) = rest.split_first() {
            rest = tail;
            let octet = match octet {
                b'.' => {
                    close_label(wire, &mut label_at)?;
                    absolute = rest.is_empty();
                    continue;
                }
                b'\\' => {
                    let (octet, used) = unescape(rest)?;
                    rest = rest.get(used..).unwrap_or_default();
                    octet
                }
                plain => plain,
            };
            wire.push(octet.to_ascii_lowercase());
        }
        if !absolute {
            close_label(wire, &mut label_at)?;
            wire.truncate(label_at);
            wire.extend_from_slice(&origin.ok_or(NameError::NoOrigin)?.0);
        }
        if wire.len() - start > MAX_NAME_LEN { Err(NameError::NameTooLong) } else { Ok(!absolute) }
    }

    /// The wire form.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels, leftmost first, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (&len, tail) = rest.split_first()?;
            if len == 0 {
                return None;
            }
            let (label, tail) = tail.split_at(usize::from(len));
            rest = tail;
            Some(label)
        })
    }

    /// How many labels, the root not counted.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The name without its leftmost label; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let len = usize::from(self.0[0]);
        if len == 0 { None } else { Some(Self(self.0[len + 1..].into())) }
    }

    /// Whether this name is `ancestor` or below it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        wire_is_within(&self.0, &ancestor.0)
    }

    /// Whether the leftmost label is `*` (RFC 4592).
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(&[1, b'*'])
    }

    /// This name with one more label in front.
    ///
    /// # Errors
    /// When the label or the result is too long.
    pub fn child(&self, label: &[u8]) -> Result<Self, NameError> {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        let len = u8::try_from(label.len()).ok().filter(|l| *l <= 63).ok_or(NameError::LabelTooLong)?;
        let mut wire = Vec::with_capacity(label.len() + 1 + self.0.len());
        wire.push(len);
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
        wire.extend_from_slice(&self.0);
        if wire.len() > MAX_NAME_LEN { Err(NameError::NameTooLong) } else { Ok(Self(wire.into_boxed_slice())) }
    }
}

/// Whether one uncompressed name in lower case is another or below it.
pub(crate) fn wire_is_within(own: &[u8], top: &[u8]) -> bool {
    if !own.ends_with(top) {
        return false;
    }
    let boundary = own.len() - top.len();
    let mut at = 0;
    while at < boundary {
        at += 1 + own.get(at).copied().map_or(0, usize::from);
    }
    at == boundary
}

/// Writes the length of the label begun at `label_at` and opens the next one.
fn close_label(wire: &mut Vec<u8>, label_at: &mut usize) -> Result<(), NameError> {
    let len = wire.len() - *label_at - 1;
    if len == 0 {
        return Err(NameError::EmptyLabel);
    }
    wire[*label_at] = u8::try_from(len).ok().filter(|l| *l <= 63).ok_or(NameError::LabelTooLong)?;
    *label_at = wire.len();
    wire.push(0);
    Ok(())
}

/// The octet behind a backslash, and how many characters it took (RFC 1035 §5.1).
pub(super) fn unescape(text: &[u8]) -> Result<(u8, usize), NameError> {
    match text {
        [a, b, c, ..] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() => {
            let value = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
            u8::try_from(value).map(|v| (v, 3)).map_err(|_| NameError::BadEscape)
        }
        [first, ..] if !first.is_ascii_digit() => Ok((*first, 1)),
        _ => Err(NameError::BadEscape),
    }
}

impl fmt::Display for Name {
    /// Presentation form with the final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() == 1 {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => write!(f, "\\{}", char::from(octet))?,
                    0x21..=0x7e => write!(f, "{}", char::from(octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Reads an absolute name; the final dot may be missing.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, Some(&Self::root()))
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_by_the_origin_and_kept_in_lower_case() {
        let origin: Name = "Example.Test".parse().unwrap();
        assert_eq!(Name::parse("WWW", Some(&origin)).unwrap().to_string(), "www.example.test.");
        assert_eq!(Name::parse("www.", Some(&origin)).unwrap().to_string(), "www.");
        assert_eq!(Name::parse("@", Some(&origin)).unwrap(), origin);
        assert_eq!(".".parse::<Name>().unwrap(), Name::root());
    }

    #[test]
    fn escapes_survive_a_round_trip() {
        let name: Name = r"a\.b\032c\\.example.test.".parse().unwrap();
        assert_eq!(name.label_count(), 3);
        assert_eq!(name.to_string().parse::<Name>().unwrap(), name);
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        assert_eq!("a..b".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!(".a".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!("a".repeat(64).parse::<Name>(), Err(NameError::LabelTooLong));
        assert_eq!(["a"; 128].join(".").parse::<Name>(), Err(NameError::NameTooLong));
        assert_eq!(r"a\25".parse::<Name>(), Err(NameError::BadEscape));
        assert_eq!(Name::parse("a", None), Err(NameError::NoOrigin));
    }

    #[test]
    fn within_compares_whole_labels() {
        let top: Name = "example.test".parse().unwrap();
        assert!("a.example.test".parse::<Name>().unwrap().is_within(&top));
        assert!(top.is_within(&top));
        assert!(!"anexample.test".parse::<Name>().unwrap().is_within(&top));
    }
}
