//! Memory that loading a model took and left.

/// Gives the pages that the C library's allocator keeps free back to the system. Both runtimes allocate there, and
/// reading and optimising a graph takes more than the graph that stays. Where the C library is not glibc, nothing is done.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: glibc's own function of this type; it takes the allocator's locks, and frees nothing that is in use.
        unsafe { malloc_trim(0) };
    }
}
