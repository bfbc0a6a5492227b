//! The zone every server gets: many names with one address, and two steered names.

use crate::wire::NAMES;
use std::fmt::Write;

/// The address of name `n`.
pub fn address(n: u32) -> String {
    format!("198.{}.{}.{}", 18 + (n >> 16) % 2, (n >> 8) & 255, n & 255)
}

/// A master file; `steered` are its lines for the steered names.
pub fn master_file(names: u32, steered: &str, serial: u32) -> String {
    let mut text = String::with_capacity(names as usize * 34 + 512);
    let _ = write!(
        text,
        "$TTL 60\n$ORIGIN example.test.\n@ 60 IN SOA ns1.example.test. host.example.test. {serial} 3600 600 86400 60\n\
         @ 60 IN NS ns1.example.test.\nns1 60 IN A 192.0.2.1\n{steered}"
    );
    for n in 0..names {
        let _ = writeln!(text, "h{n:07} 60 IN A {}", address(n));
    }
    text
}

/// The zone of the comparison, for servers that steer nothing or steer by other files.
pub fn small(steered: &str) -> String {
    master_file(NAMES, steered, 1)
}

/// Static stand-ins for the steered names.
pub const STATIC: &str = "wwwwwwww 60 IN A 192.0.2.10\nssssssss 60 IN A 192.0.2.10\n";

/// One switch of Tidegate: two pools of `members` members each, 90 to 10.
pub fn switch(name: &str, owner: &str, policy: &str, members: &[[String; 2]]) -> String {
    let list = |side: usize| members.iter().map(|pair| format!("\"{}\"", pair[side])).collect::<Vec<_>>().join(", ");
    format!(
        "[switch.{name}]\nowners = [\"{owner}\"]\npolicy = \"{policy}\"\nttl = 60\n\
         [switch.{name}.pool.blue]\nmembers = [{}]\nweight = 9000\n\
         [switch.{name}.pool.green]\nmembers = [{}]\nweight = 1000\n",
        list(0),
        list(1)
    )
}
