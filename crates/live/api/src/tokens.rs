//! ServiceAccount tokens: signed, expiring, for named audiences.
//!
//! Spec: Kubernetes' TokenRequest API; the claims are those of its projected tokens.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PublicKeyData as _};
use serde::{Deserialize, Serialize};

use crate::home::Home;

/// The audience of this API server, and the issuer of its tokens.
pub(crate) const AUDIENCE: &str = "https://kubernetes.default.svc.cluster.local";

/// Clocks of two processes on one machine agree; a container's request may still cross a second.
const LEEWAY_SECONDS: i64 = 5;

/// A name and the uid that tells it from a later object of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// Who a token stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) namespace: String,
    pub(crate) serviceaccount: Bound,
    /// The token dies with this pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Bound>,
}

/// What is inside a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: Vec<String>,
    /// Unix seconds.
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) iss: String,
    pub(crate) jti: String,
    pub(crate) nbf: i64,
    pub(crate) sub: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Subject,
}

/// The key that signs tokens; it stays in the home.
pub(crate) struct Tokens {
    sign: EncodingKey,
    verify: DecodingKey,
}

impl Tokens {
    /// Reads the signing key of the home, making it at the first start.
    pub(crate) fn open(home: &Home) -> Result<Tokens> {
        let key = match home.read("sa.key")? {
            Some(pem) => KeyPair::from_pem(&pem).with_context(|| {
                format!("{} is damaged; delete it to make a new one", home.path("sa.key").display())
            })?,
            None => {
                let key = KeyPair::generate()?;
                home.write("sa.key", &key.serialize_pem())?;
                key
            }
        };
        Ok(Tokens {
            sign: EncodingKey::from_ec_der(key.serialized_der()),
            verify: DecodingKey::from_ec_der(key.der_bytes()),
        })
    }

    /// Signs a token for `subject` that lasts `seconds`.
    ///
    /// `id` is the token's own name, unique by chance.
    pub(crate) fn issue(
        &self,
        subject: Subject,
        audiences: Vec<String>,
        seconds: i64,
        id: String,
        now: Timestamp,
    ) -> Result<(String, Timestamp)> {
        let iat = now.as_second();
        let exp = iat.saturating_add(seconds);
        let claims = Claims {
            aud: audiences,
            exp,
            iat,
            iss: AUDIENCE.to_owned(),
            jti: id,
            nbf: iat,
            sub: format!(
                "system:serviceaccount:{}:{}",
                subject.namespace, subject.serviceaccount.name
            ),
            kubernetes: subject,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.sign)?;
        Ok((token, Timestamp::from_second(exp)?))
    }

    /// The claims of a token that we signed, that has not expired and that is meant for one of
    /// `audiences`; otherwise the reason why not.
    pub(crate) fn verify(
        &self,
        token: &str,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<Claims, String> {
        // Time and audience are checked below, where the clock is an argument.
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.set_issuer(&[AUDIENCE]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verify, &validation)
            .map_err(|error| format!("the token is not one of this API server: {error}"))?
            .claims;
        let now = now.as_second();
        if claims.exp + LEEWAY_SECONDS < now {
            return Err("service account token has expired".to_owned());
        }
        if claims.nbf - LEEWAY_SECONDS > now {
            return Err("service account token is not valid yet".to_owned());
        }
        if !claims.aud.iter().any(|audience| audiences.contains(audience)) {
            return Err(format!(
                "token audiences {:?} is invalid for the target audiences {audiences:?}",
                claims.aud
            ));
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dir;

    fn tokens() -> (Dir, Tokens) {
        let dir = Dir::new();
        let tokens = Tokens::open(&Home::open(dir.path()).unwrap()).unwrap();
        (dir, tokens)
    }

    fn subject() -> Subject {
        let bound = |name: &str| Bound { name: name.to_owned(), uid: format!("{name}-uid") };
        Subject {
            namespace: "shop".to_owned(),
            serviceaccount: bound("web"),
            pod: Some(bound("web-1")),
        }
    }

    #[test]
    fn a_token_says_who_it_is_for_until_it_expires() {
        let (_dir, tokens) = tokens();
        let now = Timestamp::from_second(1_000_000).unwrap();
        let here = vec![AUDIENCE.to_owned()];
        let (token, until) =
            tokens.issue(subject(), here.clone(), 600, "one".to_owned(), now).unwrap();
        assert_eq!(until.as_second(), 1_000_600);
        let claims = tokens.verify(&token, &here, now).unwrap();
        assert_eq!(claims.sub, "system:serviceaccount:shop:web");
        assert_eq!(claims.kubernetes, subject());

        let late = Timestamp::from_second(1_000_700).unwrap();
        assert!(tokens.verify(&token, &here, late).unwrap_err().contains("expired"));
        let elsewhere = vec!["vault".to_owned()];
        assert!(tokens.verify(&token, &elsewhere, now).unwrap_err().contains("audiences"));
    }

    #[test]
    fn a_token_of_another_home_or_a_changed_token_is_refused() {
        let (_one, ours) = tokens();
        let (_two, theirs) = tokens();
        let now = Timestamp::from_second(1_000_000).unwrap();
        let here = vec![AUDIENCE.to_owned()];
        let (token, _) = theirs.issue(subject(), here.clone(), 600, "x".to_owned(), now).unwrap();
        assert!(ours.verify(&token, &here, now).is_err());
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts[1] = parts[1].chars().rev().collect();
        assert!(theirs.verify(&parts.join("."), &here, now).is_err());
    }

    #[test]
    fn the_key_outlives_the_process() {
        let dir = Dir::new();
        let home = Home::open(dir.path()).unwrap();
        let now = Timestamp::from_second(1_000_000).unwrap();
        let here = vec![AUDIENCE.to_owned()];
        let (token, _) = Tokens::open(&home)
            .unwrap()
            .issue(subject(), here.clone(), 600, "x".to_owned(), now)
            .unwrap();
        assert!(Tokens::open(&home).unwrap().verify(&token, &here, now).is_ok());
    }
}
