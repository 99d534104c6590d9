//! `dashboard`: opens a page of the mesh in the browser, or says where it is.

use std::process::{Command, Stdio};

use crate::home::Home;

/// The pages that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Page {
    /// Services, pods, rules and findings on one live page
    Console,
    /// What the gateway serves
    Gateway,
    /// The control plane's debug pages
    Istiod,
}

/// Prints the URL of a page, and opens it where there is a screen to open it on.
pub(crate) fn dashboard(home: &Home, page: Page, open: bool) -> anyhow::Result<()> {
    let running = home.running().filter(|_| home.is_taken()).ok_or_else(|| {
        anyhow::anyhow!(
            "no mesh runs in {}\n  start one with `lateen up`, or name another with --home DIR",
            home.path().display()
        )
    })?;
    let (port, path) = match page {
        Page::Console => (running.ports.console, ""),
        Page::Gateway => (running.ports.gateway_http, ""),
        Page::Istiod => (running.ports.monitoring, "/debug/"),
    };
    let url = format!("http://127.0.0.1:{port}{path}");
    cli::print(&format!("{url}\n"))?;
    let on_screen = ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|it| !it.is_empty()));
    if open && on_screen {
        let opened = Command::new("xdg-open")
            .arg(&url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if opened.is_err() {
            eprintln!("xdg-open is not installed: open the address in a browser yourself");
        }
    }
    Ok(())
}
