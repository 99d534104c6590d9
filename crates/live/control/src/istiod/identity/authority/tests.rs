//! What a Secret must hold, and what its authority signs.

use controllers::certificates::{LIFE, OVERLAP};
use jiff::SignedDuration;
use rcgen::PKCS_ECDSA_P384_SHA384;
use rustls::server::danger::ClientCertVerifier;

use super::*;
use crate::istiod::identity::callers::of_certificate;

fn now() -> Timestamp {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

fn own() -> Secret {
    new_root("istio-system", "cluster.local", now()).unwrap()
}

fn set(secret: &mut Secret, field: &str, text: &str) {
    let data = secret.data.get_or_insert_default();
    data.insert(field.to_owned(), ByteString(text.as_bytes().to_vec()));
}

fn web() -> Identity {
    Identity::new("cluster.local", "shop", "web")
}

/// A certificate for the workload `web`, valid for a day.
fn leaf(authority: &Authority, at: Timestamp) -> Signed {
    let validity = certificates::grant(None, authority.validity, at).unwrap();
    authority.workload(&KeyPair::generate().unwrap(), &web(), validity).unwrap()
}

fn accepts(verifier: &Arc<dyn ClientCertVerifier>, signed: &Signed, at: Timestamp) -> bool {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().try_into().unwrap()));
    verifier.verify_client_cert(&signed.chain[0], &signed.chain[1..], at).is_ok()
}

/// A plugged-in CA: a root that stays away, and an intermediate that signs.
fn plugged_in() -> (Secret, String, String) {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "root");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root = parameters.self_signed(&root_key).unwrap();
    let issuer = Issuer::new(parameters.clone(), root_key);
    parameters.distinguished_name.push(DnType::CommonName, "between");
    let between = parameters.signed_by(&key, &issuer).unwrap();
    let mut secret = Secret::default();
    set(&mut secret, CERTIFICATE, &between.pem());
    set(&mut secret, KEY, &key.serialize_pem());
    set(&mut secret, ROOTS, &root.pem());
    set(&mut secret, CHAIN, &(between.pem() + &root.pem()));
    (secret, between.pem(), root.pem())
}

#[test]
fn a_kept_root_signs_workloads_for_a_day() {
    let authority = Authority::read(&own(), now()).unwrap();
    let signed = leaf(&authority, now());
    assert_eq!(signed.chain.len(), 1, "the root itself is not presented");
    assert_eq!(of_certificate(&signed.chain[0]), Ok(web()));
    let (validity, is_root) = facts(&signed.chain[0]).unwrap();
    assert!(!is_root && validity == signed.validity);
    assert_eq!(validity.until, now() + LIFE);
    let verifier = authority.verifier().unwrap();
    assert!(accepts(&verifier, &signed, now()));
    assert!(
        !accepts(&verifier, &signed, now() + LIFE + SignedDuration::from_secs(1)),
        "it expires"
    );
    let (_, parsed) = x509_parser::parse_x509_certificate(&signed.chain[0]).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical && parsed.subject().iter().next().is_none(), "no other name");
    let usages = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usages.client_auth && usages.server_auth && !usages.any);
    assert!(!format!("{authority:?}").contains("PRIVATE"));
}

#[test]
fn a_certificate_of_another_root_is_not_of_this_mesh() {
    let (ours, theirs) =
        (Authority::read(&own(), now()).unwrap(), Authority::read(&own(), now()).unwrap());
    assert!(!accepts(&ours.verifier().unwrap(), &leaf(&theirs, now()), now()));
}

#[test]
fn a_plugged_in_ca_presents_its_chain_and_tells_its_root() {
    let (mut secret, between, root) = plugged_in();
    let authority = Authority::read(&secret, now()).unwrap();
    let signed = leaf(&authority, now());
    assert_eq!(signed.chain.len(), 2);
    assert_eq!(pem(&signed.chain[1..]), between.replace("\r\n", "\n"));
    assert_eq!(authority.roots_pem(), root.replace("\r\n", "\n"));
    // A second root is trusted while it is listed.
    let other = Authority::read(&own(), now()).unwrap();
    set(&mut secret, ROOTS, &(root + &other.roots_pem()));
    let both = Authority::read(&secret, now()).unwrap().verifier().unwrap();
    assert!(accepts(&both, &signed, now()) && accepts(&both, &leaf(&other, now()), now()));
    // Without a chain the signing certificate still is presented.
    secret.data.as_mut().unwrap().remove(CHAIN);
    assert_eq!(leaf(&Authority::read(&secret, now()).unwrap(), now()).chain.len(), 2);
}

#[test]
fn a_secret_whose_parts_do_not_belong_together_is_refused_and_its_key_not_shown() {
    let (good, between, _) = plugged_in();
    let (other, ..) = plugged_in();
    let field = |secret: &Secret, name: &str| text(secret, name).unwrap().unwrap();
    let key = KeyPair::generate().unwrap().serialize_pem();
    for (name, value, said) in [
        (KEY, key, "do not belong together"),
        (ROOTS, field(&other, ROOTS), "do not belong together"),
        (CERTIFICATE, field(&other, CERTIFICATE), "do not belong together"),
        (ROOTS, String::new(), "holds no root"),
        (CERTIFICATE, String::new(), "has no ca-cert.pem"),
        (KEY, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n".to_owned(), "ca-key.pem cannot be read"),
        (ROOTS, between.repeat(MOST + 1), "holds"),
    ] {
        let mut secret = good.clone();
        set(&mut secret, name, &value);
        if name == ROOTS && !value.is_empty() {
            secret.data.as_mut().unwrap().remove(CHAIN);
        }
        match Authority::read(&secret, now()) {
            Ok(authority) => assert_eq!(authority.roots.len(), 1, "{name} repeats one root"),
            Err(error) => {
                let error = format!("{error:#}");
                assert!(error.contains(said), "{name}: {error}");
                assert!(!error.contains("c2VjcmV0"), "{error}");
            }
        }
    }
    assert!(Authority::read(&good, "4500-01-01T00:00:00Z".parse().unwrap()).is_err(), "expired");
}

#[test]
fn roots_rotate_without_a_moment_in_which_anybody_is_refused() {
    let first = own();
    let old = Authority::read(&first, now()).unwrap();
    let before = leaf(&old, now());
    let mut wished = first.clone();
    wished
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(certificates::ROTATE.to_owned(), String::new());
    let asked = Authority::read(&wished, now()).unwrap();
    assert_eq!(asked.rotation(now()), Rotation::Prepare);

    let second = prepare(&wished, "cluster.local", now()).unwrap();
    let prepared = Authority::read(&second, now()).unwrap();
    assert_eq!(prepared.rotation(now()), Rotation::Keep(now() + OVERLAP));
    assert_eq!(prepared.roots.len(), 2, "both are trusted before the new one signs");
    assert_eq!(prepared.roots[0], old.roots[0]);

    let later = now() + OVERLAP;
    assert_eq!(prepared.rotation(later), Rotation::Promote);
    let third = promote(&second, later).unwrap();
    let promoted = Authority::read(&third, later).unwrap();
    assert!(matches!(promoted.rotation(later), Rotation::Keep(_)), "the wish is fulfilled");
    assert_eq!(promoted.roots.len(), 2);
    assert_eq!(promoted.roots[1], old.roots[0], "the old one is listed");
    let after = leaf(&promoted, later);
    // Who has last heard of the roots before the new one signed accepts what it signs, and the other way round.
    assert!(accepts(&prepared.verifier().unwrap(), &after, later));
    assert!(accepts(&promoted.verifier().unwrap(), &before, now()));
    assert!(!accepts(&old.verifier().unwrap(), &after, later));

    // Once a person has taken the old one off the list, it is not trusted any more.
    let mut alone = third.clone();
    set(&mut alone, ROOTS, &text(&third, CERTIFICATE).unwrap().unwrap());
    let alone = Authority::read(&alone, later).unwrap();
    assert!(!accepts(&alone.verifier().unwrap(), &before, now()));
    assert!(promote(&third, later).is_err(), "there is no other root");
}

#[test]
fn of_a_request_only_the_key_counts() {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names =
        vec![SanType::URI("spiffe://cluster.local/ns/bank/sa/till".to_owned().try_into().unwrap())];
    parameters.distinguished_name.push(DnType::CommonName, "bank");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let request = parameters.serialize_request(&key).unwrap().pem().unwrap();
    let authority = Authority::read(&own(), now()).unwrap();
    let validity = certificates::grant(None, authority.validity, now()).unwrap();
    let requested = requested_key(&request).unwrap();
    assert_eq!(requested.der_bytes(), key.public_key_raw());
    let signed = authority.workload(&requested, &web(), validity).unwrap();
    assert_eq!(of_certificate(&signed.chain[0]), Ok(web()));
    let (_, parsed) = x509_parser::parse_x509_certificate(&signed.chain[0]).unwrap();
    assert!(!parsed.is_ca());

    let larger = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let larger = CertificateParams::default().serialize_request(&larger).unwrap().pem().unwrap();
    assert!(requested_key(&larger).is_ok());
}

#[test]
fn requests_that_are_none_are_refused() {
    let key = KeyPair::generate().unwrap();
    let good = CertificateParams::default().serialize_request(&key).unwrap();
    let mut forged = good.der().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let wrap = |der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
    };
    assert!(requested_key(&wrap(good.der())).is_ok());
    for request in [
        String::new(),
        "nonsense".to_owned(),
        wrap(&forged),
        wrap(&good.der()[..40]),
        "x".repeat(LONGEST_REQUEST + 1),
    ] {
        assert!(requested_key(&request).is_err(), "{request:.60}");
    }
}
