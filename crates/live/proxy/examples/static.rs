//! Runs a proxy from a bootstrap file: `cargo run -p proxy --example static -- FILE [WORKERS]`.

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "bootstrap.yaml".to_owned());
    let workers = arguments.next().map_or(Ok(1), |text| text.parse())?;
    proxy::run(proxy::Options::from_bootstrap_file(Path::new(&file), workers)?)
}
