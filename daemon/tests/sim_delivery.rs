//! Delivery over crashes in simulated time: every named crash point, and a receiver that is down for an hour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test may be blunt")]

mod delivery;

use std::collections::{BTreeMap, BTreeSet};

use breakwatch_model::Clock as _;
use breakwatch_store::disk::CrashMode;
use delivery::{Attempt, World};

const EACH: &str = "
route: { receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 4h }
receivers: [ { name: ops, webhook_configs: [ { send_resolved: true } ] } ]
";

/// What the daemon has acknowledged: an alert's name, and whether it fires.
type Acknowledged = BTreeSet<(String, bool)>;

/// A quarter of a minute in which alerts begin and end; ends early when the machine dies.
fn incident(world: &mut World) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    world.live(|life| async move {
        let steps = [("A", true), ("B", true), ("A", false), ("C", true), ("B", false)];
        for (name, fires) in steps {
            let alert = format!("{}alertname={name}", if fires { "" } else { "-" });
            if life.post(&[&alert]).await {
                acknowledged.insert((name.to_owned(), fires));
            }
            if !life.pass(3.0).await {
                break;
            }
        }
        acknowledged
    })
}

/// The machine comes back; what was acknowledged is told, and then everything ends.
fn aftermath(world: &mut World) -> BTreeSet<String> {
    world.receivers(|_, _| Attempt::Taken);
    world.live(|life| async move {
        let undelivered = life.outbox().into_iter().collect();
        life.pass(10.0).await;
        assert!(life.post(&["-alertname=A", "-alertname=B", "-alertname=C"]).await, "nothing disturbs this");
        life.pass(30.0).await;
        assert_eq!(life.outbox(), [""; 0]);
        undelivered
    })
}

/// Holds what receivers were told against what was acknowledged.
fn judge(world: &World, acknowledged: &Acknowledged, undelivered: &BTreeSet<String>, point: &str) {
    let taken = world.taken.lock().clone();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut told: BTreeMap<(String, bool), BTreeSet<&str>> = BTreeMap::new();
    for one in &taken {
        let id = one.message.id.as_str();
        if let Some(before) = first.get(id) {
            assert!(*before == 0 && one.life == 1, "{point}: {} came twice in a life", one.show());
            assert!(undelivered.contains(id), "{point}: {} was noted as told and came again", one.show());
        }
        first.entry(id).or_insert(one.life);
        for (alerts, fires) in
            [(one.message.firing().collect::<Vec<_>>(), true), (one.message.resolved().collect(), false)]
        {
            for alert in alerts {
                told.entry((alert.name().to_owned(), fires)).or_default().insert(id);
            }
        }
    }
    for (what, ids) in &told {
        assert_eq!(ids.len(), 1, "{point}: {what:?} came under several ids");
    }
    for name in ["A", "B", "C"] {
        let fires = (name.to_owned(), true);
        let over = (name.to_owned(), false);
        // An end may come before anybody was told of the beginning: then nothing is owed.
        let ended_first = acknowledged.contains(&over);
        if acknowledged.contains(&fires) && !ended_first {
            assert!(told.contains_key(&fires), "{point}: {name} was acknowledged and never told");
        }
        assert_eq!(
            told.contains_key(&fires),
            told.contains_key(&over),
            "{point}: beginning and end of {name}"
        );
    }
}

/// A run that dies as `prepare` says; gives whether it died at all.
fn die_and_come_back(point: &str, mode: CrashMode, prepare: impl Fn(&World)) {
    let mut world = World::new(EACH);
    prepare(&world);
    let acknowledged = incident(&mut world);
    world.crash(mode);
    let undelivered = aftermath(&mut world);
    judge(&world, &acknowledged, &undelivered, &format!("{point}, {mode:?}"));
}

#[test]
fn every_operation_of_the_disk_is_survived() {
    let mut whole = World::new(EACH);
    let acknowledged = incident(&mut whole);
    assert_eq!((acknowledged.len(), whole.lines().len()), (5, 5), "{:?}", whole.lines());
    let points = whole.disk.trace();
    assert!(points.len() > 40, "{} operations are no test", points.len());
    for (index, point) in points.iter().enumerate() {
        let operation = index as u64 + 1;
        for mode in [CrashMode::Nothing, CrashMode::Everything, CrashMode::Some(operation)] {
            let point = format!("operation {operation} ({point})");
            die_and_come_back(&point, mode, |world| world.die_at(operation));
        }
    }
    println!("{} operations, three kinds of crash each", points.len());
}

#[test]
fn every_point_of_an_attempt_is_survived() {
    let mut whole = World::new(EACH);
    incident(&mut whole);
    let calls = whole.lines().len();
    for (name, how) in [
        ("before the request", Attempt::DiesBefore),
        ("after the request and before the answer", Attempt::DiesAfterTaking),
        ("after the answer and before it is noted", Attempt::DiesAfterAnswer),
    ] {
        for call in 0..calls {
            for mode in [CrashMode::Nothing, CrashMode::Everything] {
                let point = format!("{name} of message {call}");
                die_and_come_back(&point, mode, |world| {
                    let mut nth = 0;
                    world.receivers(move |_, _| {
                        nth += 1;
                        if nth - 1 == call { how } else { Attempt::Taken }
                    });
                });
            }
        }
    }
}

const BY_SERVICE: &str = "
route: { receiver: ops, group_by: [service], group_wait: 0s, group_interval: 1m, repeat_interval: 4h }
receivers: [ { name: ops, webhook_configs: [ { send_resolved: true } ] } ]
";

#[test]
fn a_receiver_that_was_down_for_an_hour_hears_everything_within_a_minute_although_the_power_failed_meanwhile()
{
    for back in [3600.0, 3611.0, 3629.0] {
        let mut world = World::new(BY_SERVICE);
        world.receivers(move |_, at| if at < back { Attempt::Refused } else { Attempt::Taken });
        world.live(|life| async move {
            assert!(life.post(&["alertname=A service=x", "alertname=B service=y"]).await);
            life.pass(600.0).await;
            assert!(life.post(&["-alertname=A service=x", "alertname=C service=y"]).await);
            life.pass(600.0).await;
            assert!(life.post(&["alertname=D service=z"]).await);
        });
        world.crash(CrashMode::Nothing);
        world.pause(300);
        world.live(|life| async move {
            life.pass(500.0).await;
            assert!(life.post(&["alertname=E service=w"]).await);
            life.pass(1000.0).await;
        });
        world.crash(CrashMode::Some(7));
        world.live(|life| async move {
            life.pass(3800.0 - life.clock.now().since(delivery::START).as_secs_f64()).await;
            assert_eq!(life.outbox(), [""; 0]);
        });
        let taken = world.taken.lock().clone();
        let lines: Vec<String> =
            taken.iter().map(|one| one.show().split_once(' ').unwrap().1.to_owned()).collect();
        // In the order of decisions; of each group one message with its newest state.
        let expected = ["-A", "+B +C", "+D", "+E"].map(|what| format!("ops/webhook[0] {what}"));
        assert_eq!(lines, expected);
        assert!(taken.iter().all(|one| one.at >= back && one.at <= back + 60.0), "{:?}", world.lines());
        let notes = |index: usize| taken[index].message.notes.join(" ");
        assert!(
            notes(0).contains("Delivered late") && notes(0).contains("Replaces an earlier message"),
            "{}",
            notes(0)
        );
        assert!(
            notes(1).contains("Delivered late") && notes(1).contains("Replaces an earlier message"),
            "{}",
            notes(1)
        );
        assert!(notes(2).contains("Delivered late") && !notes(2).contains("Replaces"), "{}", notes(2));
    }
}
