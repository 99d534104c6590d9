//! What stands before and behind the proxies that `bench/peers` compares: a load generator, a backend, and a raw relay, which
//! is the kernel's own cost.

mod backend;
mod load;
mod relay;

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::Context as _;

const USAGE: &str =
    "bench-parts backend ADDRESS | relay ADDRESS UPSTREAM | load TARGET key=value...";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let address = |text: &str| {
        text.parse::<SocketAddr>().with_context(|| format!("{text:?} is no address:port"))
    };
    match &words[..] {
        ["backend", own] => backend::run(address(own)?),
        ["relay", own, upstream] => relay::run(address(own)?, address(upstream)?),
        ["load", target, settings @ ..] => {
            let pairs = settings.iter().map(|it| it.split_once('=').context(USAGE));
            let settings = pairs.collect::<anyhow::Result<BTreeMap<&str, &str>>>()?;
            load::run(address(target)?, &settings)
        }
        _ => anyhow::bail!(USAGE),
    }
}
