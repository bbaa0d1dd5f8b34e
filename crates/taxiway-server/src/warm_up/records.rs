//! Warm-up requests on disk: a TFRecord file of `PredictionLog` messages.

use std::fs::File;
use std::io::{BufReader, ErrorKind as IoKind, Read};
use std::path::{Path, PathBuf};

use prost::Message;
use prost::bytes::Bytes;
use taxiway_engine::{Error, ErrorKind, Result};

use crate::proto::{PredictionLog, prediction_log::LogType};

/// The file in a version's directory.
const FILE: &str = "assets.extra/tf_serving_warmup_requests";

/// The most records that are run.
const MAX_RECORDS: usize = 1000;

/// The field of `PredictionLog` that says how a request was logged, not what it was.
const LOG_METADATA: u32 = 1;

/// The requests of a version's warm-up file; none when there is no file.
///
/// # Errors
/// TensorFlow Serving's: `DataLoss` when the file is not whole, `InvalidArgument` when it has too many records or one
/// does not parse, `Unimplemented` for a record of a kind that is not replayed.
pub(crate) fn read(version: &Path) -> Result<Vec<LogType>> {
    let path = version.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == IoKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    let left = file.metadata().map_err(|error| unreadable(&path, &error))?.len();
    let mut records = Records { file: BufReader::new(file), path, at: 0, left };
    let mut requests = Vec::new();
    while let Some(record) = records.next()? {
        if requests.len() == MAX_RECORDS {
            return Err(Error::invalid(format!(
                "Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {}",
                records.path.display()
            )));
        }
        requests.push(request(&record)?);
    }
    Ok(requests)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::FailedPrecondition, format!("cannot read the warm-up requests {}: {error}", path.display()))
}

fn request(record: &Bytes) -> Result<LogType> {
    let parse = |error| Error::invalid(format!("Failed to parse warmup record: {error}"));
    let log = PredictionLog::decode(record.clone()).map_err(parse)?;
    match log.log_type {
        Some(log) => Ok(log),
        None => {
            let field = other_log_type(record.clone()).map_err(parse)?;
            let message = format!("Unsupported log_type for warmup: {field}");
            Err(Error::new(ErrorKind::Unimplemented, message))
        }
    }
}

/// The field number of a log type that is not among our messages; 0 when there is none.
fn other_log_type(mut record: Bytes) -> Result<u32, prost::DecodeError> {
    use prost::encoding::{DecodeContext, decode_key, skip_field};
    while !record.is_empty() {
        let (field, wire_type) = decode_key(&mut record)?;
        if field != LOG_METADATA {
            return Ok(field);
        }
        skip_field(wire_type, field, &mut record, DecodeContext::default())?;
    }
    Ok(0)
}

/// Reads a TFRecord file: length, its checksum, bytes, their checksum, and so on.
struct Records {
    file: BufReader<File>,
    path: PathBuf,
    at: u64,
    left: u64,
}

impl Records {
    fn next(&mut self) -> Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let length: [u8; 8] = self.take()?;
        self.verify(&length)?;
        let length = u64::from_le_bytes(length);
        if length > self.left {
            return Err(self.damaged("truncated record"));
        }
        let mut record = vec![0; length as usize]; // no longer than the file
        self.fill(&mut record)?;
        self.verify(&record)?;
        Ok(Some(record.into()))
    }

    fn verify(&mut self, bytes: &[u8]) -> Result<()> {
        let stored: [u8; 4] = self.take()?;
        match u32::from_le_bytes(stored) == masked_checksum(bytes) {
            true => Ok(()),
            false => Err(self.damaged("corrupted record")),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let length = bytes.len() as u64;
        if length > self.left {
            return Err(self.damaged("truncated record"));
        }
        self.file.read_exact(bytes).map_err(|error| unreadable(&self.path, &error))?;
        self.at += length;
        self.left -= length;
        Ok(())
    }

    fn damaged(&self, what: &str) -> Error {
        let (at, path) = (self.at, self.path.display());
        let message = format!("{what} at {at} in {path}. Please verify your warmup data is in TFRecord format.");
        Error::new(ErrorKind::DataLoss, message)
    }
}

/// How long a TFRecord file is up to the end of its last whole record.
///
/// # Errors
/// Those of opening it. A file that cannot be read to its end is whole up to there.
pub(crate) fn whole_length(path: &Path) -> std::io::Result<u64> {
    let file = File::open(path)?;
    let left = file.metadata()?.len();
    let mut records = Records { file: BufReader::new(file), path: path.to_owned(), at: 0, left };
    let mut whole = 0;
    while let Ok(Some(_)) = records.next() {
        whole = records.at;
    }
    Ok(whole)
}

/// A record as it stands in a TFRecord file.
pub(crate) fn framed(record: &[u8]) -> Vec<u8> {
    let length = (record.len() as u64).to_le_bytes();
    let checksums = [masked_checksum(&length).to_le_bytes(), masked_checksum(record).to_le_bytes()];
    [&length[..], &checksums[0], record, &checksums[1]].concat()
}

/// TFRecord's checksum: CRC32C, rotated and shifted so that a checksum of checksums is still one.
fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::proto::{PredictLog, PredictRequest};

    /// A version's directory with these records.
    pub(crate) fn version(records: &[Vec<u8>]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        write(&directory, &records.iter().flat_map(|record| framed(record)).collect::<Vec<_>>());
        directory
    }

    /// A record of a predict request.
    pub(crate) fn record(request: PredictRequest) -> Vec<u8> {
        log(LogType::PredictLog(PredictLog { request: Some(request), response: None }))
    }

    /// A record of any request.
    pub(crate) fn log(log: LogType) -> Vec<u8> {
        PredictionLog { log_type: Some(log) }.encode_to_vec()
    }

    fn write(directory: &tempfile::TempDir, bytes: &[u8]) {
        let path = directory.path().join(FILE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn predict() -> Vec<u8> {
        record(PredictRequest { output_filter: vec!["y".into()], ..PredictRequest::default() })
    }

    #[test]
    fn the_checksum_is_the_formats() {
        // From a file written by TensorFlow: one record of 24 letters x.
        assert_eq!(masked_checksum(&24u64.to_le_bytes()), 0x224b_7fa3);
        assert_eq!(masked_checksum(&[b'x'; 24]), 0xe6b6_638a);
    }

    // tfs: warm-replay
    #[test]
    fn requests_are_read_and_none_is_fine() {
        assert_eq!(read(version(&[predict(), predict()]).path()).unwrap().len(), 2);
        assert_eq!(read(version(&[]).path()).unwrap().len(), 0);
        assert_eq!(read(tempfile::tempdir().unwrap().path()).unwrap().len(), 0);
    }

    // tfs: warm-damage
    #[test]
    fn damage_anywhere_is_data_loss() {
        let directory = version(&[predict()]);
        let whole = std::fs::read(directory.path().join(FILE)).unwrap();
        let cut = (1..whole.len()).map(|length| whole[..length].to_vec());
        let flipped = (0..whole.len()).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            bytes
        });
        for bytes in cut.chain(flipped) {
            write(&directory, &bytes);
            let error = read(directory.path()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::DataLoss);
            assert!(error.message.ends_with("Please verify your warmup data is in TFRecord format."));
        }
    }

    // tfs: warm-unsupported
    #[test]
    fn other_records_are_refused_by_their_number() {
        for (record, number) in [(vec![], 0), (vec![0x0a, 0, 0x2a, 0], 5), (vec![0x3a, 0], 7)] {
            let error = read(version(&[record]).path()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unimplemented);
            assert_eq!(error.message, format!("Unsupported log_type for warmup: {number}"));
        }
        let error = read(version(&[vec![0xff]]).path()).unwrap_err();
        assert!(error.message.starts_with("Failed to parse warmup record: "), "{error}");
    }

    // tfs: warm-many
    #[test]
    fn too_many_records_are_refused() {
        let directory = version(&vec![predict(); MAX_RECORDS + 1]);
        let error = read(directory.path()).unwrap_err();
        let expected = format!("Number of warmup records exceeds the maximum (1000) at {}", directory.path().display());
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(error.message.starts_with(&expected), "{error}");
        assert_eq!(read(version(&vec![predict(); MAX_RECORDS]).path()).unwrap().len(), MAX_RECORDS);
    }
}
