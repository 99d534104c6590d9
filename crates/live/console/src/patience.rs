//! Findings that another object may mend wait a moment before they show: YAML that is applied in
//! any order alarms nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh::Finding;

/// How long such a finding waits.
const WAIT: Duration = Duration::from_secs(2);

/// Since when each finding holds. Times are counted from any fixed moment.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    since: BTreeMap<Finding, Duration>,
}

impl Patience {
    /// Takes the findings that are too young out of `findings`, which hold at least since
    /// `unchanged`. Returns when the next of them is due.
    pub(crate) fn step(
        &mut self,
        findings: &mut Vec<Finding>,
        unchanged: Duration,
        now: Duration,
    ) -> Option<Duration> {
        let mut since = BTreeMap::new();
        for finding in findings.iter().filter(|finding| finding.waits()) {
            let first = self.since.get(finding).copied().unwrap_or(unchanged).min(unchanged);
            since.insert(finding.clone(), first);
        }
        self.since = since;
        let due = |finding: &Finding| self.since.get(finding).map(|first| *first + WAIT);
        let next = findings.iter().filter_map(due).filter(|due| *due > now).min();
        findings.retain(|finding| due(finding).is_none_or(|due| due <= now));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh::{Code, Key, Kind};

    fn finding(code: Code) -> Finding {
        let (namespace, name) = ("shop".to_owned(), "cart".to_owned());
        let object = Key { kind: Kind::VirtualService, namespace, name };
        Finding { object, code, path: String::new(), text: String::new() }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_may_mend_itself_shows_after_two_seconds() {
        let all =
            || vec![finding(Code::ReferencedResourceNotFound), finding(Code::FieldNotHonoured)];
        let mut patience = Patience::default();
        let mut shown = all();
        assert_eq!(patience.step(&mut shown, seconds(10), seconds(11)), Some(seconds(12)));
        assert_eq!(shown, [finding(Code::FieldNotHonoured)]);
        // Another change meanwhile does not begin the wait anew.
        let mut shown = all();
        assert_eq!(patience.step(&mut shown, seconds(12), seconds(12)), None);
        assert_eq!(shown, all());
    }

    #[test]
    fn a_mesh_at_rest_shows_everything_at_first_sight() {
        let mut shown = vec![finding(Code::ReferencedResourceNotFound)];
        assert_eq!(Patience::default().step(&mut shown, seconds(10), seconds(60)), None);
        assert_eq!(shown.len(), 1);
    }

    #[test]
    fn what_was_mended_waits_again_when_it_comes_back() {
        let mut patience = Patience::default();
        patience.step(&mut vec![finding(Code::ReferencedResourceNotFound)], seconds(1), seconds(1));
        patience.step(&mut Vec::new(), seconds(2), seconds(2));
        let mut shown = vec![finding(Code::ReferencedResourceNotFound)];
        assert_eq!(patience.step(&mut shown, seconds(9), seconds(9)), Some(seconds(11)));
        assert!(shown.is_empty());
    }
}
