//! Signatures: HMAC-SHA256 (RFC 2104) over the timestamp, a dot and the body, by a secret in a file.
//!
//! The secret is read at each use, so that it can be changed without a reload, and kept nowhere.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt::Write;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// The most bytes of a secret; HMAC hashes what is longer than 64 anyway.
const MAX_SECRET: u64 = 4096;

/// The value of `Tidegate-Signature`: `sha256=` and the code in hexadecimal.
#[must_use]
pub fn sign(secret: &[u8], timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in [timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    let mut text = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The secret in a file, without the white space around it.
///
/// # Errors
/// Why there is none, with the path.
pub(super) async fn read_secret(path: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = async {
        let file = File::open(path).await?;
        file.take(MAX_SECRET + 1).read_to_end(&mut bytes).await
    };
    read.await.map_err(|problem| format!("can't read the secret file {path}: {problem}"))?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(format!("the secret file {path} holds more than {MAX_SECRET} bytes"));
    }
    let secret = bytes.trim_ascii();
    if secret.is_empty() {
        return Err(format!("the secret file {path} is empty"));
    }
    Ok(secret.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_rfc_4231() {
        // Test case 2: the data holds no dot, so it is cut where one would stand and checked by parts.
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let code: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(code, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn timestamp_and_body_are_signed_together() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let expected = "sha256=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(sign(b"secret", "1700000000", r#"{"a":1}"#), expected);
        assert_ne!(sign(b"secret", "1700000001", r#"{"a":1}"#), expected);
        assert_ne!(sign(b"secre", "1700000000", r#"{"a":1}"#), expected);
    }
}
