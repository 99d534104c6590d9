//! What people, machines and networks do to the mesh, by chance; and the rest after it, when all must be right again.

use std::time::Duration;

use serde_json::json;

use crate::{
    hosts::{BAD, Mood},
    invariants,
    oracle::Oracle,
    rules::{self, SERVICES},
    scenario::{Mesh, PROMPT, probes},
};

/// So long after the last change everything has come to rest: pods have come and gone, proxies have connected again.
const REST: Duration = Duration::from_secs(14);
/// When nobody asks any more, everybody has gone away by then.
const END: Duration = Duration::from_secs(40);

impl Mesh {
    /// Plays so many acts, with a rest now and then and at the end.
    pub(crate) fn play(&mut self, acts: u64) {
        self.run(Duration::from_secs(3));
        for act in 1..=acts {
            self.act(act);
            let wait = match self.dice.below(4) {
                0 => self.dice.below(30),
                1 => self.dice.below(300),
                _ => self.dice.below(2500),
            };
            self.run(Duration::from_millis(wait));
            if act % 12 == 0 {
                self.rest();
            }
        }
        self.rest();
        self.clients_ask = false;
        self.run(END);
        for proxy in &mut self.proxies {
            invariants::nothing_is_held(proxy);
        }
        self.draws.judge();
    }

    fn act(&mut self, act: u64) {
        let service = rules::of(&SERVICES, &mut self.dice);
        let what = self.dice.below(66);
        self.note(format_args!("act {act}"));
        match what {
            0..=13 => {
                let object = rules::virtual_service(service, &mut self.dice);
                self.apply(&object);
                self.compare_mirrors(&object);
            }
            14..=21 => {
                let object = rules::destination_rule(service, &mut self.dice);
                self.apply(&object);
            }
            22..=24 => {
                let kind = rules::of(&["VirtualService", "DestinationRule"], &mut self.dice);
                self.delete(kind, service);
            }
            25..=28 => self.apply_bad(service),
            29..=36 => self.change_deployment(service),
            37..=47 => self.change_host(),
            48..=54 => self.change_wire(),
            55 | 56 => {
                let away = Duration::from_millis(self.dice.below(4000));
                self.restart_plane(away);
            }
            57 => {
                let object = rules::service_entry(&mut self.dice);
                self.apply(&object);
            }
            60..=65 => self.release(),
            58 => {
                let object = rules::sidecar(&mut self.dice);
                self.apply(&object);
            }
            _ => {
                let kind = rules::of(&["Sidecar", "ServiceEntry"], &mut self.dice);
                let name = if kind == "Sidecar" { "default" } else { "outside" };
                self.delete(kind, name);
            }
        }
    }

    /// Mirrors change nothing about the requests that they copy.
    fn compare_mirrors(&mut self, object: &serde_json::Value) {
        if object["spec"]["http"]
            .as_array()
            .is_none_or(|all| all.iter().all(|it| it["mirrors"].is_null()))
        {
            return;
        }
        let mut plain = object.clone();
        for rule in plain["spec"]["http"].as_array_mut().into_iter().flatten() {
            rule.as_object_mut().map(|rule| rule.remove("mirrors"));
        }
        let objects = self.fleet.objects();
        let mut with = mesh::World::new(objects.iter().map(|object| &**object));
        let mut without = with.clone();
        with.upsert(object);
        without.upsert(&plain);
        let (with, without) = (mesh::understand(&with).0, mesh::understand(&without).0);
        let seed = self.dice.roll();
        let asks = probes(&mut self.dice);
        for node in self.nodes().iter().take(2) {
            let oracle =
                |model: &mesh::Model| Oracle::new(&mesh::publish(&model.view(node)).into());
            let (with, without) = (oracle(&with), oracle(&without));
            let at_gateway = node.kind == mesh::NodeKind::Router;
            for ask in asks.iter().filter(|ask| ask.at_gateway == at_gateway) {
                invariants::mirrors_change_nothing(&with, &without, ask, seed);
            }
        }
    }

    fn apply_bad(&mut self, service: &str) {
        let object = rules::bad(service, &mut self.dice);
        let nodes = self.nodes();
        invariants::harms_only_itself(self.plane.world(), &object, service, &nodes);
        self.apply(&object);
    }

    fn change_deployment(&mut self, service: &str) {
        let date = self.clock.date();
        let version = rules::of(&["v1", "v2"], &mut self.dice);
        let name = format!("{service}-{version}");
        let replicas = self.dice.below(4);
        match self.dice.below(4) {
            0 | 1 => {
                let key = ("apps/v1", "Deployment", "default", name.as_str());
                let patch = json!({"spec": {"replicas": replicas}});
                let written = self.fleet.patch(key, patch, date);
                self.written(&format!("{name} has {replicas} replicas"), written);
            }
            2 => {
                let round = self.dice.below(1000);
                let place = rules::of(&["r1.z1", "r1.z2", "r2.z3"], &mut self.dice);
                let object = rules::deployment(service, version, place, 1 + replicas, round);
                self.apply(&object);
            }
            _ => {
                let Some(pod) = self.some_pod().map(|(pod, _)| pod) else { return };
                let ready = self.dice.happens(1, 2);
                let written = self.fleet.ready(&pod, None, ready, date);
                self.written(&format!("{pod} is ready: {ready}"), written);
            }
        }
    }

    /// A release and its end, each in one go and under load: what it needs comes first and goes last.
    fn release(&mut self) {
        let number = self.dice.below(u64::try_from(SERVICES.len()).expect("services are few"));
        let service = SERVICES[usize::try_from(number).expect("services are few")];
        let proxy = usize::try_from(self.dice.below(4)).expect("proxies are few");
        self.slow_down(proxy, Duration::from_millis(60));
        self.apply(&rules::whole(service));
        self.delete("DestinationRule", service);
        self.run(Duration::from_secs(2));
        for object in rules::release(service) {
            self.apply(&object);
        }
        self.crowd(number);
        self.run(Duration::from_secs(2));
        self.apply(&rules::whole(service));
        self.delete("DestinationRule", service);
        self.crowd(number);
    }

    fn some_pod(&mut self) -> Option<(String, std::net::Ipv4Addr)> {
        let running = self.fleet.running();
        let n = u64::try_from(running.len()).expect("pods are few");
        let at = usize::try_from(self.dice.below(n)).expect("pods are few");
        running.iter().nth(at).map(|(pod, ip)| (pod.clone(), *ip))
    }

    fn change_host(&mut self) {
        let Some((pod, ip)) = self.some_pod() else { return };
        let at = usize::try_from(self.dice.below(12)).expect("below twelve");
        match BAD.get(at) {
            Some(mood) => {
                self.note(format_args!("{pod} at {ip} is {mood:?}"));
                self.hosts.set(ip, *mood);
            }
            None if at == 9 => {
                self.note(format_args!("{pod} at {ip} is well"));
                self.hosts.set(ip, Mood::Well);
            }
            None if at == 10 => {
                // It begins anew at its address: connections to it are gone.
                self.note(format_args!("{pod} at {ip} restarts"));
                self.hosts.start(ip);
            }
            None => {
                self.note(format_args!("all hosts are well"));
                self.hosts.heal_all();
            }
        }
    }

    fn change_wire(&mut self) {
        let n = u64::try_from(self.proxies.len()).expect("proxies are few");
        let number = usize::try_from(self.dice.below(n)).expect("proxies are few");
        match self.dice.below(6) {
            0 | 1 => self.sever(number),
            2 => {
                let delay = Duration::from_millis(1 + self.dice.below(90));
                self.slow_down(number, delay);
            }
            3 => {
                let delay = Duration::from_millis(200 + self.dice.below(2500));
                self.slow_down(number, delay);
            }
            4 => {
                let poisoned = self.dice.happens(1, 2);
                self.note(format_args!("poisoned: {poisoned}"));
                self.poison(poisoned);
            }
            _ => {
                let walled_off = !self.walled_off[number];
                self.walled_off[number] = walled_off;
                self.note(format_args!("proxy {number} walled off: {walled_off}"));
                self.sever(number);
            }
        }
    }

    fn slow_down(&mut self, number: usize, delay: Duration) {
        self.note(format_args!("the wire of proxy {number} takes {delay:?}"));
        let proxy = &mut self.proxies[number];
        proxy.wire.delay = delay;
        proxy.is_prompt &= delay < PROMPT;
    }

    /// The network heals, nobody changes anything, and everybody comes to know everything.
    fn rest(&mut self) {
        self.note(format_args!("rest"));
        for number in 0..self.proxies.len() {
            self.walled_off[number] = false;
            self.proxies[number].wire.delay = Duration::from_millis(2);
        }
        self.run(REST);
        for (number, node) in self.nodes().iter().enumerate() {
            let snapshot = self.plane.snapshot(node);
            let proxy = &self.proxies[number];
            let stream = proxy.wire.stream;
            let settled = stream.is_some_and(|stream| self.plane.settled(stream));
            invariants::converged(proxy, settled, &snapshot, self.plane.is_poisoned());
        }
    }
}
