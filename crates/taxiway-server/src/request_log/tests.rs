//! The log as a whole: sampling, rotation, a full queue, a disk that refuses, what a killed process leaves.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::*;
use crate::proto::{ModelSpec, PredictLog, PredictRequest, prediction_log::LogType};
use crate::warm_up::records;

/// 25 November 2026, 09:26:40 in UTC.
const NOW: u64 = 1_795_598_800;

/// A clock that is set by hand.
#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn new() -> Clock {
        Clock(Arc::new(AtomicU64::new(NOW)))
    }

    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Relaxed);
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Relaxed))
    }

    /// A log on this clock that draws 0, 0.1, 0.2 … 0.9, and again.
    fn log(&self, config: LogConfig) -> RequestLog {
        let (clock, drawn) = (self.clone(), AtomicU64::new(0));
        let random = move || (drawn.fetch_add(1, Relaxed) % 10) as f64 / 10.0;
        RequestLog::start_with(config, Outside { now: Box::new(move || clock.now()), random: Box::new(random) })
            .unwrap()
    }
}

fn config(directory: &Path) -> LogConfig {
    LogConfig {
        prefix: directory.join("logs/digits"),
        sampling_rate: 1.0,
        max_file_bytes: 1 << 20,
        max_files: 10,
        queue_records: 64,
    }
}

fn record(name: &str) -> PredictionLog {
    let model_spec = Some(ModelSpec { name: name.to_owned(), ..ModelSpec::default() });
    let request = Some(PredictRequest { model_spec, ..PredictRequest::default() });
    PredictionLog { log_type: Some(LogType::PredictLog(PredictLog { request, response: None })) }
}

fn listed(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("logs")).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The names of the models in a file, read as the warm-up file that it is.
fn models(directory: &Path, file: &str) -> Vec<String> {
    let version = tempfile::tempdir().unwrap();
    fs::create_dir(version.path().join("assets.extra")).unwrap();
    let warm_up = version.path().join("assets.extra/tf_serving_warmup_requests");
    fs::copy(directory.join("logs").join(file), warm_up).unwrap();
    let name = |log| match log {
        LogType::PredictLog(log) => log.request.unwrap().model_spec.unwrap().name,
        other => panic!("{other:?} was not logged"),
    };
    records::read(version.path()).unwrap().into_iter().map(name).collect()
}

/// Logs a request if it is in the sample.
fn offer(log: &RequestLog, record: impl FnOnce() -> PredictionLog) {
    if let Some(sampled) = log.sample() {
        sampled.log(record);
    }
}

/// Waits until so many records are in a file, or lost to the disk.
fn settle(log: &RequestLog, records: u64) {
    let began = Instant::now();
    while settled(log) < records {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", log.counts());
        std::thread::yield_now();
    }
}

fn settled(log: &RequestLog) -> u64 {
    log.counts().logged + log.counts().errors
}

#[test]
fn the_current_file_has_a_dot_and_is_whole_and_dropping_the_log_completes_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = Clock::new().log(config(directory.path()));
    assert_eq!(listed(directory.path()), [""; 0]);
    for name in ["one", "two"] {
        offer(&log, || record(name));
    }
    settle(&log, 2);
    let current = ".digits-20261125T092640-000.tfrecord";
    assert_eq!(listed(directory.path()), [current]);
    assert_eq!(models(directory.path(), current), ["one", "two"]);
    offer(&log, || record("three"));
    drop(log);
    assert_eq!(listed(directory.path()), [&current[1..]]);
    assert_eq!(models(directory.path(), &current[1..]), ["one", "two", "three"]);
}

#[test]
fn a_completed_log_takes_no_more_whoever_holds_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = Clock::new().log(config(directory.path()));
    offer(&log, || record("one"));
    log.complete();
    let complete = "digits-20261125T092640-000.tfrecord";
    assert_eq!(listed(directory.path()), [complete]);
    offer(&log, || panic!("there is no room for it"));
    log.complete();
    assert_eq!(models(directory.path(), complete), ["one"]);
    assert_eq!((log.counts().logged, log.counts().dropped), (1, 1));
}

#[test]
fn what_is_not_in_the_sample_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let log = Clock::new().log(LogConfig { sampling_rate: 0.25, ..config(directory.path()) });
    let made = AtomicU64::new(0);
    for _ in 0..20 {
        offer(&log, || {
            made.fetch_add(1, Relaxed);
            record("m")
        });
    }
    settle(&log, 6);
    assert_eq!(log.counts(), LogCounts { logged: 6, sampled_out: 14, dropped: 0, errors: 0 });
    assert_eq!(made.load(Relaxed), 6);
}

#[test]
fn files_are_rotated_and_the_oldest_removed() {
    let directory = tempfile::tempdir().unwrap();
    let framed_bytes = framed(&record("a").encode_to_vec()).len() as u64;
    let clock = Clock::new();
    let log = clock.log(LogConfig { max_file_bytes: 2 * framed_bytes, max_files: 2, ..config(directory.path()) });
    for name in ["a", "b", "c", "d", "longer than a file may be, by far and wide", "f"] {
        offer(&log, || record(name));
    }
    settle(&log, 6);
    let names = listed(directory.path());
    let expected = [".digits-20261125T092640-003", "digits-20261125T092640-001", "digits-20261125T092640-002"];
    assert_eq!(names, expected.map(|name| format!("{name}.tfrecord")));
    let contents = names.iter().map(|name| models(directory.path(), name).join(" ")).collect::<Vec<_>>();
    assert_eq!(contents, ["f", "c d", "longer than a file may be, by far and wide"]);

    clock.advance(1);
    for name in ["g", "h"] {
        offer(&log, || record(name));
    }
    drop(log);
    let expected = ["digits-20261125T092640-003.tfrecord", "digits-20261125T092641-000.tfrecord"];
    assert_eq!(listed(directory.path()), expected);
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let directory = tempfile::tempdir().unwrap();
    let (reached, at_work) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let stage = std::sync::Mutex::new((reached, may_go_on));
    let now = move || {
        let stage = stage.lock().unwrap();
        stage.0.send(()).unwrap();
        let _ = stage.1.recv(); // an error: the test has let go of the writer for good
        UNIX_EPOCH
    };
    let outside = Outside { now: Box::new(now), random: Box::new(|| 0.0) };
    let log = RequestLog::start_with(LogConfig { queue_records: 2, ..config(directory.path()) }, outside).unwrap();
    offer(&log, || record("at work"));
    at_work.recv().unwrap(); // the writer has it, and the queue is empty again
    for _ in 0..2 {
        offer(&log, || record("waits"));
    }
    for _ in 0..3 {
        offer(&log, || panic!("a record that is dropped is not made"));
    }
    assert_eq!(log.counts(), LogCounts { dropped: 3, ..LogCounts::default() });
    drop(go_on);
    settle(&log, 3);
    assert_eq!(log.counts(), LogCounts { logged: 3, dropped: 3, ..LogCounts::default() });
}

#[test]
fn a_disk_that_refuses_costs_records_and_is_asked_again_later() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::new();
    let log = clock.log(config(directory.path()));
    let in_the_way = directory.path().join("logs");
    fs::write(&in_the_way, "a file where the directory is to be").unwrap();
    let offer = |name: &str| {
        let before = settled(&log);
        offer(&log, || record(name));
        settle(&log, before + 1);
        log.counts()
    };
    assert_eq!(offer("lost"), LogCounts { errors: 1, ..LogCounts::default() });
    fs::remove_file(&in_the_way).unwrap();
    assert_eq!(offer("too early"), LogCounts { errors: 2, ..LogCounts::default() });
    clock.advance(RETRY_AFTER.as_secs());
    assert_eq!(offer("written"), LogCounts { logged: 1, errors: 2, ..LogCounts::default() });
    drop(log);
    assert_eq!(models(directory.path(), "digits-20261125T092645-000.tfrecord"), ["written"]);
}

#[test]
fn what_a_killed_process_left_is_cut_to_whole_records_and_completed() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let whole = framed(&record("left behind").encode_to_vec());
    let left = [("digits-20261125T092500-000", &whole[..]), ("digits-20261125T092500-001", &[])];
    for (name, records) in left.into_iter().chain([("other-20261125T092500-000", &whole[..])]) {
        fs::write(logs.join(format!(".{name}.tfrecord")), [records, &whole[..7]].concat()).unwrap();
    }
    let log = Clock::new().log(config(directory.path()));
    offer(&log, || record("new"));
    settle(&log, 1);
    let expected = [
        ".digits-20261125T092640-000.tfrecord",
        ".other-20261125T092500-000.tfrecord",
        "digits-20261125T092500-000.tfrecord",
    ];
    assert_eq!(listed(directory.path()), expected);
    assert_eq!(models(directory.path(), expected[2]), ["left behind"]);

    // The file of a process that lives is not taken from it.
    let second = Clock::new().log(config(directory.path()));
    offer(&second, || record("second"));
    drop(second);
    assert_eq!(models(directory.path(), expected[0]), ["new"]);
    assert_eq!(models(directory.path(), "digits-20261125T092640-001.tfrecord"), ["second"]);
}

#[test]
fn configurations_that_make_no_sense_are_refused() {
    let good = config(Path::new("/logs"));
    let wrong = [
        LogConfig { prefix: "/".into(), ..good.clone() },
        LogConfig { sampling_rate: 1.5, ..good.clone() },
        LogConfig { sampling_rate: f64::NAN, ..good.clone() },
        LogConfig { max_file_bytes: 0, ..good.clone() },
        LogConfig { max_files: 0, ..good.clone() },
        LogConfig { queue_records: 0, ..good },
    ];
    for config in wrong {
        let error = RequestLog::start(config).err().unwrap();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(error.message.starts_with("request log /"), "{error}");
    }
}
