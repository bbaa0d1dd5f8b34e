//! Logging a sample of the requests, in TensorFlow Serving's form: `PredictionLog` records in TFRecord files.
//!
//! A record holds a request that went well and its answer; a file of them is a warm-up file as it is. Sampling, a
//! bounded queue and one writer thread see to it that who answers a request neither waits for its record nor fails.
//!
//! Files are called `PREFIX-YYYYMMDDTHHMMSS-NNN.tfrecord` (UTC). The one that is being written has a dot before its
//! name, which programs that list files skip, and is renamed when it is complete: nobody meets half a file by
//! accident. Whoever reads it all the same finds whole records, and perhaps the beginning of one at the end. Each
//! record is one write to the file, so a process that is killed loses what is queued and nothing that was written; the
//! next one with this prefix cuts what is incomplete off its file and renames it.
//!
//! A disk that refuses costs records, which are counted, and is asked again after [`RETRY_AFTER`].

mod file;
mod name;
mod outside;
mod queue;
pub(crate) mod record;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use prost::Message;
use serde::Deserialize;
use taxiway_engine::{Error, ErrorKind, Result};

use self::file::Files;
use self::outside::Outside;
use self::queue::Queue;
use crate::proto::PredictionLog;
use crate::warm_up::records::framed;

/// How long a disk that refused is left alone.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What is logged, and where to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// A directory and how file names in it begin: `/var/log/taxiway/digits`. The directory is made when it is needed.
    pub prefix: PathBuf,
    /// The part of the requests that is logged, 0 to 1.
    pub sampling_rate: f64,
    /// A record that would make a file longer than this begins the next one. A longer record has a file to itself.
    pub max_file_bytes: u64,
    /// How many complete files are kept, at least 1: the oldest goes when there is one more.
    pub max_files: usize,
    /// How many records wait for the writer, at least 1; beyond that they are dropped.
    pub queue_records: usize,
}

/// What became of the records, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// In a file.
    pub logged: u64,
    /// Not in the sample.
    pub sampled_out: u64,
    /// In the sample, but the queue was full, or the log was complete.
    pub dropped: u64,
    /// Lost to the disk.
    pub errors: u64,
}

/// A request that is in the sample. Dropped, as when the request fails, nothing is logged.
#[derive(Debug)]
pub struct Sampled<'a>(&'a RequestLog);

impl Sampled<'_> {
    /// Logs what `record` makes when there is room for it; else `record` is not called.
    pub fn log(self, record: impl FnOnce() -> PredictionLog) {
        let shared = &self.0.shared;
        if !shared.queue.push_with(record) {
            shared.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// A running log. Dropping it completes it.
#[derive(Debug)]
pub struct RequestLog {
    sampling_rate: f64,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    queue: Queue<PredictionLog>,
    outside: Outside,
    logged: AtomicU64,
    sampled_out: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
}

impl RequestLog {
    /// Starts the writer. No file is touched before the first record.
    ///
    /// # Errors
    /// `InvalidArgument` for a configuration that makes no sense, `ResourceExhausted` when there is no thread to be had.
    pub fn start(config: LogConfig) -> Result<RequestLog> {
        RequestLog::start_with(config, Outside::real())
    }

    fn start_with(config: LogConfig, outside: Outside) -> Result<RequestLog> {
        check(&config)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(config.queue_records),
            outside,
            logged: AtomicU64::new(0),
            sampled_out: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        });
        let (sampling_rate, of_writer) = (config.sampling_rate, Arc::clone(&shared));
        let writer = std::thread::Builder::new()
            .name("request-log".to_owned())
            .spawn(move || write(&of_writer, Files::new(config)))
            .map_err(|error| Error::new(ErrorKind::ResourceExhausted, format!("no thread to log requests: {error}")))?;
        Ok(RequestLog { sampling_rate, shared, writer: Mutex::new(Some(writer)) })
    }

    /// Whether a request is in the sample. It is asked before the request is run, as only then it need be kept.
    pub fn sample(&self) -> Option<Sampled<'_>> {
        if (self.shared.outside.random)() < self.sampling_rate {
            return Some(Sampled(self));
        }
        self.shared.sampled_out.fetch_add(1, Relaxed);
        None
    }

    /// Writes what is queued, completes the file and ends: records that come after it are dropped.
    pub fn complete(&self) {
        self.shared.queue.close();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A writer that panicked has nothing more to write.
        let _ = writer.take().map(JoinHandle::join);
    }

    /// What became of the records.
    pub fn counts(&self) -> LogCounts {
        let Shared { logged, sampled_out, dropped, errors, .. } = &*self.shared;
        let [logged, sampled_out, dropped, errors] = [logged, sampled_out, dropped, errors].map(|n| n.load(Relaxed));
        LogCounts { logged, sampled_out, dropped, errors }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        self.complete();
    }
}

fn check(config: &LogConfig) -> Result<()> {
    let refuse = |what: &str| Err(Error::invalid(format!("request log {}: {what}", config.prefix.display())));
    match config {
        _ if config.prefix.file_name().is_none() => refuse("the prefix has no name after the directory"),
        _ if !(0.0..=1.0).contains(&config.sampling_rate) => refuse("the sampling rate is not between 0 and 1"),
        _ if config.max_file_bytes == 0 || config.max_files == 0 || config.queue_records == 0 => {
            refuse("a limit of 0 leaves nothing to log")
        }
        _ => Ok(()),
    }
}

/// The writer thread.
fn write(shared: &Shared, mut files: Files) {
    while let Some(record) = shared.queue.pop() {
        let written = files.append(&framed(&record.encode_to_vec()), (shared.outside.now)());
        let counter = if written { &shared.logged } else { &shared.errors };
        counter.fetch_add(1, Relaxed);
    }
    files.complete();
}
