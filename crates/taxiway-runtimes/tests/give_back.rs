//! What the allocator keeps free goes back to the system. One test, as it measures the whole process.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

const BLOCK: usize = 64 * 1024; // below the size from which glibc maps each block alone
const BLOCKS: usize = 512;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells a process's memory");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("in pages");
    pages * 4096
}

#[test]
fn free_blocks_below_one_in_use_go_back_to_the_system() {
    let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; BLOCK]).collect();
    let used = resident_bytes();
    blocks.drain(..BLOCKS - 1);
    assert!(resident_bytes() + BLOCK * BLOCKS / 2 > used, "the allocator gives them back by itself");
    taxiway_runtimes::give_back();
    assert!(resident_bytes() + BLOCK * BLOCKS * 3 / 4 < used);
    assert_eq!(blocks[0][BLOCK - 1], 1);
}
