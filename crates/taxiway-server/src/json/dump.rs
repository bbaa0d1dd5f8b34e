//! Values as error messages show them: pretty printed, arrays on one line, cut at about 256 bytes.

use super::cursor::Cursor;
use super::number::{self, Number};
use super::pretty::Pretty;
use super::text;

/// No more is printed once this many bytes are there.
const LIMIT_BYTES: usize = 256;
/// One string alone is cut at this length, so that no message is as large as its request.
const STRING_LIMIT_BYTES: usize = 4096;

/// The name of the kind of value that the cursor stands on.
pub(super) fn kind(value: &Cursor<'_>) -> &'static str {
    match value.peek() {
        b'{' => "Object",
        b'[' => "Array",
        b'"' => "String",
        b't' => "True",
        b'f' => "False",
        b'n' => "Null",
        _ => "Number",
    }
}

/// The value that the cursor stands on, printed; its syntax has been checked before.
pub(super) fn dump(mut cursor: Cursor<'_>) -> String {
    let mut out = Vec::new();
    let mut pretty = Pretty::new(&mut out);
    while let Some(()) = step(&mut cursor, &mut pretty) {}
    String::from_utf8_lossy(&out).into_owned()
}

/// Prints the next token and what closes after it; `None` when the value or the room is at its end.
fn step(cursor: &mut Cursor<'_>, pretty: &mut Pretty<'_>) -> Option<()> {
    within(pretty)?;
    match cursor.peek() {
        b'{' => {
            cursor.at += 1;
            pretty.open_object();
            cursor.space();
            if cursor.peek() != b'}' {
                return name(cursor, pretty);
            }
        }
        b'[' => {
            cursor.at += 1;
            pretty.open_array();
            cursor.space();
            if cursor.peek() != b']' {
                return Some(());
            }
        }
        _ => scalar(cursor, pretty)?,
    }
    close(cursor, pretty)
}

/// Closes what ends here, and steps to the next value.
fn close(cursor: &mut Cursor<'_>, pretty: &mut Pretty<'_>) -> Option<()> {
    loop {
        let object = pretty.inside_object()?;
        cursor.space();
        if cursor.take(b',') {
            cursor.space();
            return if object { name(cursor, pretty) } else { Some(()) };
        }
        within(pretty)?;
        cursor.at += 1;
        if object { pretty.close_object() } else { pretty.close_array() }
    }
}

fn within(pretty: &Pretty<'_>) -> Option<()> {
    (pretty.len() < LIMIT_BYTES).then_some(())
}

fn name(cursor: &mut Cursor<'_>, pretty: &mut Pretty<'_>) -> Option<()> {
    within(pretty)?;
    let name = cursor.name().ok()?;
    pretty.name(cut(&text::unescape(&name)));
    Some(())
}

fn scalar(cursor: &mut Cursor<'_>, pretty: &mut Pretty<'_>) -> Option<()> {
    match cursor.peek() {
        b'"' => {
            let raw = cursor.string().ok()?;
            pretty.string(cut(&text::unescape(&raw)));
        }
        b't' | b'f' | b'n' => {
            let start = cursor.at;
            cursor.skip_scalar().ok()?;
            pretty.raw(cursor.text.get(start..cursor.at)?);
        }
        _ => match number::read(cursor).ok()? {
            Number::Integer(value) => pretty.raw(value.to_string().as_bytes()),
            Number::Double(value) => {
                // RapidJSON's writer refuses to print what is not finite, and the print stops there.
                pretty.raw(if value.is_finite() { double(value) } else { String::new() }.as_bytes());
                return value.is_finite().then_some(());
            }
        },
    }
    Some(())
}

fn cut(text: &[u8]) -> &[u8] {
    text.get(..STRING_LIMIT_BYTES).unwrap_or(text)
}

/// A double in its shortest form, laid out as RapidJSON does: plain between 1e-6 and 1e21, else with an exponent.
fn double(value: f64) -> String {
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if (-6..21).contains(&exponent) || value == 0.0 {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    format!("{sign}{mantissa}e{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        dump(Cursor::new(text.as_bytes(), 0))
    }

    // tfs: err-dump
    #[test]
    fn values_are_printed_as_rapidjson_does() {
        let rows = [
            (
                r#"{"a" : [1,2.50 , "x\u0000\"",true,{}] , "b":{"c":null, "d":[]}}"#,
                "{\n    \"a\": [1, 2.5, \"x\\u0000\\\"\", true, {}],\n    \"b\": {\n        \"c\": null,\n        \"d\": []\n    }\n}",
            ),
            ("[[1,-0,-0.0],{\"k\":1e300}]", "[[1, 0, -0.0], {\n        \"k\": 1e300\n    }]"),
            ("18446744073709551616", "18446744073709552000.0"),
            (
                "[1.5e-7, 0.000001, 1e21, 1e20, 123456.75]",
                "[1.5e-7, 0.000001, 1e21, 100000000000000000000.0, 123456.75]",
            ),
            ("[1, NaN, 2]", "[1, "),
            ("\"plain\"", "\"plain\""),
        ];
        for (text, expected) in rows {
            assert_eq!(printed(text), expected);
        }
    }

    // tfs: err-dump
    #[test]
    fn long_values_are_cut() {
        let list = format!("[{}]", vec!["1"; 1000].join(","));
        let shown = printed(&list);
        assert!(shown.starts_with("[1, 1, 1") && (256..260).contains(&shown.len()), "{shown}");
        let string = format!("\"{}\"", "s".repeat(1 << 20));
        assert_eq!(printed(&string).len(), STRING_LIMIT_BYTES + 2);
    }
}
