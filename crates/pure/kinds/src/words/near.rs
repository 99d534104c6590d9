//! The word that was probably meant.

/// The candidate nearest to a word, where one is near enough to be a slip; letters count without their case.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let score = |candidate: &'a str| {
        let lower = candidate.to_ascii_lowercase();
        let shared = word.len() >= 3 && lower.starts_with(&word);
        let distance = if shared { 0 } else { strsim::osa_distance(&word, &lower) };
        (distance, candidate.len(), candidate)
    };
    let (distance, _, best) = candidates.into_iter().map(score).min()?;
    (distance <= word.chars().count().div_ceil(3).min(3) && distance < word.chars().count())
        .then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_mended_and_a_stranger_is_not() {
        let kinds = ["pods", "services", "deployments", "virtualservices", "gateways"];
        for (word, meant) in [
            ("pds", Some("pods")),
            ("pdos", Some("pods")),
            ("servces", Some("services")),
            ("virtualservce", Some("virtualservices")),
            ("deploymnet", Some("deployments")),
            ("gate", Some("gateways")),
            ("bananas", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, kinds), meant, "{word}");
        }
    }

    #[test]
    fn the_first_part_of_a_name_is_enough() {
        let pods = ["webapp-5d8f-x2", "staff-7f-a1"];
        assert_eq!(nearest("webapp", pods), Some("webapp-5d8f-x2"));
    }
}
