//! Ten thousand runs take no more memory than the first thousand. One test, as it measures the whole process.

mod fixtures;

use fixtures::{fixtures, predict};
use taxiway_engine::Tensor;
use taxiway_runtimes::EngineChoice::{LiteRt, TensorFlow};

/// More than allocators wander, less than a leak of one small tensor a run would take.
const GROWTH_KIB: u64 = 8 * 1024;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells a process's memory");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("and names it VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("in kB")
}

#[test]
fn runs_and_loads_leak_nothing() {
    let Some(fixtures) = fixtures() else { return };
    let image = |rows: usize| Tensor::from_values([rows, 784], &vec![0.5f32; rows * 784]).unwrap();
    let images = [image(1), image(4)];
    let text = Tensor::from_strings([2], [&[b'x'; 1000][..], b"one"].into_iter().collect()).unwrap();
    let wrong = Tensor::from_values([1, 3], &[0.5f32; 3]).unwrap();
    let tensorflow = fixtures.load("digits", TensorFlow);
    let (litert, strings) = (fixtures.load("digits", LiteRt), fixtures.load("strings", TensorFlow));
    let round = |index: usize| {
        for engine in [&tensorflow, &litert] {
            predict(engine.as_ref(), &images[index / 50 % 2..=index / 50 % 2]).unwrap();
        }
        predict(strings.as_ref(), std::slice::from_ref(&text)).unwrap();
        predict(tensorflow.as_ref(), std::slice::from_ref(&wrong)).unwrap_err();
        if index.is_multiple_of(500) {
            predict(fixtures.load("half_plus_two", LiteRt).as_ref(), &[Tensor::from_values([1], &[1.0f32]).unwrap()])
                .unwrap();
        }
    };
    (0..1_000).for_each(round);
    let grown = |_| {
        let before = resident_kib();
        (0..10_000).for_each(round);
        resident_kib().saturating_sub(before)
    };
    // What leaks does so each time. What wanders, as when the system makes huge pages of an allocator's, has wandered.
    let growths: Vec<u64> = (0..3).map(grown).take_while(|&growth| growth >= GROWTH_KIB).collect();
    assert!(growths.len() < 3, "10,000 runs took {growths:?} KiB more");
}
