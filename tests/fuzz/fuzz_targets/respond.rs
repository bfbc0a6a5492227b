//! Any packet: a reply that keeps the rules, or silence.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tidegate_fuzz::respond(input));
