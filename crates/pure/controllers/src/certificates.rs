//! Certificates of the mesh: how long one lives, when it is renewed, when a root gives way to the next, and where the
//! roots are told.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{Target, Write};

/// Life of a workload's certificate: what is asked for beyond it is cut to it. Revocation is by this short life.
pub const LIFE: SignedDuration = SignedDuration::from_hours(24);
/// The shortest life that is given.
pub const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
/// Certificates are valid from a little earlier on, for clocks that differ.
pub const BACKDATE: SignedDuration = SignedDuration::from_mins(2);
/// Life of a root that the control plane makes by itself.
pub const ROOT_LIFE: SignedDuration = SignedDuration::from_hours(24 * 3650);
/// So long a new root is trusted before it signs: by then every workload has renewed its certificate, and with it got the
/// new list of roots.
pub const OVERLAP: SignedDuration = LIFE;

/// The ConfigMap that tells every namespace the roots, and its key.
pub const ROOTS: (&str, &str) = ("istio-ca-root-cert", "root-cert.pem");
/// Annotation of the Secret of the root by which a person asks for another root.
pub const ROTATE: &str = "lateen.io/rotate-root";

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub until: Timestamp,
}

impl Validity {
    /// Whether it is valid at a moment.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now <= self.until
    }
}

/// Why no certificate is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The issuer's own certificate is (nearly) over, or not valid yet.
    IssuerExpired,
}

/// The validity of a new certificate: what is asked for (`None`: [`LIFE`]), between [`SHORTEST`] and [`LIFE`], and never beyond
/// the issuer's own end.
///
/// # Errors
/// When the issuer does not live as long as the shortest certificate.
pub fn grant(
    asked: Option<SignedDuration>,
    issuer: Validity,
    now: Timestamp,
) -> Result<Validity, Refusal> {
    let life = asked.unwrap_or(LIFE).clamp(SHORTEST, LIFE);
    let until = (now + life).min(issuer.until);
    if now < issuer.from || until < now + SHORTEST {
        return Err(Refusal::IssuerExpired);
    }
    Ok(Validity { from: now - BACKDATE, until })
}

/// When a certificate is to be renewed: at half of its life, give or take a hundredth by `chance`, so that certificates that
/// were given at once are not all renewed at once. Its life begins when it was given, which is [`BACKDATE`] after its first moment.
#[must_use]
pub fn renewal(validity: Validity, chance: u8) -> Timestamp {
    let given = (validity.from + BACKDATE).min(validity.until);
    let life = validity.until.duration_since(given).as_millis();
    let jitter = life / 100 * (i128::from(chance) - 128) / 128;
    let after = i64::try_from(life / 2 + jitter).unwrap_or_default();
    given + SignedDuration::from_millis(after.max(0))
}

/// The roots that a control plane keeps by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The one that signs.
    pub signer: Validity,
    /// The one that is trusted already and will sign.
    pub next: Option<Validity>,
    /// A person asked for another.
    pub wish: bool,
}

/// What is to be done about the roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Nothing, before this moment.
    Keep(Timestamp),
    /// A new root is to be made and trusted beside the old one.
    Prepare,
    /// The new root is to sign; the old one stays trusted.
    Promote,
}

/// What is to be done about the roots: another is prepared when a fifth of the signer's life is left, or when a person wishes it.
#[must_use]
pub fn rotation(roots: &Roots, now: Timestamp) -> Rotation {
    if let Some(next) = roots.next {
        // It was made at this time; a signer that ends before the overlap does waits for nothing.
        let at = (next.from + BACKDATE + OVERLAP).min(roots.signer.until - LIFE);
        return if at <= now { Rotation::Promote } else { Rotation::Keep(at) };
    }
    let life = roots.signer.until.duration_since(roots.signer.from);
    let at = roots.signer.until - life / 5;
    if roots.wish || at <= now { Rotation::Prepare } else { Rotation::Keep(at) }
}

/// What is known of the ConfigMap of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What it holds under its key.
    pub roots: Option<String>,
    /// Its resourceVersion.
    pub version: String,
}

/// Writes that put the roots into every namespace that stays, and right where they differ.
#[must_use]
pub fn tell(
    namespaces: impl IntoIterator<Item = impl AsRef<str>>,
    told: &BTreeMap<String, Told>,
    roots: &str,
) -> Vec<Write> {
    let mut writes = Vec::new();
    for namespace in namespaces {
        let namespace = namespace.as_ref();
        match told.get(namespace) {
            None => writes.push(announce(namespace, roots)),
            Some(told) if told.roots.as_deref() != Some(roots) => {
                let target = Target {
                    api_version: "v1".to_owned(),
                    kind: "ConfigMap".to_owned(),
                    namespace: namespace.to_owned(),
                    name: ROOTS.0.to_owned(),
                    uid: String::new(),
                };
                let patch = json!({
                    "metadata": {"resourceVersion": told.version},
                    "data": {ROOTS.1: roots},
                });
                writes.push(Write::patch(target, patch, None));
            }
            Some(_) => {}
        }
    }
    writes
}

/// The write that tells a namespace the roots for the first time.
#[must_use]
pub fn announce(namespace: &str, roots: &str) -> Write {
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": ROOTS.0,
            "namespace": namespace,
            "labels": {"istio.io/config": "true"},
        },
        "data": {ROOTS.1: roots},
    });
    let owner = Target { namespace: namespace.to_owned(), ..Target::default() };
    Write::create(map, owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn life(from: i64, until: i64) -> Validity {
        Validity { from: at(from), until: at(until) }
    }

    #[test]
    fn a_life_is_cut_to_a_day_and_to_the_issuer_s_end() {
        let issuer = life(0, 1000);
        let hours = |asked: i64| Some(SignedDuration::from_hours(asked));
        // asked, now: until
        for (asked, now, until) in [
            (None, 10, Ok(at(34))),
            (hours(1), 10, Ok(at(11))),
            (hours(24 * 90), 10, Ok(at(34))),
            (hours(-5), 10, Ok(at(10) + SHORTEST)),
            (hours(0), 10, Ok(at(10) + SHORTEST)),
            (None, 990, Ok(at(1000))),
            (None, 1000, Err(Refusal::IssuerExpired)),
            (None, 1001, Err(Refusal::IssuerExpired)),
            (None, -1, Err(Refusal::IssuerExpired)),
        ] {
            let found = grant(asked, issuer, at(now));
            assert_eq!(found.map(|given| given.until), until, "{asked:?} at {now}");
            assert!(found.is_ok_and(|given| given.from == at(now) - BACKDATE) || until.is_err());
        }
    }

    #[test]
    fn a_certificate_is_renewed_about_halfway() {
        let given = grant(None, life(0, 1000), at(0)).unwrap();
        assert_eq!(renewal(given, 128), at(12));
        let (first, last) = (renewal(given, 0), renewal(given, 255));
        assert!(at(11) < first && first < at(12) && at(12) < last && last < at(13));
        assert_eq!(renewal(life(5, 5), 255), at(5));
        let short = grant(Some(SHORTEST), life(0, 1000), at(1)).unwrap();
        assert_eq!(renewal(short, 128), at(1) + SHORTEST / 2, "not before it was given");
    }

    #[test]
    fn a_root_is_trusted_for_a_day_before_it_signs() {
        let years = ROOT_LIFE.as_hours();
        let signer = life(0, years);
        let roots = |next, wish| Roots { signer, next, wish };
        let fifth = years - years / 5;
        assert_eq!(rotation(&roots(None, false), at(1)), Rotation::Keep(at(fifth)));
        assert_eq!(rotation(&roots(None, false), at(fifth)), Rotation::Prepare);
        assert_eq!(rotation(&roots(None, true), at(1)), Rotation::Prepare);
        let next = Validity { from: at(100) - BACKDATE, until: at(100 + years) };
        let promoted = at(100) + OVERLAP;
        for wish in [false, true] {
            let kept = rotation(&roots(Some(next), wish), at(101));
            assert_eq!(kept, Rotation::Keep(promoted), "one rotation at a time");
        }
        assert_eq!(rotation(&roots(Some(next), true), promoted), Rotation::Promote);
        let late = Roots { signer: life(0, 110), next: Some(next), wish: false };
        assert_eq!(rotation(&late, at(101)), Rotation::Promote);
    }

    #[test]
    fn every_namespace_is_told_and_put_right() {
        let told = |roots: &str| Told { roots: Some(roots.to_owned()), version: "7".to_owned() };
        let known = BTreeMap::from([
            ("right".to_owned(), told("R")),
            ("wrong".to_owned(), told("X")),
            ("empty".to_owned(), Told { roots: None, version: "8".to_owned() }),
        ]);
        let writes = tell(["empty", "new", "right", "wrong"], &known, "R");
        let shown: Vec<_> = writes
            .iter()
            .map(|write| {
                let made = matches!(write.action, Action::Create { .. });
                (write.target.namespace.as_str(), made)
            })
            .collect();
        assert_eq!(shown, [("empty", false), ("new", true), ("wrong", false)]);
    }
}
