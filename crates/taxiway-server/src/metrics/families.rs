//! Every metric there is: what both pages write, and what docs/reference/metrics.md is generated from.

use std::fmt;

/// How the values of a metric are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        })
    }
}

/// A metric: samples of one name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The names of its labels, separated by blanks; a histogram's buckets have `le` too.
    pub(crate) labels: &'static str,
    pub(crate) help: &'static str,
}

/// One constant for each row `NAME: Kind "name" "labels" "sentence";`, and all of them in their order.
macro_rules! families {
    ($(#[$doc:meta])* $all:ident { $($family:ident: $kind:ident $name:literal $labels:literal $help:literal;)* }) => {
        $(pub(super) const $family: Family =
            Family { name: $name, kind: Kind::$kind, labels: $labels, help: $help };)*
        $(#[$doc])*
        #[cfg(test)]
        pub(super) const $all: &[Family] = &[$($family),*];
    };
}

families! {
    /// Taxiway's own, in the order of their page.
    TAXIWAY {
        REQUESTS: Counter "taxiway_requests_total" "model version protocol code"
            "Requests answered. Without a model: they reached no version.";
        REQUEST_TIME: Histogram "taxiway_request_duration_seconds" "model version protocol"
            "Time from a request's header to its answer.";
        RUN_TIME: Histogram "taxiway_run_duration_seconds" "model version"
            "Time of a model's runs alone.";
        BATCH_WAIT: Histogram "taxiway_batch_wait_seconds" "model version"
            "Time from a request's arrival in a queue to the run of its batch.";
        BATCHES: Counter "taxiway_batches_total" "model version"
            "Batches that ran.";
        BATCHED_ROWS: Counter "taxiway_batched_rows_total" "model version"
            "Rows of requests that ran in batches.";
        BATCH_FILLING: Counter "taxiway_batch_filling_total" "model version"
            "Rows added to reach an allowed batch size.";
        IN_FLIGHT: Gauge "taxiway_requests_in_flight" ""
            "Requests that have begun and not ended.";
        QUEUED: Gauge "taxiway_queued_requests" ""
            "Requests that wait for a compute thread.";
        CONNECTIONS: Gauge "taxiway_connections" "protocol"
            "Open connections.";
        REFUSED_CONNECTIONS: Counter "taxiway_refused_connections_total" ""
            "Connections closed for being over the limit.";
        FEEDBACK: Counter "taxiway_feedback_total" "outcome"
            "Feedback about answers: counted, said again, or about a request that is unknown or too old.";
        FEEDBACK_FORGOTTEN: Counter "taxiway_feedback_forgotten_total" ""
            "Answers forgotten before their time for feedback was over, because too many came or they took too much memory.";
        FEEDBACK_BYTES: Gauge "taxiway_feedback_bytes" ""
            "Memory of the answers that are remembered for feedback.";
        SHADOWS: Counter "taxiway_shadow_requests_total" "outcome"
            "Requests picked for a shadow version: taken, or dropped because too many waited.";
        LEASES: Gauge "taxiway_leases" "model version"
            "Requests and tables that hold a loaded version.";
        MODEL_READY: Gauge "taxiway_model_ready" "model"
            "1 when a model should get traffic.";
    }
}

families! {
    /// TensorFlow Serving's, in the order of their page.
    SERVING {
        SAVED_MODEL_LOADS: Counter ":tensorflow:cc:saved_model:load_attempt_count" "model_path status"
            "Loads of a directory that succeeded (success) or not (fail).";
        SAVED_MODEL_LOAD_TIME: Counter ":tensorflow:cc:saved_model:load_latency" "model_path"
            "Microseconds of the loads that succeeded, all together.";
        SAVED_MODEL_STAGE_TIME: Histogram ":tensorflow:cc:saved_model:load_latency_by_stage" "model_path stage"
            "Microseconds of the loads that succeeded. The one stage is restore_graph: the library restores the variables \
             and runs the initializers in one call.";
        GRAPH_RUNS: Counter ":tensorflow:core:graph_runs" ""
            "Runs of graphs: for requests, batches and warm-ups.";
        GRAPH_RUN_TIME: Counter ":tensorflow:core:graph_run_time_usecs" ""
            "Microseconds of those runs, all together.";
        SESSION_RUNS: Counter ":tensorflow:core:direct_session_runs" ""
            "Runs of a session: the same number, as every run of a graph is one of a session.";
        QUEUING_LATENCY: Histogram ":tensorflow:serving:batching_session:queuing_latency" "thread_pool_name"
            "Microseconds from a request's arrival in a queue to the run of its batch.";
        INPUT_BATCH_SIZE: Histogram ":tensorflow:serving:batching_session:input_batch_size" ""
            "Rows of requests that ran in batches.";
        PROCESSED_BATCH_SIZE: Histogram ":tensorflow:serving:batching_session:processed_batch_size" ""
            "Rows of batches.";
        PADDING_SIZE: Histogram ":tensorflow:serving:batching_session:padding_size" "execution_batch_size"
            "Rows added to reach an allowed batch size.";
        WRAPPED_RUNS: Counter ":tensorflow:serving:batching_session:wrapped_run_count" ""
            "Batches that ran.";
        WARM_UP_TIME: Histogram ":tensorflow:serving:model_warmup_latency" "model_path status"
            "Microseconds of warm-ups.";
        WARM_UP_RECORDS: Counter ":tensorflow:serving:model_warmup_records_read" "model_path status"
            "Warm-up requests that were replayed.";
        REQUEST_COUNT: Counter ":tensorflow:serving:request_count" "model_name status"
            "Requests answered: Predict, Classify and Regress over gRPC, every one to /v1 over REST. Without a model: they \
             reached none.";
        REQUEST_LATENCY: Histogram ":tensorflow:serving:request_latency" "model_name API entrypoint"
            "Microseconds of the requests that went well.";
        RUNTIME_LATENCY: Histogram ":tensorflow:serving:runtime_latency" "model_name API runtime"
            "Microseconds of runs.";
        EXAMPLE_COUNTS: Histogram ":tensorflow:serving:request_example_counts" "model"
            "Examples of requests.";
        EXAMPLES_OF_MANY: Counter ":tensorflow:serving:request_example_count_total" "model"
            "Examples of MultiInference requests.";
        LOGGED: Counter ":tensorflow:serving:request_log_count" "model_name status_code"
            "Requests in the sample of a request log: in a file (OK), dropped because too many waited \
             (RESOURCE_EXHAUSTED), lost to the disk (UNAVAILABLE).";
    }
}
