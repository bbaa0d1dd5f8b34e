//! The threads of a window, each with a runtime of its own and its part of the connections.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use taxiway_engine::{Error, ErrorKind, Result};
use tokio::runtime;
use tokio::sync::{Barrier, watch};
use tokio::task::LocalSet;

use crate::answers::Answers;
use crate::connection::{Dialer, Prepared};
use crate::document::Window;
use crate::pace::Pace;
use crate::tally::Tally;
use crate::worker::{Shared, Times, work};

/// A window under way.
pub(crate) struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Part>>,
    pacer: Option<Pacer>,
    stop: watch::Sender<bool>,
    ended: Mutex<Receiver<()>>,
    done: OnceLock<()>,
    began: Instant,
}

/// What one thread did: its counts, and the share of its time that it was at work.
struct Part {
    tally: Tally,
    busy: f64,
}

impl Running {
    pub(crate) fn start(
        window: Window,
        dialer: Arc<Dialer>,
        requests: Arc<[Prepared]>,
        answers: Arc<Answers>,
    ) -> Result<Running> {
        let shared = Arc::new(Shared {
            pace: Pace::new(window.rate),
            connected: Barrier::new(window.concurrency),
            times: OnceLock::new(),
            window,
            dialer,
            requests,
            answers,
        });
        let (stop, stopped) = watch::channel(false);
        let (alive, ended) = mpsc::channel::<()>();
        let mut threads = Vec::new();
        for number in 0..shared.window.threads {
            let (shared, stopped, alive) = (Arc::clone(&shared), stopped.clone(), alive.clone());
            let run = move || part(&shared, share(&shared.window, number), stopped, alive);
            threads.push(spawned(Builder::new().name(format!("load-{number}")).spawn(run))?);
        }
        let pacer = shared.window.rate.map(|_| Pacer::start(&shared)).transpose()?;
        Ok(Running {
            shared,
            threads,
            pacer,
            stop,
            ended: Mutex::new(ended),
            done: OnceLock::new(),
            began: Instant::now(),
        })
    }

    /// Waits for the end, no longer than this.
    pub(crate) fn wait(&self, longest: Duration) -> bool {
        if self.done.get().is_some() {
            return true;
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody sends: each thread drops its end when it is done.
        let is_done = matches!(ended.recv_timeout(longest), Err(mpsc::RecvTimeoutError::Disconnected));
        if is_done {
            self.done.get_or_init(|| ());
        }
        is_done
    }

    pub(crate) fn finish(self) -> Result<Value> {
        let is_whole = self.wait(Duration::ZERO);
        self.stop.send_replace(true);
        let stopped = Instant::now();
        let mut total = Tally::new();
        let mut busy = Vec::new();
        for thread in self.threads {
            let part = thread.join().map_err(|_| Error::internal("a thread of the load generator panicked"))?;
            total.merge(&part.tally);
            busy.push(part.busy);
        }
        self.pacer.map_or(Ok(()), Pacer::finish)?;
        let (start, end) = self.shared.times.get().map_or((self.began, self.began), |times| (times.start, times.end));
        let mut document = total.document();
        document["seconds"] = json!(stopped.min(end).saturating_duration_since(start).as_secs_f64());
        document["busy"] = json!(busy);
        document["unsent"] = json!(self.shared.pace.unsent());
        document["whole"] = json!(is_whole);
        Ok(document)
    }
}

fn spawned<T>(thread: std::io::Result<T>) -> Result<T> {
    thread.map_err(|error| Error::new(ErrorKind::ResourceExhausted, format!("no thread for the load: {error}")))
}

/// How many of the connections a thread has.
fn share(window: &Window, number: usize) -> usize {
    window.concurrency / window.threads + usize::from(number < window.concurrency % window.threads)
}

/// The thread that lets requests fall due; it ends when `stop` is dropped.
struct Pacer {
    thread: JoinHandle<()>,
    stop: Sender<()>,
}

impl Pacer {
    fn start(shared: &Arc<Shared>) -> Result<Pacer> {
        let (stop, stopped) = mpsc::channel::<()>();
        let shared = Arc::clone(shared);
        let run = move || {
            if let Some(times) = times_of(&shared, &stopped) {
                shared.pace.keep(times.begin, times.end, &stopped);
            }
        };
        Ok(Pacer { thread: spawned(Builder::new().name("load-pace".to_owned()).spawn(run))?, stop })
    }

    fn finish(self) -> Result<()> {
        drop(self.stop);
        self.thread.join().map_err(|_| Error::internal("the pacer of the load generator panicked"))
    }
}

/// The times of the window once all are connected; `None` when it was stopped before.
fn times_of(shared: &Shared, stopped: &Receiver<()>) -> Option<Times> {
    loop {
        if let Some(times) = shared.times.get() {
            return Some(*times);
        }
        match stopped.recv_timeout(Duration::from_millis(1)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            _ => return None,
        }
    }
}

fn part(shared: &Arc<Shared>, connections: usize, mut stopped: watch::Receiver<bool>, alive: Sender<()>) -> Part {
    let tally = Rc::new(RefCell::new(Tally::new()));
    let clock = Rc::new(Busy::default());
    if let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() {
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            tokio::task::spawn_local(Rc::clone(&clock).observe(Arc::clone(shared)));
            let workers: Vec<_> = (0..connections)
                .map(|_| tokio::task::spawn_local(work(Arc::clone(shared), Rc::clone(&tally))))
                .collect();
            let all = async {
                for worker in workers {
                    // One that panicked has told of it; the others count.
                    drop(worker.await);
                }
            };
            tokio::select! {
                () = all => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
        clock.close();
        // What is under way is given up here.
        drop(local);
    } else {
        tally.borrow_mut().failed("INTERNAL", "no runtime for a thread of the load generator".to_owned());
    }
    drop(alive);
    Part { tally: tally.replace(Tally::new()), busy: clock.share() }
}

/// The processor time of this thread over the window.
#[derive(Default)]
struct Busy {
    first: Cell<Option<(Duration, Instant)>>,
    last: Cell<Option<(Duration, Instant)>>,
}

impl Busy {
    async fn observe(self: Rc<Self>, shared: Arc<Shared>) {
        let times = loop {
            match shared.times.get() {
                Some(times) => break *times,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        tokio::time::sleep_until(times.start.into()).await;
        self.first.set(Some(processor_time()));
        tokio::time::sleep_until(times.end.into()).await;
        self.last.set(Some(processor_time()));
    }

    fn close(&self) {
        if self.last.get().is_none() {
            self.last.set(Some(processor_time()));
        }
    }

    fn share(&self) -> f64 {
        match (self.first.get(), self.last.get()) {
            (Some((cpu, wall)), Some((later_cpu, later_wall))) if later_wall > wall => {
                later_cpu.saturating_sub(cpu).as_secs_f64() / (later_wall - wall).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

fn processor_time() -> (Duration, Instant) {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    (Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec as u32), Instant::now())
}
