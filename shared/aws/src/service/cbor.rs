//! CBOR as the JSON that says the same: a moment is text in RFC 3339, and what
//! a service calls a float is a number with a point.

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::decode::DeserializeError;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Value};

pub(super) const CONTENT_TYPE: &str = "application/cbor";

pub(super) fn as_json(bytes: &[u8]) -> Result<String, BoxError> {
    Ok(read(&mut Decoder::new(bytes))?.to_string())
}

pub(super) fn of_json(text: &str) -> Result<Vec<u8>, BoxError> {
    let mut to = Encoder::new(Vec::new());
    write(&serde_json::from_str(text)?, &mut to);
    Ok(to.into_writer())
}

fn read(from: &mut Decoder<'_>) -> Result<Value, BoxError> {
    Ok(match from.datatype()? {
        Type::Bool => from.boolean()?.into(),
        Type::String | Type::StringIndef => from.string()?.into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
            from.long()?.into()
        }
        Type::F16 | Type::F32 | Type::F64 => from.double()?.into(),
        Type::Tag => from.timestamp()?.fmt(Format::DateTime)?.into(),
        Type::Array | Type::ArrayIndef => {
            let (length, mut values) = (from.list()?, Vec::new());
            while goes_on(from, length, values.len())? {
                values.push(read(from)?);
            }
            values.into()
        }
        Type::Map | Type::MapIndef => {
            let (length, mut members) = (from.map()?, Map::new());
            while goes_on(from, length, members.len())? {
                let name = from.string()?;
                members.insert(name, read(from)?);
            }
            members.into()
        }
        other => return Err(format!("no client of ours sends {other:?}").into()),
    })
}

/// Whether a list or map has more; its end is passed over.
fn goes_on(from: &mut Decoder<'_>, length: Option<u64>, seen: usize) -> Result<bool, DeserializeError> {
    if let Some(length) = length {
        return Ok((seen as u64) < length);
    }
    let is_over = from.datatype()? == Type::Break;
    if is_over {
        from.skip()?;
    }
    Ok(!is_over)
}

fn write(value: &Value, to: &mut Encoder) {
    match value {
        Value::Null => to.null(),
        Value::Bool(value) => to.boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => to.long(whole),
            None => to.double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => match DateTime::from_str(text, Format::DateTime) {
            Ok(moment) => to.timestamp(&moment),
            Err(_) => to.str(text),
        },
        Value::Array(values) => {
            to.array(values.len());
            for value in values {
                write(value, to);
            }
            to
        }
        Value::Object(members) => {
            to.map(members.len());
            for (name, value) in members {
                to.str(name);
                write(value, to);
            }
            to
        }
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let value = json!({
            "text": "a", "is": true, "whole": 7, "less": -7, "float": 0.5, "list": [1, ["b"]],
            "at": "2026-11-22T10:00:00Z", "of": { "nothing": [] },
        });
        let bytes = of_json(&value.to_string()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&as_json(&bytes).unwrap()).unwrap(), value);
        assert!(as_json(&bytes[..bytes.len() - 1]).is_err());
    }
}
