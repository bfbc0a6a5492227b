//! Any text as a master file: a zone or problems with their places.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tidegate_fuzz::master_file(input));
