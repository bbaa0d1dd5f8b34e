//! Names of log files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const SUFFIX: &str = ".tfrecord";

/// The name of the file with this number among those begun in the second of this stamp.
pub(super) fn complete(prefix: &Path, stamp: &str, number: u32) -> PathBuf {
    let mut name = prefix.file_name().unwrap_or_default().to_os_string();
    name.push(format!("-{stamp}-{number:03}{SUFFIX}"));
    prefix.with_file_name(name)
}

/// The name of a file while it is written.
pub(super) fn current(complete: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(complete.file_name().unwrap_or_default());
    complete.with_file_name(name)
}

/// The name that a file gets when it is complete, `None` when it is not one that is being written.
pub(super) fn completed(prefix: &Path, current: &Path) -> Option<PathBuf> {
    let name = current.file_name()?.to_str()?.strip_prefix('.')?;
    is_of(prefix, name).then(|| current.with_file_name(name))
}

/// Whether a name is that of a complete file with this prefix: `PREFIX-20261125T091500-000.tfrecord`. Another prefix
/// may begin with this one, so the rest is held against the form.
pub(super) fn is_of(prefix: &Path, name: &str) -> bool {
    let prefix = prefix.file_name().and_then(|prefix| prefix.to_str());
    let rest = prefix.and_then(|prefix| name.strip_prefix(prefix)?.strip_prefix('-')?.strip_suffix(SUFFIX));
    let Some((stamp, number)) = rest.and_then(|rest| rest.split_once('-')) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    stamp.len() == 15
        && stamp.split_once('T').is_some_and(|(day, time)| is_number(day) && is_number(time))
        && number.len() >= 3
        && is_number(number)
}

/// What complete files are sorted by so that the oldest comes first: a number of four digits is above one of three.
pub(super) fn age(path: &Path) -> (String, usize, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stamped, number) = name.rsplit_once('-').unwrap_or((&name, ""));
    (stamped.to_owned(), number.len(), number.to_owned())
}

/// `20261125T091500`, in UTC. A clock before 1970 is taken for its beginning.
pub(super) fn stamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// The date that many days after 1 January 1970 in the Gregorian calendar, counted in years that begin in March, so
/// that a leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 1 March of the year 0
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_carry_the_time_in_utc() {
        for (seconds, name) in [
            (0, "m-19700101T000000-000.tfrecord"),
            (951_782_400, "m-20000229T000000-000.tfrecord"),
            (1_795_598_800, "m-20261125T092640-000.tfrecord"),
            (4_107_542_399, "m-21000228T235959-000.tfrecord"),
            (4_107_542_400, "m-21000301T000000-000.tfrecord"),
        ] {
            let now = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(complete(Path::new("/logs/m"), &stamp(now), 0), Path::new("/logs").join(name));
        }
    }

    #[test]
    fn the_thousandth_file_of_a_second_is_younger_than_the_others() {
        let names =
            |numbers: [u32; 4]| numbers.map(|number| complete(Path::new("/logs/m"), &stamp(UNIX_EPOCH), number));
        let mut sorted = names([1000, 999, 1001, 2]);
        sorted.sort_by_key(|path| age(path));
        assert_eq!(sorted, names([2, 999, 1000, 1001]));
    }

    #[test]
    fn a_file_of_another_prefix_is_not_ours() {
        let (prefix, ours) = (Path::new("/logs/m"), "m-20261125T092640-000.tfrecord");
        assert!(is_of(prefix, ours) && is_of(prefix, "m-20261125T092640-1000.tfrecord"));
        for other in ["m-2-20261125T092640-000.tfrecord", "n-20261125T092640-000.tfrecord", "m.tfrecord", "m-1-2", ""] {
            assert!(!is_of(prefix, other), "{other}");
        }
        let complete = Path::new("/logs").join(ours);
        assert_eq!(completed(prefix, &current(&complete)), Some(complete.clone()));
        assert_eq!(completed(prefix, &complete), None);
    }
}
