use breakwatch_model::{CancelToken, MatchOp, Matcher};

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

/// Random series over few names and values, so that matchers meet every case.
fn filled(rng: &mut fastrand::Rng, count: usize) -> Index {
    let mut index = Index::default();
    for _ in 0..count {
        let mut pairs = vec![("__name__".to_owned(), format!("m{}", rng.u8(0..5)))];
        for name in ["check", "job", "zone"] {
            if rng.u8(0..4) > 0 {
                pairs.push((name.to_owned(), format!("v{}", rng.u8(0..6))));
            }
        }
        let labels = Labels::from_pairs(pairs);
        if index.lookup(&labels).is_none() {
            index.create(&labels, labels.metric_name(), Timestamp(0));
        }
    }
    index
}

fn matcher(rng: &mut fastrand::Rng) -> Matcher {
    let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
    let name = ["__name__", "check", "job", "zone", "absent"][rng.usize(0..5)];
    let value = ["", "v1", "v2|v3", "v[0-3]", ".*", ".+", "m1|m9|", "v1|"][rng.usize(0..8)];
    Matcher::new(ops[rng.usize(0..4)], name, value).unwrap()
}

#[test]
fn every_matcher_finds_what_a_scan_finds() {
    let mut rng = fastrand::Rng::with_seed(51);
    let cancel = CancelToken::new();
    let mut index = filled(&mut rng, 2000);
    for round in 0..3000 {
        let matchers: Vec<Matcher> = (0..rng.usize(0..4)).map(|_| matcher(&mut rng)).collect();
        let found = index.find(&matchers, &cancel).unwrap();
        let expected: Vec<u32> = index
            .iter()
            .filter(|(_, entry)| matchers.iter().all(|m| m.matches_labels(&entry.labels)))
            .map(|(id, _)| id)
            .collect();
        assert_eq!(found, expected, "{matchers:?}");
        if round % 500 == 0 {
            // Series go, and the lists follow.
            let gone: Vec<u32> = index.iter().map(|(id, _)| id).filter(|_| rng.u8(0..10) == 0).collect();
            index.remove(&gone);
            assert!(gone.iter().all(|id| index.get(*id).is_none()));
        }
    }
}

#[test]
fn label_questions_are_answered_as_a_scan_answers_them() {
    let mut rng = fastrand::Rng::with_seed(52);
    let cancel = CancelToken::new();
    let index = filled(&mut rng, 1000);
    for _ in 0..500 {
        let selectors: Vec<Vec<Matcher>> =
            (0..rng.usize(0..3)).map(|_| (0..rng.usize(1..3)).map(|_| matcher(&mut rng)).collect()).collect();
        let limit = rng.usize(0..12);
        let even = |id: u32| id.is_multiple_of(2);
        let matches = |labels: &Labels| {
            selectors.is_empty() || selectors.iter().any(|s| s.iter().all(|m| m.matches_labels(labels)))
        };
        let mut sets: Vec<Labels> = index
            .iter()
            .filter(|(id, entry)| even(*id) && matches(&entry.labels))
            .map(|(_, entry)| entry.labels.clone())
            .collect();
        sets.sort();
        let mut names: Vec<Arc<str>> =
            sets.iter().flat_map(|s| s.pairs()).map(|(n, _)| Arc::clone(n)).collect();
        let mut values: Vec<Arc<str>> =
            sets.iter().filter_map(|s| s.get_shared("zone")).map(Arc::clone).collect();
        for list in [&mut names, &mut values] {
            list.sort();
            list.dedup();
        }
        fn cut<T>(mut list: Vec<T>, limit: usize) -> (Vec<T>, bool) {
            let cut = limit > 0 && list.len() > limit;
            list.truncate(if limit > 0 { limit } else { usize::MAX });
            (list, cut)
        }
        assert_eq!(index.label_sets(&selectors, limit, &cancel, &even).unwrap(), cut(sets, limit));
        assert_eq!(index.label_names(&selectors, limit, &cancel, &even).unwrap(), cut(names, limit));
        assert_eq!(
            index.label_values("zone", &selectors, limit, &cancel, &even).unwrap(),
            cut(values, limit)
        );
    }
}

#[test]
fn series_of_a_target_share_groups_of_limited_size() {
    let mut index = Index::default();
    for n in 0..80 {
        let name = format!("m{n}");
        index.create(&labels(&[("__name__", &name), ("check", "a")]), &name, Timestamp(0));
        index.create(&labels(&[("__name__", &name), ("check", "b")]), &name, Timestamp(0));
    }
    let group = |name: &str, check: &str| {
        let id = index.lookup(&labels(&[("__name__", name), ("check", check)])).unwrap();
        index.get(id).unwrap().place.group
    };
    assert_eq!(group("m0", "a"), group("m31", "a"));
    assert_ne!(group("m31", "a"), group("m32", "a"));
    assert_ne!(group("m0", "a"), group("m0", "b"));
    assert_eq!(index.groups.len(), 6);
}

#[test]
fn a_cancelled_question_stops() {
    let cancel = CancelToken::new();
    cancel.cancel();
    assert!(Index::default().find(&[], &cancel).is_err());
}

#[test]
fn records_survive_and_restore_the_index() {
    let mut rng = fastrand::Rng::with_seed(53);
    let mut index = filled(&mut rng, 500);
    index.set_metadata("m1", &Metadata { help: "what \"it\" is\n".into(), ..Metadata::default() });
    let gone: Vec<u32> = index.iter().map(|(id, _)| id).take(100).collect();
    index.remove(&gone);
    let (bytes, frames) = image(&index, 4);
    assert!(frames > 1);
    let mut again = Index::default();
    for found in crate::frame::Scan::new(&bytes, 4, 0) {
        let crate::frame::Found::Frame(frame) = found else { panic!("damage") };
        read_records(frame.payload).unwrap().into_iter().for_each(|record| apply(&mut again, record));
    }
    assert_eq!(again.next(), index.next());
    assert_eq!(again.metadata(), index.metadata());
    assert_eq!(again.len(), index.len());
    for (id, entry) in index.iter() {
        let copy = again.get(id).unwrap();
        assert_eq!((&copy.labels, copy.place, &copy.family), (&entry.labels, entry.place, &entry.family));
        assert_eq!(again.lookup(&entry.labels), Some(id));
        assert_eq!(again.at(entry.place), Some(id));
    }
}

#[test]
fn many_lists_come_together_in_order() {
    let mut index = Index::default();
    for n in 0..6000 {
        let number = format!("{:04}", (n * 7919) % 6000);
        index.create(
            &labels(&[("__name__", "m"), ("n", &number), ("half", ["a", "b"][n % 2])]),
            "m",
            Timestamp(0),
        );
    }
    let cancel = CancelToken::new();
    for (pattern, count) in [("[0-4].*", 5000), ("[1-2].*", 2000), (".+", 6000)] {
        let matcher = Matcher::new(MatchOp::Regex, "n", pattern).unwrap();
        let expected: Vec<u32> = index
            .iter()
            .filter(|(_, entry)| matcher.matches_labels(&entry.labels))
            .map(|(id, _)| id)
            .collect();
        assert_eq!(expected.len(), count);
        assert_eq!(index.find(&[matcher], &cancel).unwrap(), expected);
    }
}

#[test]
fn the_order_of_labels_is_that_of_the_model() {
    let mut rng = fastrand::Rng::with_seed(54);
    let index = filled(&mut rng, 300);
    let sets: Vec<&Labels> = index.iter().map(|(_, entry)| &entry.labels).collect();
    for a in &sets {
        for b in &sets {
            assert_eq!(by_labels(a, b), a.cmp(b), "{a} {b}");
        }
    }
}
