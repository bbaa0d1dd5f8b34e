//! When a connection has been open long enough.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;

/// The requests of one connection, counted while they are open: until the last byte of the answer has been handed
/// over, or nobody waits for it any more.
#[derive(Clone)]
pub(super) struct Calls(watch::Sender<usize>);

/// An open request.
struct Call(watch::Sender<usize>);

impl Calls {
    pub(super) fn new() -> Calls {
        Calls(watch::Sender::new(0))
    }

    /// Answers a request, and counts it until its answer is over.
    pub(super) async fn during<B>(
        self,
        answer: impl Future<Output = Result<Response<B>, Infallible>>,
    ) -> Result<Response<Counted<B>>, Infallible> {
        self.0.send_modify(|open| *open += 1);
        let call = Call(self.0);
        Ok(answer.await?.map(|body| Counted { body, _call: call }))
    }

    /// Waits until there was no request for so long.
    pub(super) async fn idle_for(&self, limit: Duration) {
        let mut calls = self.0.subscribe();
        loop {
            let open = *calls.borrow_and_update();
            // The sender lives as long as this: `changed` never fails. Each change begins the wait anew, so that a
            // request which came and went in between counts.
            tokio::select! {
                () = tokio::time::sleep(limit), if open == 0 => return,
                _ = calls.changed() => {}
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// A body that keeps its request open.
pub(super) struct Counted<B> {
    body: B,
    _call: Call,
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An age within a tenth of `age`, so that connections that were opened together do not all come back together.
pub(super) fn about(age: Duration) -> Duration {
    // The standard library seeds its hash maps from the system's randomness.
    let part = RandomState::new().hash_one(0) % 201; // 0 to 200 thousandths
    age.mul_f64((900 + part) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_within_a_tenth() {
        let age = Duration::from_secs(1000);
        for _ in 0..1000 {
            let one = about(age);
            assert!((Duration::from_secs(900)..=Duration::from_secs(1100)).contains(&one), "{one:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_when_no_answer_was_under_way_for_the_whole_time() {
        let (calls, limit) = (Calls::new(), Duration::from_secs(10));
        let began = tokio::time::Instant::now();
        let answer = calls.clone().during(async { Ok(Response::new(http_body_util::Empty::<bytes::Bytes>::new())) });
        let (answer, idle) = (answer.await, calls.idle_for(limit));
        tokio::select! {
            () = idle => panic!("an answer was under way"),
            () = tokio::time::sleep(limit * 3) => {}
        }
        drop(answer);
        calls.idle_for(limit).await;
        assert_eq!(began.elapsed(), limit * 4);

        let idle = calls.idle_for(limit);
        let between = async {
            tokio::time::sleep(limit / 2).await;
            let ready = async { Ok(Response::new(http_body_util::Empty::<bytes::Bytes>::new())) };
            drop(calls.clone().during(ready).await);
        };
        tokio::join!(idle, between);
        assert_eq!(began.elapsed(), limit * 4 + limit * 3 / 2);
    }
}
