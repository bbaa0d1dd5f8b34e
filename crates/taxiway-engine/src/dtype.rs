//! Element types, with TensorFlow's numbers and names.

use half::{bf16, f16};

/// The element type of a tensor: every TensorFlow type that can cross the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
#[allow(missing_docs)] // TensorFlow's own names
pub enum DType {
    Float = 1,
    Double = 2,
    Int32 = 3,
    Uint8 = 4,
    Int16 = 5,
    Int8 = 6,
    String = 7,
    Complex64 = 8,
    Int64 = 9,
    Bool = 10,
    Qint8 = 11,
    Quint8 = 12,
    Qint32 = 13,
    Bfloat16 = 14,
    Qint16 = 15,
    Quint16 = 16,
    Uint16 = 17,
    Complex128 = 18,
    Half = 19,
    Uint32 = 22,
    Uint64 = 23,
    Float8E5m2 = 24,
    Float8E4m3fn = 25,
    Float8E4m3fnuz = 26,
    Float8E4m3b11fnuz = 27,
    Float8E5m2fnuz = 28,
}

/// One row a type: the type, the bytes of one element (strings: 0), and the name TensorFlow's messages use.
const TABLE: [(DType, usize, &str); 26] = [
    (DType::Float, 4, "float"),
    (DType::Double, 8, "double"),
    (DType::Int32, 4, "int32"),
    (DType::Uint8, 1, "uint8"),
    (DType::Int16, 2, "int16"),
    (DType::Int8, 1, "int8"),
    (DType::String, 0, "string"),
    (DType::Complex64, 8, "complex64"),
    (DType::Int64, 8, "int64"),
    (DType::Bool, 1, "bool"),
    (DType::Qint8, 1, "qint8"),
    (DType::Quint8, 1, "quint8"),
    (DType::Qint32, 4, "qint32"),
    (DType::Bfloat16, 2, "bfloat16"),
    (DType::Qint16, 2, "qint16"),
    (DType::Quint16, 2, "quint16"),
    (DType::Uint16, 2, "uint16"),
    (DType::Complex128, 16, "complex128"),
    (DType::Half, 2, "half"),
    (DType::Uint32, 4, "uint32"),
    (DType::Uint64, 8, "uint64"),
    (DType::Float8E5m2, 1, "float8_e5m2"),
    (DType::Float8E4m3fn, 1, "float8_e4m3fn"),
    (DType::Float8E4m3fnuz, 1, "float8_e4m3fnuz"),
    (DType::Float8E4m3b11fnuz, 1, "float8_e4m3b11fnuz"),
    (DType::Float8E5m2fnuz, 1, "float8_e5m2fnuz"),
];

impl DType {
    /// Every type, in the order of its number.
    pub fn all() -> impl Iterator<Item = DType> {
        TABLE.iter().map(|row| row.0)
    }

    /// The type with TensorFlow's number; `None` for references, resources, variants and 4-bit types,
    /// which never cross the wire.
    pub fn from_number(number: i32) -> Option<DType> {
        TABLE.iter().map(|row| row.0).find(|dtype| dtype.number() == number)
    }

    /// TensorFlow's number.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Bytes of one element; `None` for strings.
    pub fn size(self) -> Option<usize> {
        match self.row().1 {
            0 => None,
            size => Some(size),
        }
    }

    /// The name TensorFlow's messages use: `float`, `int64`, `string`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// The enumerator's name in `types.proto`: `DT_FLOAT`.
    pub fn proto_name(self) -> String {
        format!("DT_{}", self.name().to_uppercase())
    }

    fn row(self) -> &'static (DType, usize, &'static str) {
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }
}

/// A Rust type whose values stand in a tensor's bytes as they are.
pub trait Element: bytemuck::Pod + Send {
    /// The type TensorFlow calls it.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),* $(,)?) => {
        $(impl Element for $rust {
            const DTYPE: DType = DType::$dtype;
        })*
    };
}

elements! {
    f32 => Float, f64 => Double, i32 => Int32, u8 => Uint8, i16 => Int16, i8 => Int8, i64 => Int64,
    u16 => Uint16, u32 => Uint32, u64 => Uint64, f16 => Half, bf16 => Bfloat16,
    [f32; 2] => Complex64, [f64; 2] => Complex128,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_own_row() {
        for dtype in DType::all() {
            assert_eq!(DType::from_number(dtype.number()), Some(dtype));
            assert_eq!(dtype.row().0, dtype);
        }
    }

    #[test]
    fn names_agree_with_the_proto() {
        for dtype in DType::all() {
            let proto = crate::proto::DataType::try_from(dtype.number()).unwrap();
            assert_eq!(proto.as_str_name(), dtype.proto_name());
        }
    }

    #[test]
    fn types_that_never_cross_the_wire_are_not_ours() {
        for number in [0, 20, 21, 29, 101] {
            assert_eq!(DType::from_number(number), None);
        }
    }
}
