//! Keeps the addresses of named hosts fresh: what clusters of DNS names need looked up, looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use traffic::Lookup;
use traffic::cluster::DnsFamily;

use crate::shared::Shared;

/// No name is asked more often than this, whatever its TTL.
const SHORTEST: Duration = Duration::from_secs(1);
/// Look-ups at once.
const AT_ONCE: usize = 32;

/// Resolves until the task is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut due: BTreeMap<(Arc<str>, String), Instant> = BTreeMap::new();
    let slots = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    loop {
        let lookups = shared.upstreams.lookups();
        let wanted: BTreeSet<(&str, &str)> =
            lookups.iter().map(|lookup| (&*lookup.cluster, lookup.name.as_str())).collect();
        due.retain(|(cluster, name), _| wanted.contains(&(&**cluster, name.as_str())));
        drop(wanted);
        let now = Instant::now();
        for lookup in lookups {
            let key = (lookup.cluster.clone(), lookup.name.clone());
            if due.get(&key).is_some_and(|at| *at > now) {
                continue;
            }
            // Not asked again before the answer is here.
            due.insert(key.clone(), now + Duration::from_secs(3600));
            let (shared, slots, done) = (shared.clone(), slots.clone(), done.clone());
            tokio::task::spawn_local(async move {
                let _slot = slots.acquire_owned().await;
                let next = look_up(&shared, &lookup).await;
                // The receiver lives as long as this task's parent.
                let _ = done.send((key, Instant::now() + next.max(SHORTEST)));
            });
        }
        let next = due.values().min().copied();
        tokio::select! {
            () = shared.changed.notified() => {}
            Some((key, at)) = finished.recv() => {
                due.insert(key, at);
            }
            () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
        }
    }
}

/// Looks one name up; how long until the next time.
async fn look_up(shared: &Shared, lookup: &Lookup) -> Duration {
    match shared.resolver.resolve(&lookup.name).await {
        Ok(resolved) => {
            let addresses = of_family(resolved.addresses, lookup.family);
            let now = shared.clock.now();
            shared.upstreams.resolved(now, &lookup.cluster, &lookup.name, &addresses);
            if lookup.respect_ttl { resolved.ttl } else { lookup.refresh }
        }
        Err(error) => {
            tracing::warn!(cluster = %lookup.cluster, %error, "a name was not resolved");
            let now = shared.clock.now();
            shared.upstreams.unresolved(now, &lookup.cluster, &lookup.name);
            lookup.failure_refresh
        }
    }
}

fn of_family(addresses: Vec<IpAddr>, family: DnsFamily) -> Vec<IpAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    let first_of = |first: Vec<IpAddr>, second| if first.is_empty() { second } else { first };
    match family {
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::Auto => first_of(v6, v4),
        DnsFamily::V4Preferred => first_of(v4, v6),
        DnsFamily::All => v4.into_iter().chain(v6).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::of_family;
    use traffic::cluster::DnsFamily;

    #[test]
    fn families_are_as_configured() {
        let both = ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        for (family, count) in [
            (DnsFamily::V4Only, 1),
            (DnsFamily::V6Only, 1),
            (DnsFamily::Auto, 1),
            (DnsFamily::V4Preferred, 1),
            (DnsFamily::All, 2),
        ] {
            assert_eq!(of_family(both.to_vec(), family).len(), count, "{family:?}");
        }
        assert!(of_family(both.to_vec(), DnsFamily::Auto)[0].is_ipv6());
        assert!(of_family(both[..1].to_vec(), DnsFamily::Auto)[0].is_ipv4());
    }
}
