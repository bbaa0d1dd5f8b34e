//! A page in Prometheus' text format 0.0.4.

use std::fmt::{Display, Write};

use super::families::Family;

/// The page so far. Writing to a string cannot fail, so results are ignored.
pub(super) struct Page {
    text: String,
    /// Whether Taxiway's: with a line of help for each metric, and no braces around no labels.
    is_own: bool,
    family: &'static Family,
}

impl Page {
    /// A page that begins with this metric.
    pub(super) fn new(first: &'static Family, is_own: bool) -> Page {
        let mut page = Page { text: String::with_capacity(4096), is_own, family: first };
        page.begin(first);
        page
    }

    /// Goes on with this metric.
    pub(super) fn begin(&mut self, family: &'static Family) {
        self.family = family;
        let Family { name, kind, help, .. } = family;
        if self.is_own {
            let _ = writeln!(self.text, "# HELP {name} {help}");
        }
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    /// A sample, its labels' values in the order of the metric's labels.
    pub(super) fn sample(&mut self, values: &[&dyn Display], value: impl Display) {
        let labels = self.labels(values);
        self.line("", &labels, value);
    }

    /// The samples of a histogram: how many values are below each bound, and all values together.
    pub(super) fn histogram(
        &mut self,
        values: &[&dyn Display],
        buckets: impl Iterator<Item = (String, u64)>,
        sum: impl Display,
    ) {
        let labels = self.labels(values);
        let separator = if labels.is_empty() { "" } else { "," };
        let mut count = 0;
        for (bound, below) in buckets {
            self.line("_bucket", &format!("{labels}{separator}le=\"{bound}\""), below);
            count = below;
        }
        self.line("_sum", &labels, sum);
        self.line("_count", &labels, count);
    }

    /// The whole page.
    pub(super) fn text(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: &str, value: impl Display) {
        let name = self.family.name;
        let _ = match labels {
            "" if self.is_own => writeln!(self.text, "{name}{suffix} {value}"),
            labels => writeln!(self.text, "{name}{suffix}{{{labels}}} {value}"),
        };
    }

    /// The labels with their values escaped.
    fn labels(&self, values: &[&dyn Display]) -> String {
        let names = self.family.labels.split_ascii_whitespace();
        debug_assert_eq!(names.clone().count(), values.len(), "{}", self.family.name);
        let mut written = String::new();
        for (name, value) in names.zip(values) {
            let value = value.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let separator = if written.is_empty() { "" } else { "," };
            let _ = write!(written, "{separator}{name}=\"{value}\"");
        }
        written
    }
}

/// The value of a page's counter: the sum of its samples; 0 when there is no counter of that name.
pub(crate) fn counter(page: &str, name: &str) -> u64 {
    let is_counter = page.contains(&format!("# TYPE {name} counter\n"));
    let values = page.lines().filter(|_| is_counter).filter_map(|line| {
        let sample = line.strip_prefix(name)?;
        let is_whole_name = sample.starts_with(['{', ' ']);
        sample.rsplit(' ').next().filter(|_| is_whole_name)?.parse::<u64>().ok()
    });
    values.sum()
}
