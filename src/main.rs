//! The `tidegate` binary: arguments to one command to an exit code.

fn main() {}
