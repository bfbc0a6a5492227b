//! The `tidegate` binary: arguments to one command to an exit code.

fn main() -> std::process::ExitCode {
    tidegate::cli::main()
}
