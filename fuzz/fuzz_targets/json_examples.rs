//! A classify or regress request of any bytes: no panic, and every example begins with the same context.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taxiway_server::json::{Document, write_error};

fuzz_target!(|body: &[u8]| {
    let result = Document::parse(body).and_then(|document| document.examples());
    match result {
        Ok(examples) => {
            assert!(!examples.is_empty());
            // Field 1, wire type 2: an Example is Features and nothing else.
            assert!(examples.iter().all(|example| example.first() == Some(&0x0A)));
        }
        Err(error) => {
            let mut answer = Vec::new();
            write_error(&error.message, &mut answer);
            let told = Document::parse(&answer).expect("an error's body is JSON");
            assert!(told.examples().is_err());
        }
    }
});
