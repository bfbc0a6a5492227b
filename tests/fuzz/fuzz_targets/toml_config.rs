//! Any text as a zone's TOML and as the server's file: definitions or problems.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tidegate_fuzz::toml_config(input));
