use std::process::ExitCode;

fn main() -> ExitCode {
    ece_agent::tls::install_provider();
    ece_agent::cli::main()
}
