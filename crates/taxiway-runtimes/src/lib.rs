//! The runtimes: TensorFlow and LiteRT through their C APIs.
//!
//! Nothing is linked at build time. The libraries are the ones in the installed Python wheels; [`open`] is told where
//! they are and opens them when the first model needs them. This is the only crate with `unsafe`, and in it each
//! `unsafe` block stands beside the rule of the C API that makes it sound. A C++ exception that leaves a library ends
//! the process, as it would in any C program: neither library throws one on purpose.

mod faulty;
mod litert;
mod memory;
mod open;
mod spec;
mod symbols;
mod tensorflow;

pub use faulty::Faults;
pub use memory::give_back;
pub use open::{Candidates, Threads, candidates, open, with_faults};
pub use spec::{EngineChoice, Libraries, LoadSpec, SessionOptions, TensorFlowLibraries, WarmUp};
