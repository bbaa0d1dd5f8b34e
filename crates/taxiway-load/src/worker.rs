//! A connection's part: take a turn, ask, take note, until the window ends.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::time::{sleep, timeout};

use crate::answers::Answers;
use crate::connection::{Connection, Dialer, Prepared, Reply};
use crate::document::Window;
use crate::pace::{Pace, Turn};
use crate::tally::{Answered, SLICES, Tally};

/// The wait before a connection is tried again, so that a server that is gone is not stormed.
const RECONNECT: Duration = Duration::from_millis(20);
const CONNECT_LONGEST: Duration = Duration::from_secs(5);

/// What all connections of a window share.
pub(crate) struct Shared {
    pub(crate) window: Window,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) requests: Arc<[Prepared]>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) pace: Pace,
    pub(crate) connected: Barrier,
    pub(crate) times: OnceLock<Times>,
}

/// The moments of a window: load runs from `begin` and counts from `start` to `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) begin: Instant,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

impl Times {
    fn from_now(window: &Window) -> Times {
        let begin = Instant::now();
        let start = begin + Duration::from_secs_f64(window.warm_up_seconds);
        Times { begin, start, end: start + Duration::from_secs_f64(window.seconds) }
    }

    /// Which part of the window this is; `None` before and after it.
    fn slice(&self, now: Instant) -> Option<usize> {
        let (since, whole) = (now.checked_duration_since(self.start)?, self.end - self.start);
        (now < self.end).then(|| (since.as_secs_f64() / whole.as_secs_f64() * SLICES as f64) as usize)
    }
}

/// Asks until the window ends. What is measured goes to `tally`.
pub(crate) async fn work(shared: Arc<Shared>, tally: Rc<RefCell<Tally>>) {
    let first = connect(&shared).await;
    // Load begins for all at once: a hundred connections take their time.
    shared.connected.wait().await;
    let times = *shared.times.get_or_init(|| Times::from_now(&shared.window));
    let mut connection = first.ok();
    while let Some(turn) = shared.pace.turn(times.begin, times.end).await {
        let sent = Instant::now();
        let outcome = one(&shared, &mut connection, turn.number % shared.requests.len()).await;
        // The warm-up is not counted, whatever comes of it.
        if turn.moment >= times.start {
            count(&mut tally.borrow_mut(), &times, &turn, sent, outcome);
        }
    }
}

/// Why a request has no answer: a code, and words.
type Failure = (String, String);

async fn one(shared: &Shared, kept: &mut Option<Connection>, request: usize) -> Result<usize, Failure> {
    if let Some(connection) = kept
        && !connection.is_open().await
    {
        *kept = None;
    }
    let connection = match kept {
        Some(connection) => connection,
        None => match connect(shared).await {
            Ok(connection) => kept.insert(connection),
            Err(failure) => {
                sleep(RECONNECT).await;
                return Err(failure);
            }
        },
    };
    let asked = shared.dialer.ask(connection, &shared.requests[request]);
    let failure = match timeout(Duration::from_secs_f64(shared.window.timeout_seconds), asked).await {
        Ok(Ok(Reply::Answer(answer))) => {
            let bytes = answer.len();
            shared.answers.note(request, answer);
            return Ok(bytes);
        }
        Ok(Ok(Reply::Refused { code, message })) => return Err((code, message)),
        Ok(Err(broken)) => ("CONNECTION".to_owned(), words(&broken)),
        Err(_) => ("TIMEOUT".to_owned(), format!("no answer within {} s", shared.window.timeout_seconds)),
    };
    *kept = None;
    Err(failure)
}

async fn connect(shared: &Shared) -> Result<Connection, Failure> {
    match timeout(CONNECT_LONGEST, shared.dialer.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(("CONNECTION".to_owned(), words(&error))),
        Err(_) => Err(("CONNECTION".to_owned(), format!("not connected within {} s", CONNECT_LONGEST.as_secs()))),
    }
}

fn count(tally: &mut Tally, times: &Times, turn: &Turn, sent: Instant, outcome: Result<usize, Failure>) {
    let now = Instant::now();
    match outcome {
        Ok(bytes) => tally.answered(&Answered {
            latency: now.saturating_duration_since(turn.moment),
            bytes,
            slice: times.slice(now),
            late: turn.awaited.then(|| sent.saturating_duration_since(turn.moment)),
        }),
        Err((code, message)) => tally.failed(&code, message),
    }
}

/// An error with what caused it: hyper's own words are "connection error".
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |one| one.source());
    let mut said: Vec<String> = causes.map(ToString::to_string).collect();
    said.dedup();
    said.join(": ")
}
