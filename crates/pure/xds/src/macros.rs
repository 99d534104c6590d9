//! The three macros that every message of this crate is written with.
//!
//! A message is written once, as `field: Type = [what prost needs],`. From that come the prost message, its documentation and
//! its proto-JSON form, so a field is added in one line. Rust names are those that `prost-build` would give; the quoted name is
//! the full protobuf name.

/// Declares messages: `Name = "full.proto.Name" { field: Type = [prost attributes], … }`.
macro_rules! messages {
    ($($(#[$meta:meta])* $name:ident = $full:literal {
        $($field:ident : $ty:ty = [$kind:ident $($attr:tt)*],)*
    })*) => {$(
        #[doc = concat!("Envoy's message `", $full, "`.")]
        $(#[$meta])*
        #[derive(Clone, PartialEq, ::prost::Message)]
        pub struct $name {
            $(
                #[doc = concat!("Field `", stringify!($field), "`.")]
                #[prost($kind $($attr)*)]
                pub $field: $ty,
            )*
        }

        impl $crate::Named for $name {
            const NAME: &'static str = $full;
            const TYPE_URL: &'static str = concat!("type.googleapis.com/", $full);
        }

        impl $crate::json::Json for $name {
            fn write(&self) -> ::serde_json::Value {
                let mut object = ::serde_json::Map::new();
                let _ = &mut object;
                $(put_field!(object, stringify!($field), self.$field, $kind $($attr)*);)*
                ::serde_json::Value::Object(object)
            }

            fn read(value: &::serde_json::Value) -> ::core::result::Result<Self, $crate::json::Error> {
                let mut message = Self::default();
                let _ = &mut message;
                for (key, value) in $crate::json::object(value, $full)? {
                    let taken = $crate::json::no_field(value)
                        $(|| take_field!(key, value, stringify!($field), message.$field, $kind $($attr)*))*;
                    if !taken {
                        return Err($crate::json::Error::unknown_field(key, $full));
                    }
                }
                Ok(message)
            }
        }

        json_serde!($name);

        #[cfg(test)]
        impl $crate::sample::Sample for $name {
            fn sample(depth: usize, seed: usize) -> Self {
                let _ = (depth, seed);
                Self { $($field: sample_field!(depth, seed, $kind $($attr)*),)* }
            }
        }
    )*};
}

/// Declares enumerations: `Name = "full.proto.Name" { Variant = 0, "PROTO_NAME"; … }`.
macro_rules! enums {
    ($($(#[$meta:meta])* $name:ident = $full:literal { $($variant:ident = $number:literal, $proto:literal;)* })*) => {$(
        #[doc = concat!("Envoy's enumeration `", $full, "`.")]
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
        #[repr(i32)]
        pub enum $name {
            $(
                #[doc = concat!("`", $proto, "`.")]
                $variant = $number,
            )*
        }

        impl $name {
            /// The name in protobuf, as JSON and Envoy's logs show it.
            #[must_use]
            pub fn as_str_name(&self) -> &'static str {
                match self { $(Self::$variant => $proto,)* }
            }

            /// The value of a name in protobuf; `None` for a name that is not one of this enumeration.
            #[must_use]
            pub fn from_str_name(name: &str) -> Option<Self> {
                match name { $($proto => Some(Self::$variant),)* _ => None }
            }
        }

        impl $crate::json::Enum for $name {
            const NAME: &'static str = $full;
            fn name_of(number: i32) -> Option<&'static str> {
                Self::try_from(number).ok().map(|value| value.as_str_name())
            }
            fn number_of(name: &str) -> Option<i32> {
                Self::from_str_name(name).map(|value| value as i32)
            }
        }
    )*};
}

/// Declares oneofs: `Name = "full.proto.Message.oneof" { field => Variant(Type) = [prost attributes], … }`.
macro_rules! oneofs {
    ($($name:ident = $full:literal { $($field:ident => $variant:ident($ty:ty) = [$kind:ident $($attr:tt)*],)* })*) => {$(
        #[doc = concat!("Exactly one of the fields of `", $full, "`.")]
        #[derive(Clone, PartialEq, ::prost::Oneof)]
        pub enum $name {
            $(
                #[doc = concat!("Field `", stringify!($field), "`.")]
                #[prost($kind $($attr)*)]
                $variant($ty),
            )*
        }

        impl $crate::json::Oneof for $name {
            const NAME: &'static str = $full;
            fn put(&self, object: &mut ::serde_json::Map<String, ::serde_json::Value>) {
                match self {
                    $(Self::$variant(value) => {
                        object.insert(
                            $crate::json::camel(stringify!($field)),
                            write_value!(value, $kind $($attr)*),
                        );
                    })*
                }
            }
            fn take(key: &str, value: &::serde_json::Value) -> $crate::json::Taken<Self> {
                $(if $crate::json::is_name(key, stringify!($field)) {
                    if value.is_null() {
                        return Ok(Some(None));
                    }
                    return read_value!(value, $kind $($attr)*).map(|v| Some(Some(Self::$variant(v))));
                })*
                Ok(None)
            }
        }

        #[cfg(test)]
        impl $crate::sample::Sample for $name {
            fn sample(depth: usize, seed: usize) -> Self {
                let variants: &[fn(usize, usize) -> Self] =
                    &[$(|depth, seed| { let _ = (depth, seed); Self::$variant(sample_value!(depth, seed, $kind $($attr)*)) },)*];
                variants[seed % variants.len()](depth, seed)
            }
        }
    )*};
}

/// Puts one field into a JSON object, unless it has its default value.
macro_rules! put_field {
    ($object:ident, $name:expr, $field:expr, oneof $($attr:tt)*) => {
        if let Some(one) = &$field {
            $crate::json::Oneof::put(one, &mut $object);
        }
    };
    ($object:ident, $name:expr, $field:expr, enumeration ($path:path) $($attr:tt)*) => {
        if let Some(value) = $crate::json::EnumField::put::<$path>(&$field) {
            $object.insert($crate::json::camel($name), value);
        }
    };
    ($object:ident, $name:expr, $field:expr, $kind:ident $($attr:tt)*) => {
        if let Some(value) = $crate::json::Field::put(&$field) {
            $object.insert($crate::json::camel($name), value);
        }
    };
}

/// Whether the key names this field; if so, the field takes the value.
macro_rules! take_field {
    ($key:ident, $value:ident, $name:expr, $field:expr, oneof $($attr:tt)*) => {
        $crate::json::take_oneof(&mut $field, $key, $value)?
    };
    ($key:ident, $value:ident, $name:expr, $field:expr, enumeration ($path:path) $($attr:tt)*) => {
        $crate::json::is_name($key, $name)
            && $crate::json::done(
                $crate::json::EnumField::take::<$path>(&mut $field, $value),
                $key,
            )?
    };
    ($key:ident, $value:ident, $name:expr, $field:expr, $kind:ident $($attr:tt)*) => {
        $crate::json::is_name($key, $name)
            && $crate::json::done($crate::json::Field::take(&mut $field, $value), $key)?
    };
}

/// The JSON form of a value inside a oneof.
macro_rules! write_value {
    ($value:ident, enumeration ($path:path) $($attr:tt)*) => {
        $crate::json::write_enum::<$path>(*$value)
    };
    ($value:ident, $kind:ident $($attr:tt)*) => {
        $crate::json::Json::write($value)
    };
}

/// The value inside a oneof, from its JSON form.
macro_rules! read_value {
    ($value:ident, enumeration ($path:path) $($attr:tt)*) => {
        $crate::json::read_enum::<$path>($value)
    };
    ($value:ident, $kind:ident $($attr:tt)*) => {
        $crate::json::Json::read($value)
    };
}

/// serde for a type that has a proto-JSON form.
macro_rules! json_serde {
    ($name:ident) => {
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                $crate::json::Json::write(self).serialize(serializer)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                let value =
                    <::serde_json::Value as ::serde::Deserialize>::deserialize(deserializer)?;
                $crate::json::Json::read(&value).map_err(::serde::de::Error::custom)
            }
        }
    };
}

/// A field's sample for tests.
#[cfg(test)]
macro_rules! sample_field {
    ($depth:ident, $seed:ident, enumeration ($path:path) $($attr:tt)*) => {
        $crate::sample::SampleField::number($crate::sample::number::<$path>($seed))
    };
    ($depth:ident, $seed:ident, $kind:ident $($attr:tt)*) => {
        $crate::sample::SampleField::field($depth, $seed)
    };
}

/// A oneof's sample for tests.
#[cfg(test)]
macro_rules! sample_value {
    ($depth:ident, $seed:ident, enumeration ($path:path) $($attr:tt)*) => {
        $crate::sample::number::<$path>($seed)
    };
    ($depth:ident, $seed:ident, $kind:ident $($attr:tt)*) => {
        $crate::sample::Sample::sample($depth.saturating_sub(1), $seed)
    };
}
