//! How a model's requests are gathered into batches: TensorFlow Serving's `BatchingParameters`.

use std::time::Duration;

use serde::Deserialize;
use taxiway_engine::{Error, Result};

/// How requests are gathered. Sizes are rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchParams {
    /// The most rows of one request, and of one run unless `max_execution_batch_size` says less.
    pub max_batch_size: usize,
    /// How long a batch that is not full waits for company. 0: it runs as soon as a thread is free.
    pub batch_timeout_micros: u64,
    /// The most batches that may wait in one queue; a request that needs one more is refused.
    pub max_enqueued_batches: usize,
    /// Batches are filled up to the next of these, ascending; the last is the most rows of one run. Empty: as they are.
    pub allowed_batch_sizes: Vec<usize>,
    /// Whether requests whose other extents differ are padded to the largest, rather than run apart.
    pub pad_variable_length_inputs: bool,
    /// Whether a request may be cut over several runs.
    pub enable_large_batch_splitting: bool,
    /// The most rows of one run when requests may be cut; 0 means `max_batch_size`.
    pub max_execution_batch_size: usize,
}

impl BatchParams {
    /// The most rows of one run.
    pub fn rows_per_run(&self) -> usize {
        match (self.enable_large_batch_splitting, self.max_execution_batch_size) {
            (true, rows) if rows > 0 => rows,
            _ => self.max_batch_size,
        }
    }

    /// How long a batch that is not full waits.
    pub fn timeout(&self) -> Duration {
        Duration::from_micros(self.batch_timeout_micros)
    }

    /// How many rows a run of `rows` is filled up to. More rows than the largest allowed size stay as they are.
    pub fn padded(&self, rows: usize) -> usize {
        self.allowed_batch_sizes.iter().copied().find(|&size| size >= rows).unwrap_or(rows)
    }

    /// Checks the values against each other.
    ///
    /// # Errors
    /// `InvalidArgument`, with TensorFlow Serving's text where it has one.
    pub fn validate(&self) -> Result<()> {
        if self.max_batch_size == 0 {
            return Err(Error::invalid("max_batch_size must be positive; was 0"));
        }
        if self.max_enqueued_batches == 0 {
            return Err(Error::invalid("max_enqueued_batches must be positive; was 0"));
        }
        if self.rows_per_run() > self.max_batch_size {
            return Err(Error::invalid(format!(
                "max_execution_batch_size {} must not be larger than max_batch_size {}",
                self.max_execution_batch_size, self.max_batch_size
            )));
        }
        let Some(&last) = self.allowed_batch_sizes.last() else { return Ok(()) };
        if self.allowed_batch_sizes[0] == 0 || !self.allowed_batch_sizes.is_sorted_by(|a, b| a < b) {
            return Err(Error::invalid("allowed_batch_sizes entries must be positive and monotonically increasing"));
        }
        let (name, expected) = match self.enable_large_batch_splitting {
            true => ("max_execution_batch_size", self.rows_per_run()),
            false => ("max_batch_size", self.max_batch_size),
        };
        if last != expected {
            return Err(Error::invalid(format!(
                "Last entry in allowed_batch_sizes must match {name}; last entry was {last}; expected {expected}"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Parameters that gather up to `max_batch_size` rows without waiting.
    pub(crate) fn params(max_batch_size: usize) -> BatchParams {
        BatchParams {
            max_batch_size,
            batch_timeout_micros: 0,
            max_enqueued_batches: 10,
            allowed_batch_sizes: Vec::new(),
            pad_variable_length_inputs: false,
            enable_large_batch_splitting: false,
            max_execution_batch_size: 0,
        }
    }

    // tfs: batch-allowed
    #[test]
    fn allowed_sizes_must_ascend_and_end_at_the_largest_batch() {
        let with = |sizes: &[usize]| BatchParams { allowed_batch_sizes: sizes.to_vec(), ..params(8) }.validate();
        assert_eq!(with(&[2, 4, 8]), Ok(()));
        assert_eq!(
            with(&[2, 4]).unwrap_err().message,
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8"
        );
        assert!(with(&[4, 2, 8]).is_err());
        assert!(with(&[0, 8]).is_err());
    }

    // tfs: batch-allowed
    #[test]
    fn splitting_moves_the_end_of_the_allowed_sizes() {
        let mut split = BatchParams {
            allowed_batch_sizes: vec![2, 4],
            enable_large_batch_splitting: true,
            max_execution_batch_size: 4,
            ..params(64)
        };
        assert_eq!(split.validate(), Ok(()));
        assert_eq!(split.rows_per_run(), 4);
        split.max_execution_batch_size = 128;
        assert!(split.validate().is_err());
    }

    #[test]
    fn a_run_is_filled_up_to_the_next_allowed_size() {
        let some = BatchParams { allowed_batch_sizes: vec![2, 8], ..params(8) };
        assert_eq!([1, 2, 3, 8, 9].map(|rows| some.padded(rows)), [2, 2, 8, 8, 9]);
        assert_eq!(params(8).padded(3), 3);
    }
}
