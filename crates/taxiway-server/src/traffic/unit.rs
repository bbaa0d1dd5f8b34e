//! Whose a request is: the key that decides about its arm.

use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use smallvec::SmallVec;
use taxiway_engine::proto::{Example, feature::Kind};
use taxiway_engine::{DType, Element, Strings, Tensor};

/// The longest key that is looked at, in bytes; of a longer one, what comes first.
const MAX_KEY_BYTES: usize = 1024;

/// A key, as text whatever type it had.
pub(crate) type Key = SmallVec<[u8; 40]>;

/// Where a request says `no` when it is not to be recorded.
const RECORD: HeaderName = HeaderName::from_static("x-taxiway-record");

/// Who sent a request, as far as routing needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) id: &'a HeaderValue,
    pub(crate) headers: &'a HeaderMap,
}

impl Caller<'_> {
    /// The key in a header; `None` when it is not there or empty.
    pub(crate) fn key(&self, header: &HeaderName) -> Option<Key> {
        self.headers.get(header).and_then(|value| key(value.as_bytes()))
    }

    /// Whether the request asks to be kept out of the recording, as one that comes from there does.
    pub(crate) fn is_unrecorded(&self) -> bool {
        self.headers.get(RECORD).is_some_and(|value| value.as_bytes() == b"no")
    }
}

/// The first element of a tensor as a key; `None` when there is none, or its type is for no key.
pub(crate) fn of_tensor(tensor: &Tensor) -> Option<Key> {
    match tensor.dtype() {
        DType::String => key(tensor.strings().filter(|strings| !strings.is_empty())?.get(0)),
        DType::Int64 => first::<i64>(tensor),
        DType::Int32 => first::<i32>(tensor),
        DType::Uint64 => first::<u64>(tensor),
        DType::Uint32 => first::<u32>(tensor),
        _ => None,
    }
}

fn first<T: Element + itoa::Integer>(tensor: &Tensor) -> Option<Key> {
    tensor.values::<T>()?.first().map(|&value| number(value))
}

/// A feature of the first of these serialised examples as a key.
pub(crate) fn of_examples(examples: &Strings, feature: &str) -> Option<Key> {
    let example = Example::decode((!examples.is_empty()).then(|| examples.get(0))?).ok()?;
    match example.features?.feature.remove(feature)?.kind? {
        Kind::BytesList(list) => list.value.first().and_then(|value| key(value)),
        Kind::Int64List(list) => list.value.first().map(|&value| number(value)),
        Kind::FloatList(_) => None,
    }
}

fn number(value: impl itoa::Integer) -> Key {
    Key::from_slice(itoa::Buffer::new().format(value).as_bytes())
}

fn key(bytes: &[u8]) -> Option<Key> {
    (!bytes.is_empty()).then(|| Key::from_slice(&bytes[..bytes.len().min(MAX_KEY_BYTES)]))
}

#[cfg(test)]
mod tests {
    use taxiway_engine::proto::{BytesList, Feature, Features, FloatList, Int64List};

    use super::*;

    #[test]
    fn a_number_and_its_text_are_one_key() {
        let text = Tensor::from_strings([2usize], ["17", "18"].into_iter().collect()).unwrap();
        let number = Tensor::from_values([2usize], &[17i64, 18]).unwrap();
        assert_eq!(of_tensor(&text).unwrap().as_slice(), b"17");
        assert_eq!(of_tensor(&number), of_tensor(&text));
        assert_eq!(of_tensor(&Tensor::from_values([1usize], &[17i32]).unwrap()), of_tensor(&text));
        assert_eq!(of_tensor(&Tensor::from_values([1usize], &[1.5f32]).unwrap()), None);
        assert_eq!(of_tensor(&Tensor::from_values::<i64>([0usize], &[]).unwrap()), None);
        assert_eq!(of_tensor(&Tensor::from_strings([1usize], [""].into_iter().collect()).unwrap()), None);
    }

    #[test]
    fn a_feature_of_the_first_example_is_a_key() {
        let features = [
            ("text", Kind::BytesList(BytesList { value: vec![b"17".to_vec().into()] })),
            ("number", Kind::Int64List(Int64List { value: vec![17] })),
            ("float", Kind::FloatList(FloatList { value: vec![17.0] })),
        ];
        let feature = features.map(|(name, kind)| (name.to_owned(), Feature { kind: Some(kind) })).into();
        let example = Example { features: Some(Features { feature }) }.encode_to_vec();
        let examples: Strings = [example, Vec::new()].into_iter().collect();
        assert_eq!(of_examples(&examples, "text").unwrap().as_slice(), b"17");
        assert_eq!(of_examples(&examples, "number"), of_examples(&examples, "text"));
        assert_eq!(of_examples(&examples, "float"), None);
        assert_eq!(of_examples(&examples, "other"), None);
        assert_eq!(of_examples(&[b"\xff".to_vec()].into_iter().collect(), "text"), None);
    }
}
