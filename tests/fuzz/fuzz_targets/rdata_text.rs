//! Any text as RDATA: octets that print and read back, or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tidegate_fuzz::rdata_text(input));
