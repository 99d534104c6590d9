//! `status` and `down`: what a script or a person asks of a mesh that runs elsewhere.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::home::Home;

/// Longest time that a mesh may take to end before `down` says so.
const DOWN: Duration = Duration::from_secs(40);

/// Prints where the mesh of this home is and what it runs; fails when none runs or it is not ready.
pub(crate) async fn status(home: &Home, as_json: bool) -> anyhow::Result<()> {
    let running = home.running().filter(|_| home.is_taken());
    let Some(running) = running else {
        if as_json {
            cli::print(&format!("{}\n", json!({ "running": false, "home": home.path() })))?;
        }
        anyhow::bail!("no mesh runs in {}\n  start one with `lateen up`", home.path().display());
    };
    let pods = match cli::Api::connect(home.path()).await {
        Ok(api) => api.pods().await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let ready = pods.iter().filter(|it| is_ready(it)).count();
    if as_json {
        let mut said = serde_json::to_value(&running)?;
        said["running"] = json!(true);
        said["home"] = json!(home.path());
        said["pods"] = json!({ "ready": ready, "all": pods.len() });
        cli::print(&(serde_json::to_string_pretty(&said)? + "\n"))?;
    } else {
        cli::print(&format!(
            "{}  pods        {ready} of {} ready\n  home        {} (process {})\n",
            crate::banner::places(&running),
            pods.len(),
            home.path().display(),
            running.pid
        ))?;
    }
    anyhow::ensure!(running.ready, "the mesh is still starting");
    Ok(())
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// Ends the mesh of this home and waits until it is gone.
pub(crate) fn down(home: &Home) -> anyhow::Result<()> {
    anyhow::ensure!(
        home.is_taken(),
        "no mesh runs in {}\n  --home DIR names another home",
        home.path().display()
    );
    let running = home.running().context("the mesh is just starting; try again in a moment")?;
    let pid =
        i32::try_from(running.pid).ok().and_then(Pid::from_raw).context("run.json has no pid")?;
    kill_process(pid, Signal::TERM)
        .with_context(|| format!("signal process {}; whose mesh is it?", running.pid))?;
    let deadline = Instant::now() + DOWN;
    while home.is_taken() {
        anyhow::ensure!(
            Instant::now() < deadline,
            "process {0} is still there after {DOWN:?}; `kill -9 {0}` ends it and leaves nothing behind",
            running.pid
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    cli::print(&format!("The mesh of {} is stopped.\n", home.path().display()))
}
