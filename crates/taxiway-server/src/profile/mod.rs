//! What requests took while somebody watched: the profiler service behind gRPC.
//!
//! A recording is on the list while its call waits; each request that ends adds its span to every recording there.
//! Without one, an ended request costs one relaxed load.

mod monitor;
mod trace;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use taxiway_engine::{Error, ErrorKind, Result};
use tokio::sync::watch;

use crate::profile_proto::{
    MonitorRequest, MonitorResponse, ProfileRequest, ProfileResponse, ProfileToolData, TerminateRequest,
};
use crate::server::Core;

/// Recordings at once.
const MAX_RECORDINGS: usize = 8;
/// Spans that one recording holds; more are counted.
const MAX_SPANS: usize = 1 << 16;

/// The file name by which TensorBoard knows a trace.
const TRACE_FILE: &str = "xplane.pb";

/// A request that ended.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// What was asked, such as Predict; or only that something was.
    pub(crate) call: &'static str,
    pub(crate) protocol: &'static str,
    /// Empty when the request reached no version.
    pub(crate) model: String,
    pub(crate) version: String,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// gRPC's code.
    pub(crate) code: usize,
}

/// Everybody who watches.
#[derive(Default)]
pub(crate) struct Recordings {
    running: AtomicUsize,
    all: Mutex<Vec<Arc<Recording>>>,
}

/// What one of them has seen.
struct Recording {
    session: String,
    most: usize,
    seen: Mutex<Seen>,
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<Span>,
    dropped: usize,
}

impl Recordings {
    /// Tells everybody who watches of a request; `span` is only asked for when somebody does.
    pub(crate) fn tell(&self, span: impl FnOnce() -> Span) {
        if self.running.load(Ordering::Relaxed) == 0 {
            return;
        }
        let span = span();
        for recording in self.lock().iter() {
            let mut seen = recording.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.spans.len() < recording.most {
                seen.spans.push(span.clone());
            } else {
                seen.dropped += 1;
            }
        }
    }

    /// Records until the time is up, its session is ended, or `stopped` becomes true.
    ///
    /// # Errors
    /// `ResourceExhausted` when too many watch already.
    async fn record(
        &self,
        (session, most): (&str, usize),
        time: Duration,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<Seen> {
        let watching = self.begin(session, most)?;
        let mut ended = watching.recording.ended.subscribe();
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = ended.wait_for(|ended| *ended) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
        let mut seen = watching.recording.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *seen))
    }

    fn begin(&self, session: &str, most: usize) -> Result<Watching<'_>> {
        let mut all = self.lock();
        if all.len() >= MAX_RECORDINGS {
            let text = format!("{MAX_RECORDINGS} profiles are being taken; try again later");
            return Err(Error::new(ErrorKind::ResourceExhausted, text));
        }
        let ended = watch::Sender::new(false);
        let recording = Arc::new(Recording { session: session.to_owned(), most, seen: Mutex::default(), ended });
        all.push(Arc::clone(&recording));
        self.running.store(all.len(), Ordering::Relaxed);
        Ok(Watching { recordings: self, recording })
    }

    fn end(&self, session: &str) {
        for recording in self.lock().iter().filter(|recording| recording.session == session) {
            recording.ended.send_replace(true);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Recording>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a recording off the list, also when its caller goes away.
struct Watching<'a> {
    recordings: &'a Recordings,
    recording: Arc<Recording>,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut all = self.recordings.lock();
        all.retain(|one| !Arc::ptr_eq(one, &self.recording));
        self.recordings.running.store(all.len(), Ordering::Relaxed);
    }
}

/// Traces the requests of a while. Nothing is written here: the caller gets the trace and keeps it.
///
/// # Errors
/// `ResourceExhausted` when too many profiles are being taken.
pub(crate) async fn profile(core: &Core, request: &ProfileRequest) -> Result<ProfileResponse> {
    let asked = request.opts.as_ref().map_or(0, |options| options.duration_ms);
    let time = Duration::from_millis(if asked == 0 { request.duration_ms } else { asked });
    let most = match usize::try_from(request.max_events) {
        Ok(most @ 1..MAX_SPANS) => most,
        _ => MAX_SPANS,
    };
    let (began, clock) = (Instant::now(), SystemTime::now());
    let recordings = &core.metrics.recordings;
    let mut seen = recordings.record((&request.session_id, most), time, core.stop.subscribe()).await?;
    // This call is a request of the time too, and the only one that has not ended.
    seen.spans.push(Span {
        call: "Profile",
        protocol: "grpc",
        model: String::new(),
        version: String::new(),
        began,
        took: began.elapsed(),
        code: 0,
    });
    let space = trace::space(seen.spans, seen.dropped, (began, clock), &request.host_name);
    let mut response = ProfileResponse::default();
    if request.emit_xspace {
        response.xspace = Some(space);
    } else {
        let data = prost::Message::encode_to_vec(&space).into();
        response.tool_data.push(ProfileToolData { name: TRACE_FILE.to_owned(), data });
    }
    Ok(response)
}

/// Ends the profiles of a session; that there is none is no error.
pub(crate) fn terminate(core: &Core, request: &TerminateRequest) {
    core.metrics.recordings.end(&request.session_id);
}

/// Says in words what the requests of a while took.
///
/// # Errors
/// `ResourceExhausted` when too many profiles are being taken.
pub(crate) async fn monitor(core: &Core, request: &MonitorRequest) -> Result<MonitorResponse> {
    let time = Duration::from_millis(request.duration_ms);
    let began = Instant::now();
    let seen = core.metrics.recordings.record(("", MAX_SPANS), time, core.stop.subscribe()).await?;
    let now = monitor::Now {
        in_flight: core.metrics.in_flight().saturating_sub(1), // without this call
        queued: core.pool.queued(),
        connections: core.metrics.connections(),
    };
    let mut data = monitor::summary(&seen.spans, seen.dropped, began.elapsed(), &now);
    if request.timestamp {
        data.insert_str(0, &format!("{}\n", monitor::timestamp(SystemTime::now())));
    }
    if request.monitoring_level > 1 {
        data.push_str(&monitor::by_call(&seen.spans, began.elapsed()));
    }
    Ok(MonitorResponse { data })
}

#[cfg(test)]
mod tests;
