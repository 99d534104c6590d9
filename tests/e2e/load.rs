//! A steady load through the gateway that remembers every failure.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tests::{PATIENCE, http::Client, wait};

/// Threads that send requests at a fixed rate until they are told to finish.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    failures: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Four connections share the rate: one slow answer must not hide the next request.
const CONNECTIONS: u32 = 4;

impl Load {
    /// Starts with `rate` requests a second, at most three minutes long.
    pub(crate) fn start(port: u16, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU32::new(0));
        let failures = Arc::new(Mutex::new(Vec::new()));
        let period = Duration::from_secs(1) * CONNECTIONS / rate;
        let threads = (0..CONNECTIONS).map(|_| {
            let (stop, sent, failures) =
                (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&failures));
            std::thread::spawn(move || {
                let began = Instant::now();
                let mut client = Client::new(port);
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) && began.elapsed() < PATIENCE * 3 {
                    let failure = match client.get("/", &[]) {
                        Ok(answer) if answer.status == 200 => None,
                        Ok(answer) => Some(format!("{} {}", answer.status, answer.text())),
                        Err(error) => Some(error.to_string()),
                    };
                    if let Some(failure) = failure {
                        failures
                            .lock()
                            .unwrap()
                            .push(format!("after {:?}: {failure}", began.elapsed()));
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                    n += 1;
                    // A constant rate: late requests are made up for, as a crowd of users would.
                    std::thread::sleep((period * n).saturating_sub(began.elapsed()));
                }
            })
        });
        let threads = threads.collect();
        let load = Self { stop, sent, failures, threads };
        wait("the load flows", PATIENCE, || {
            (load.sent.load(Ordering::Relaxed) >= 20).then_some(())
        });
        load
    }

    /// Sends some more after whatever happened, ends, and demands that nothing failed.
    pub(crate) fn finish_without_failure(mut self, during: &str) {
        let enough = self.sent.load(Ordering::Relaxed) + 100;
        wait("requests after the change", PATIENCE, || {
            (self.sent.load(Ordering::Relaxed) >= enough).then_some(())
        });
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let failures = self.failures.lock().unwrap();
        let sent = self.sent.load(Ordering::Relaxed);
        assert!(
            failures.is_empty(),
            "{} of {sent} requests failed during {during}: {:#?}",
            failures.len(),
            &failures[..failures.len().min(10)]
        );
    }
}
