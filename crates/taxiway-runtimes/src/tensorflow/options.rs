//! TensorFlow's options, as the messages its C API takes: only the fields that are set here.

use std::time::Duration;

use prost::Message;

use super::executor::Executor;
use crate::SessionOptions;

#[derive(Clone, PartialEq, Message)]
struct ConfigProto {
    #[prost(int32, tag = "2")]
    intra_op_parallelism_threads: i32,
    #[prost(int32, tag = "5")]
    inter_op_parallelism_threads: i32,
    #[prost(message, optional, tag = "6")]
    gpu_options: Option<GpuOptions>,
    #[prost(bool, tag = "7")]
    allow_soft_placement: bool,
    #[prost(message, optional, tag = "16")]
    experimental: Option<Experimental>,
}

#[derive(Clone, PartialEq, Message)]
struct GpuOptions {
    #[prost(double, tag = "1")]
    per_process_gpu_memory_fraction: f64,
    #[prost(bool, tag = "4")]
    allow_growth: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Experimental {
    #[prost(string, tag = "3")]
    executor_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct RunOptions {
    #[prost(int64, tag = "2")]
    timeout_in_ms: i64,
    #[prost(int32, tag = "3")]
    inter_op_thread_pool: i32,
}

/// A serialised `ConfigProto`.
pub(crate) fn config(options: &SessionOptions, executor: Executor) -> Vec<u8> {
    let threads = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let experimental = match executor {
        Executor::Calling => Some(Experimental { executor_type: "SINGLE_THREADED_EXECUTOR".to_owned() }),
        Executor::General => None,
    };
    ConfigProto {
        intra_op_parallelism_threads: threads(options.intra_op_threads),
        inter_op_parallelism_threads: threads(options.inter_op_threads),
        gpu_options: Some(GpuOptions {
            per_process_gpu_memory_fraction: options.gpu_memory_fraction,
            allow_growth: options.gpu_allow_growth,
        }),
        allow_soft_placement: options.allow_soft_placement,
        experimental,
    }
    .encode_to_vec()
}

/// `RunOptions` of a run on the thread that calls.
pub(crate) fn on_calling_thread() -> Vec<u8> {
    RunOptions { timeout_in_ms: 0, inter_op_thread_pool: -1 }.encode_to_vec()
}

/// `RunOptions` of a run in TensorFlow's pool, which it stops after `timeout`.
pub(crate) fn in_pool(timeout: Option<Duration>) -> Vec<u8> {
    // 0 means no timeout, so a shorter one than a millisecond is rounded up.
    let timeout_in_ms = timeout.map_or(0, |timeout| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).max(1));
    RunOptions { timeout_in_ms, inter_op_thread_pool: 0 }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SessionOptions {
        SessionOptions {
            intra_op_threads: 3,
            inter_op_threads: 0,
            gpu_memory_fraction: 0.5,
            gpu_allow_growth: true,
            allow_soft_placement: true,
        }
    }

    #[test]
    fn options_are_encoded_as_tensorflow_reads_them() {
        // Field 2 = 3; field 6 = {1: 0.5, 4: true}; field 7 = true; field 16 = {3: "SINGLE_THREADED_EXECUTOR"}.
        let mut expected = vec![0x10, 3, 0x32, 11, 0x09, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 0x20, 1, 0x38, 1];
        assert_eq!(config(&options(), Executor::General), expected);
        expected.extend([0x82, 0x01, 26, 0x1a, 24]);
        expected.extend(b"SINGLE_THREADED_EXECUTOR");
        assert_eq!(config(&options(), Executor::Calling), expected);
    }

    #[test]
    fn a_timeout_is_never_rounded_to_none() {
        assert_eq!(in_pool(Some(Duration::from_nanos(1))), [0x10, 1]);
        assert!(in_pool(None).is_empty());
        assert_eq!(on_calling_thread(), [0x18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }
}
