use super::*;
use crate::traffic::experiment::{Counter, Experiment, Share, Unit};

const WINDOW_MS: u64 = 60_000;

fn memory(capacity: usize) -> Memory {
    bounded(capacity, 1 << 24)
}

fn bounded(capacity: usize, max_bytes: usize) -> Memory {
    Memory::new(&TrafficConfig {
        shadow_threads: 1,
        max_shadow_requests: 1,
        max_shadow_bytes: 1,
        feedback_capacity: capacity,
        max_feedback_bytes: max_bytes,
        feedback_window_ms: WINDOW_MS,
    })
}

fn counter() -> Arc<Counter> {
    let share = |arm: &str| Share { arm: arm.to_owned(), version: 1, begin_ppm: 0, share_ppm: 0 };
    Experiment::for_test().counters(vec![share("a"), share("stable")]).unwrap().swap_remove(0)
}

/// Of a unit with a key.
fn owner(counter: &Arc<Counter>, hash: u64) -> Owner {
    Owner { counter: Arc::clone(counter), unit: Unit { hash, keyed: true } }
}

fn tops(classes: &[&str]) -> Option<Tops> {
    Some(classes.iter().map(|class| Key::from_slice(class.as_bytes())).collect())
}

fn label(class: &str) -> Judgement {
    Judgement::Labels(vec![class.into()])
}

#[test]
fn the_oldest_are_forgotten_first_and_the_rest_pushes_nobody_out() {
    let (memory, counter, now) = (memory(16 * SHARDS), counter(), Instant::now());
    memory.remember(1, false, owner(&counter, 1), tops(&["1"]), now);
    for key in 1000..3000 {
        memory.remember(key, true, owner(&counter, key), tops(&["1"]), now);
    }
    assert_eq!(memory.hear(1, &label("1"), now), Heard::Counted);
    assert_eq!(memory.hear(1000, &label("1"), now), Heard::Unknown);
    assert_eq!(memory.hear(2999, &label("1"), now), Heard::Counted);
    assert!(memory.kept[1].shards.iter().all(|shard| lock(shard).order.len() <= 16));
}

#[test]
fn a_window_closes() {
    let (memory, counter, now) = (memory(1000), counter(), Instant::now());
    let late = now + Duration::from_millis(WINDOW_MS + 1);
    memory.remember(1, false, owner(&counter, 1), tops(&["1"]), now);
    memory.remember(2, false, owner(&counter, 2), tops(&["1"]), late);
    assert_eq!(memory.hear(1, &label("1"), now), Heard::Counted);
    assert_eq!(memory.hear(1, &label("1"), late), Heard::Unknown);
    memory.sweep(late);
    let arm = counter.arm().document(&[]);
    assert_eq!((&arm["judged"], &arm["closed"], &arm["labelled"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!(memory.hear(2, &label("1"), late), Heard::Counted);
}

#[test]
fn an_id_that_comes_again_is_the_later_request() {
    let (memory, counter, now) = (memory(1000), counter(), Instant::now());
    memory.remember(1, false, owner(&counter, 1), tops(&["1"]), now);
    assert_eq!(memory.hear(1, &label("1"), now), Heard::Counted);
    memory.remember(1, false, owner(&counter, 1), tops(&["1"]), now + Duration::from_secs(1));
    assert_eq!(memory.hear(1, &label("0"), now + Duration::from_secs(2)), Heard::Counted);
    let arm = counter.arm().document(&[]);
    assert_eq!((&arm["right"], &arm["wrong"], &arm["closed"]), (&1.into(), &1.into(), &1.into()));
}

#[test]
fn labels_are_counted_by_answer_and_by_unit() {
    let (memory, counter, now) = (memory(1000), counter(), Instant::now());
    for (key, unit) in [(1, 7), (2, 7), (3, 8), (4, 9)] {
        memory.remember(key, false, owner(&counter, unit), tops(&["1"]), now);
        assert!(key == 4 || memory.hear(key, &label("1"), now) == Heard::Counted);
    }
    memory.sweep(now + Duration::from_millis(WINDOW_MS + 1));
    let arm = counter.arm().document(&[]);
    let count = |name: &str| arm[name].as_u64().unwrap();
    assert_eq!((count("closed"), count("labelled"), count("labelled_units")), (4, 3, 2));
}

#[test]
fn what_is_remembered_takes_no_more_than_its_bytes() {
    const MAX_BYTES: usize = 64 << 10;
    let (memory, counter, now) = (bounded(100_000, MAX_BYTES), counter(), Instant::now());
    let many: Tops = (0..64).map(|_| Key::from_slice(&[b'x'; 1000])).collect();
    for key in 0..2000 {
        memory.remember(key, false, owner(&counter, key), Some(many.clone()), now);
        memory.hear(key, &Judgement::Labels(vec![vec![b'x'; 1000]; 64]), now);
    }
    let (held, forgotten) = (memory.bytes(), memory.forgotten());
    assert!(held > MAX_BYTES / 2 && held <= MAX_BYTES, "{held}");
    assert!((1..2000).contains(&forgotten), "{forgotten}");
    assert_eq!(memory.hear(0, &label("1"), now), Heard::Unknown);
    assert_eq!(memory.hear(1999, &label("1"), now), Heard::Again);
    memory.sweep(now + Duration::from_millis(WINDOW_MS + 1));
    assert_eq!((memory.bytes(), memory.forgotten()), (0, forgotten), "what is over was not forgotten too soon");
    assert_eq!(counter.arm().document(&[])["right"], 2000 * 64);
}

#[test]
fn labels_wait_for_the_answer_of_the_shadow() {
    let (memory, counter, now) = (memory(1000), counter(), Instant::now());
    let shadow = Arc::new(ShadowCounts::new(2));
    for key in [1, 2, 3] {
        memory.remember(key, false, owner(&counter, key), tops(&["1"]), now);
    }
    assert_eq!(memory.hear(1, &label("0"), now), Heard::Counted);
    assert_eq!(memory.hear(2, &Judgement::Correct(true), now), Heard::Counted);
    assert_eq!(shadow.paired()["better"], 0.0);
    for key in [1, 2, 3] {
        memory.shadowed(key, &shadow, &tops(&["0"]).unwrap());
    }
    assert_eq!(shadow.paired(), serde_json::json!({"better": 1.0, "worse": 0.0, "same": 0.0}));
    assert_eq!(memory.hear(3, &label("1"), now), Heard::Counted);
    assert_eq!(memory.hear(1, &label("0"), now), Heard::Again);
    assert_eq!(shadow.paired(), serde_json::json!({"better": 1.0, "worse": 1.0, "same": 0.0}));

    // Too late: the window has closed in between.
    let late = now + Duration::from_millis(WINDOW_MS + 1);
    memory.remember(4, false, owner(&counter, 4), tops(&["1"]), now);
    assert_eq!(memory.hear(4, &label("0"), now), Heard::Counted);
    memory.sweep(late);
    memory.shadowed(4, &shadow, &tops(&["0"]).unwrap());
    assert_eq!(shadow.paired()["better"], 1.0);
}
