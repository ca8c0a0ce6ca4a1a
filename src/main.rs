//! The `twsmux` binary: hands over to [`twsmux::cli`].
fn main() -> std::process::ExitCode {
    twsmux::cli::main()
}
