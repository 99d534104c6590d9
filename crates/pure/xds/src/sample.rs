//! Filled messages for tests: every field set, every variant of a oneof in turn.

use std::collections::BTreeMap;

use prost::Message as _;

use crate::{json::Enum, wkt};

/// A type that can be filled.
pub(crate) trait Sample {
    /// A value with all fields set, `depth` messages deep; the seed picks variants.
    fn sample(depth: usize, seed: usize) -> Self;
}

/// A field that can be filled.
pub(crate) trait SampleField {
    fn field(depth: usize, seed: usize) -> Self;
    fn number(number: i32) -> Self;
}

/// A number of an enumeration, not its first where it has another.
pub(crate) fn number<E: Enum>(seed: usize) -> i32 {
    let numbers: Vec<i32> = (1..600).filter(|number| E::name_of(*number).is_some()).collect();
    if numbers.is_empty() { 0 } else { numbers[seed % numbers.len()] }
}

macro_rules! samples {
    ($($ty:ty => $value:expr),* $(,)?) => {$(
        impl Sample for $ty {
            fn sample(_: usize, _: usize) -> Self {
                $value
            }
        }
    )*};
}

macro_rules! scalars {
    ($($ty:ty),*) => {$(
        impl SampleField for $ty {
            fn field(depth: usize, seed: usize) -> Self {
                Self::sample(depth, seed)
            }
            fn number(_: i32) -> Self {
                unreachable!("not an enumeration")
            }
        }
    )*};
}

scalars!(bool, String, Vec<u8>, u32, i64, u64, f32, f64);

impl SampleField for i32 {
    fn field(depth: usize, seed: usize) -> Self {
        Self::sample(depth, seed)
    }
    fn number(number: i32) -> Self {
        number
    }
}

samples! {
    bool => true,
    String => "word".to_owned(),
    Vec<u8> => vec![0, 1, 254, 255],
    i32 => -7,
    u32 => 8080,
    i64 => -9_007_199_254_740_993,
    u64 => 9_007_199_254_740_993,
    f32 => 0.1,
    f64 => 1.5,
    wkt::Duration => wkt::Duration { seconds: 1, nanos: 500_000_000 },
    wkt::Timestamp => wkt::Timestamp { seconds: 1_700_000_000, nanos: 1_000 },
    wkt::Empty => wkt::Empty {},
    wkt::Any => wkt::Any {
        type_url: "type.googleapis.com/google.protobuf.StringValue".to_owned(),
        value: "inside".to_owned().encode_to_vec(),
    },
    wkt::Value => wkt::Value::from("text"),
    wkt::Struct => wkt::Struct { fields: BTreeMap::from([("key".to_owned(), wkt::Value::from("text"))]) },
    wkt::ListValue => wkt::ListValue { values: vec![wkt::Value::from("text")] },
}

impl<T: Sample> Sample for Box<T> {
    fn sample(depth: usize, seed: usize) -> Self {
        Self::new(T::sample(depth, seed))
    }
}

impl<T: Sample> SampleField for Option<T> {
    fn field(depth: usize, seed: usize) -> Self {
        (depth > 0).then(|| T::sample(depth - 1, seed))
    }
    fn number(_: i32) -> Self {
        None
    }
}

impl<T: Sample> SampleField for Vec<T> {
    fn field(depth: usize, seed: usize) -> Self {
        if depth == 0 {
            Self::new()
        } else {
            vec![T::sample(depth - 1, seed), T::sample(depth - 1, seed + 1)]
        }
    }
    fn number(_: i32) -> Self {
        Self::new()
    }
}

impl<T: Sample> SampleField for BTreeMap<String, T> {
    fn field(depth: usize, seed: usize) -> Self {
        if depth == 0 {
            Self::new()
        } else {
            Self::from([("name".to_owned(), T::sample(depth - 1, seed))])
        }
    }
    fn number(_: i32) -> Self {
        Self::new()
    }
}
