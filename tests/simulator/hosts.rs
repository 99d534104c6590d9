//! The hosts behind the proxies: how each behaves at the moment, and whether it is there at all.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use traffic::{Dice, Fault};

/// How a host behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// It answers, after seconds.
    Slow,
    /// It answers with an error.
    Failing(u16),
    /// It answers 200, and a gRPC status that says it is unavailable.
    Lying,
    /// It takes the request and resets the stream.
    Resetting,
    /// It takes the request and closes the connection.
    Closing,
    /// It takes the request and says nothing.
    Silent,
    /// Nobody listens at its port.
    Refusing,
    /// Packets to it are lost.
    Unreachable,
}

/// All moods but the good one.
pub(crate) const BAD: [Mood; 9] = [
    Mood::Slow,
    Mood::Failing(500),
    Mood::Failing(503),
    Mood::Lying,
    Mood::Resetting,
    Mood::Closing,
    Mood::Silent,
    Mood::Refusing,
    Mood::Unreachable,
];

/// What a host makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Status { status: u16, grpc_status: Option<&'static str> },
    Fault(Fault),
}

/// What comes of dialling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialled {
    Stands,
    Refused,
    /// Nothing comes back.
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Host {
    mood: Mood,
    /// Tells it from an earlier host at the same address.
    life: u64,
}

/// All hosts that run, by address.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    hosts: BTreeMap<Ipv4Addr, Host>,
    lives: u64,
}

impl Hosts {
    pub(crate) fn start(&mut self, ip: Ipv4Addr) {
        self.lives += 1;
        self.hosts.insert(ip, Host { mood: Mood::Well, life: self.lives });
    }

    pub(crate) fn stop(&mut self, ip: Ipv4Addr) {
        self.hosts.remove(&ip);
    }

    pub(crate) fn set(&mut self, ip: Ipv4Addr, mood: Mood) {
        if let Some(host) = self.hosts.get_mut(&ip) {
            host.mood = mood;
        }
    }

    pub(crate) fn heal_all(&mut self) {
        self.hosts.values_mut().for_each(|host| host.mood = Mood::Well);
    }

    /// Which life a host lives; `None` when nobody is there.
    pub(crate) fn life(&self, ip: Ipv4Addr) -> Option<u64> {
        self.hosts.get(&ip).map(|host| host.life)
    }

    /// What comes of dialling it, and after how long.
    pub(crate) fn dial(&self, ip: Ipv4Addr, dice: &mut Dice) -> (Dialled, Duration) {
        let round_trip = Duration::from_micros(100 + dice.below(900));
        match self.hosts.get(&ip).map(|host| host.mood) {
            None => (Dialled::Lost, round_trip),
            Some(Mood::Unreachable) => (Dialled::Lost, round_trip),
            Some(Mood::Refusing) => (Dialled::Refused, round_trip),
            Some(_) => (Dialled::Stands, round_trip),
        }
    }

    /// What it makes of a request that arrives now, and after how long; `None` is silence.
    pub(crate) fn ask(&self, ip: Ipv4Addr, dice: &mut Dice) -> (Option<Reply>, Duration) {
        let soon = Duration::from_millis(1 + dice.below(30));
        let status = |status| Some(Reply::Status { status, grpc_status: None });
        let sent = true;
        match self.hosts.get(&ip).map(|host| host.mood) {
            Some(Mood::Well) => (status(200), soon),
            Some(Mood::Slow) => (status(200), Duration::from_millis(500 + dice.below(4000))),
            Some(Mood::Failing(code)) => (status(code), soon),
            Some(Mood::Lying) => {
                (Some(Reply::Status { status: 200, grpc_status: Some("14") }), soon)
            }
            Some(Mood::Resetting) => {
                (Some(Reply::Fault(Fault::Reset { request_sent: sent })), soon)
            }
            Some(Mood::Closing) => {
                (Some(Reply::Fault(Fault::Terminated { request_sent: sent })), soon)
            }
            Some(Mood::Silent | Mood::Refusing | Mood::Unreachable) | None => (None, soon),
        }
    }
}
