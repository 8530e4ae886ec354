//! Reads what Prometheus reads: the text format, version 0.0.4, as far as a pool needs it.
//!
//! A strict reader of one's own, so that nothing heavy is built into each graded process; its tests
//! hold it against a parser that others use.

use std::collections::BTreeMap;

/// A counter's or gauge's value, or a histogram.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Metric {
    Counter(f64),
    Gauge(f64),
    Histogram(Histogram),
}

/// A histogram as the text tells it: each bucket holds the smaller ones as well.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    /// Bounds and counts, in the order of the text.
    pub(crate) buckets: Vec<(f64, f64)>,
    pub(crate) sum: Option<f64>,
    pub(crate) count: Option<f64>,
}

/// The metrics of a text by name, or why Prometheus would not take it.
pub(crate) fn read(text: &str) -> Result<BTreeMap<String, Metric>, String> {
    if !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut metrics = BTreeMap::new();
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            let (name, kind) = comment.split_once(' ').ok_or(format!("no type: {line}"))?;
            if kinds.insert(name, kind).is_some() {
                return Err(format!("{name} has two types"));
            }
        } else if !line.starts_with('#') {
            sample(line, &kinds, &mut metrics)?;
        }
    }
    for (name, metric) in &metrics {
        if let Metric::Histogram(histogram) = metric {
            histogram.is_sound().map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(metrics)
}

fn sample(
    line: &str,
    kinds: &BTreeMap<&str, &str>,
    metrics: &mut BTreeMap<String, Metric>,
) -> Result<(), String> {
    let (series, value) = line.rsplit_once(' ').ok_or(format!("no value: {line}"))?;
    let value: f64 = value.parse().map_err(|_| format!("not a number: {line}"))?;
    let (name, label) = match series.split_once('{') {
        Some((name, label)) => (name, Some(label)),
        None => (series, None),
    };
    let whole = |kind: &str| kinds.get(name) == Some(&kind);
    let twice = if whole("counter") {
        metrics.insert(name.to_owned(), Metric::Counter(value)).is_some()
    } else if whole("gauge") {
        metrics.insert(name.to_owned(), Metric::Gauge(value)).is_some()
    } else {
        let (family, part) = name.rsplit_once('_').unwrap_or((name, ""));
        if kinds.get(family) != Some(&"histogram") {
            return Err(format!("no type is given for {name}"));
        }
        let metric = metrics
            .entry(family.to_owned())
            .or_insert_with(|| Metric::Histogram(Histogram::default()));
        let Metric::Histogram(histogram) = metric else {
            return Err(format!("{family} is a histogram and something else"));
        };
        histogram.take_in(part, label, value).map_err(|why| format!("{why}: {line}"))?
    };
    if twice { Err(format!("{series} is there twice")) } else { Ok(()) }
}

impl Histogram {
    /// Whether it was there before.
    fn take_in(&mut self, part: &str, label: Option<&str>, value: f64) -> Result<bool, String> {
        match (part, label) {
            ("sum", None) => Ok(self.sum.replace(value).is_some()),
            ("count", None) => Ok(self.count.replace(value).is_some()),
            ("bucket", Some(label)) => {
                let bound = label.strip_prefix("le=\"").and_then(|label| label.strip_suffix("\"}"));
                let bound = bound.ok_or("no bound")?.parse().map_err(|_| "no bound")?;
                let twice = self
                    .buckets
                    .iter()
                    .any(|(other, _): &(f64, f64)| other.total_cmp(&bound).is_eq());
                self.buckets.push((bound, value));
                Ok(twice)
            }
            _ => Err("a histogram has no such part".to_owned()),
        }
    }

    /// Why it is no histogram, if it is none.
    fn is_sound(&self) -> Result<(), String> {
        let Some((last, all)) = self.buckets.last() else { return Err("no buckets".to_owned()) };
        if *last != f64::INFINITY {
            return Err("the last bucket is not +Inf".to_owned());
        }
        for pair in self.buckets.windows(2) {
            let ((bound, count), (next_bound, next_count)) = (pair[0], pair[1]);
            if bound >= next_bound || count > next_count {
                return Err(format!("bucket {next_bound} is not above bucket {bound}"));
            }
        }
        let count = self.count.ok_or("no count")?;
        if self.sum.is_none() {
            return Err("no sum".to_owned());
        }
        if all.total_cmp(&count).is_ne() {
            return Err(format!("the buckets hold {all} attempts, and there were {count}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openmetrics_parser::PrometheusValue;
    use openmetrics_parser::prometheus::parse_prometheus;

    use super::*;
    use crate::day::Day;
    use crate::desk::ms;

    fn days() -> Vec<Day> {
        let busy = Day::new()
            .acquired(1_000, Duration::from_micros(700))
            .acquired(1, ms(1))
            .timeouts(3, ms(500))
            .connect_errors(2, Duration::from_nanos(1))
            .acquired(1, Duration::from_mins(3));
        let years = Day::new().acquired(3_000_000_000_000, ms(1));
        vec![Day::new(), busy, years]
    }

    /// What a parser that others use makes of the text, in our words.
    fn others(text: &str) -> BTreeMap<String, Metric> {
        let read = parse_prometheus(text).expect("a text that Prometheus takes");
        let family = |(name, family): (String, openmetrics_parser::MetricFamily<_, _>)| {
            let samples: Vec<_> = family.into_iter_samples().collect();
            assert_eq!(samples.len(), 1, "{name}");
            let metric = match &samples[0].value {
                PrometheusValue::Counter(counter) => Metric::Counter(counter.value.as_f64()),
                PrometheusValue::Gauge(gauge) => Metric::Gauge(gauge.as_f64()),
                PrometheusValue::Histogram(histogram) => Metric::Histogram(Histogram {
                    buckets: histogram
                        .buckets
                        .iter()
                        .map(|bucket| (bucket.upper_bound, bucket.count.as_f64()))
                        .collect(),
                    sum: histogram.sum.as_ref().map(openmetrics_parser::MetricNumber::as_f64),
                    #[expect(clippy::cast_precision_loss, reason = "3e12 is exact")]
                    count: histogram.count.map(|count| count as f64),
                }),
                other => panic!("{name} is {other:?}"),
            };
            (name, metric)
        };
        read.families.into_iter().map(family).collect()
    }

    #[test]
    fn a_parser_that_others_use_reads_the_same() {
        for day in days() {
            let text = day.snapshot.prometheus();
            let ours = read(&text).unwrap();
            assert_eq!(ours.len(), 9, "{text}");
            assert_eq!(ours, others(&text), "{text}");
        }
    }

    #[test]
    fn what_is_no_histogram_is_not_taken() {
        let mut day = Day::new().acquired(3, ms(1)).snapshot;
        day.timeouts += 1;
        let error = read(&day.prometheus()).unwrap_err();
        assert_eq!(error, "pool_wait_seconds: the buckets hold 3 attempts, and there were 4");
        for (text, why) in [
            ("a 1\n", "no type is given for a"),
            ("# TYPE a gauge\na 1", "the last line does not end"),
            ("# TYPE a gauge\na one\n", "not a number: a one"),
            ("# TYPE a gauge\na 1\na 2\n", "a is there twice"),
            ("# TYPE a gauge\n# TYPE a counter\n", "a has two types"),
            ("# TYPE a histogram\na_sum 1\n", "a: no buckets"),
            ("# TYPE a histogram\na_bucket{le=\"1\"} 1\n", "a: the last bucket is not +Inf"),
            (
                "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n",
                "a: bucket inf is not above bucket 1",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), why, "{text}");
        }
    }
}
