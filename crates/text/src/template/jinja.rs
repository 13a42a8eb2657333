//! Filters, tests and methods where minijinja is not Jinja2 under Python.
//!
//! What minijinja does alike is left to it. Text filters take anything, as Python's `str` does; generators are no lists, so
//! what JSON cannot say fails here as it does there.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::meter;
use super::python::{self, is_space};

/// Filters that yield one item after the other in Jinja2, and where minijinja's own are put; no template can spell those.
const GENERATORS: [(&str, &str); 5] = [
    ("map", "-map"),
    ("select", "-select"),
    ("selectattr", "-selectattr"),
    ("reject", "-reject"),
    ("rejectattr", "-rejectattr"),
];

/// What minijinja has and Jinja2 has not: a template that relies on it works nowhere else, and some of it makes much of little.
const UNKNOWN: [&str; 5] = ["bool", "chain", "lines", "split", "zip"];

/// How markupsafe writes what HTML would take for its own.
const ESCAPES: [(char, &str); 5] = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('\'', "&#39;"), ('"', "&#34;")];

/// Replaces in `environment` what differs.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(method);
    UNKNOWN.into_iter().for_each(|name| environment.remove_filter(name));
    environment.remove_global("debug");
    environment.add_filter("string", text);
    environment.add_filter("trim", trim);
    environment.add_filter("upper", |value: &Value| Ok::<_, Error>(text(value)?.to_uppercase()));
    environment.add_filter("lower", |value: &Value| Ok::<_, Error>(text(value)?.to_lowercase()));
    environment.add_filter("join", join);
    environment.add_filter("int", int);
    for (name, own) in GENERATORS {
        environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            state.apply_filter(own, &args.into_values()).and_then(|items| generator(&items))
        });
    }
    environment.add_filter("-map", minijinja::filters::map);
    environment.add_filter("-select", minijinja::filters::select);
    environment.add_filter("-selectattr", minijinja::filters::selectattr);
    environment.add_filter("-reject", minijinja::filters::reject);
    environment.add_filter("-rejectattr", minijinja::filters::rejectattr);
    environment.add_test("iterable", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
        )
    });
    environment.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map)
    });
    environment.add_test("number", |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool));
    environment.add_test("callable", |value: &Value| {
        value.as_object().is_some_and(|object| object.repr() == minijinja::value::ObjectRepr::Plain)
    });
}

/// `str(value)`, on the meter.
fn text(value: &Value) -> Result<String, Error> {
    meter::charge(meter::size(value))?;
    python::str(value)
}

fn trim(value: &Value, chars: Option<&str>) -> Result<String, Error> {
    let text = text(value)?;
    Ok(match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).to_owned(),
        None => text.trim_matches(is_space).to_owned(),
    })
}

fn join(value: &Value, between: Option<&Value>, options: Kwargs) -> Result<String, Error> {
    let attribute = options.get::<Option<Value>>("attribute")?;
    let between = match between {
        Some(between) => python::str(between)?,
        None => options.get::<Option<String>>("d")?.unwrap_or_default(),
    };
    options.assert_all_used()?;
    let mut out = String::new();
    for (index, item) in items(value)?.enumerate() {
        out.push_str(if index > 0 { &between } else { "" });
        let item = attribute.as_ref().map_or(Ok(item.clone()), |attribute| item.get_item(attribute))?;
        meter::charge(meter::size(&item).saturating_add(between.len() as u64))?;
        python::write_str(&mut out, &item)?;
    }
    Ok(out)
}

/// What is no number is `default`, as in `int(float(value))` with its failures caught.
fn int(value: &Value, default: Option<Value>) -> Value {
    let number = match value.as_str().map(str::trim) {
        Some(text) => text.parse::<i64>().ok().map(Value::from).or_else(|| text.parse::<f64>().ok().map(Value::from)),
        None => matches!(value.kind(), ValueKind::Number | ValueKind::Bool).then(|| value.clone()),
    };
    let whole = number.and_then(|number| match (i64::try_from(number.clone()), f64::try_from(number)) {
        (Ok(whole), _) => Some(Value::from(whole)),
        (Err(_), Ok(x)) if x.abs() < 9e18 => Some(Value::from(x.trunc() as i64)),
        _ => None,
    });
    whole.or(default).unwrap_or_else(|| Value::from(0))
}

/// `markupsafe.escape(value)`, of what is not safe.
pub(super) fn escape(value: &Value) -> Value {
    let text = python::str(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match ESCAPES.iter().find(|(escaped, _)| *escaped == c) {
            Some((_, escape)) => out.push_str(escape),
            None => out.push(c),
        }
    }
    Value::from_safe_string(out)
}

/// `list(value)`.
pub(super) fn list(value: &Value) -> Result<Value, Error> {
    Ok(items(value)?.collect())
}

/// The items of what Python can iterate over; `None` is nothing to go through, though minijinja goes through it.
pub(super) fn items(value: &Value) -> Result<minijinja::value::ValueIter, Error> {
    if value.is_none() {
        return Err(Error::new(ErrorKind::InvalidOperation, "None is not iterable"));
    }
    value.try_iter()
}

/// A sequence that is gone through and nothing else: it has no length, which lists are told by.
fn generator(value: &Value) -> Result<Value, Error> {
    let items: Vec<Value> = value.try_iter()?.collect();
    Ok(Value::make_iterable(move || {
        let mut items = items.clone().into_iter();
        std::iter::from_fn(move || items.next())
    }))
}

/// Methods of Python's types: those that minijinja-contrib knows, and what it lacks or does in Rust's way.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        meter::charge_method(text, name, args)?;
        let given = |index: usize| args.get(index).and_then(Value::as_str);
        match (name, args.len()) {
            ("strip", 0) => return Ok(text.trim_matches(is_space).into()),
            ("lstrip", 0) => return Ok(text.trim_start_matches(is_space).into()),
            ("rstrip", 0) => return Ok(text.trim_end_matches(is_space).into()),
            ("split", 0) => return Ok(text.split(is_space).filter(|part| !part.is_empty()).collect()),
            _ => {}
        }
        if let (Some(affix), 1) = (given(0), args.len()) {
            match name {
                "removeprefix" => return Ok(text.strip_prefix(affix).unwrap_or(text).into()),
                "removesuffix" => return Ok(text.strip_suffix(affix).unwrap_or(text).into()),
                "partition" => return Ok(partition(text, text.find(affix), affix, true)),
                "rpartition" => return Ok(partition(text, text.rfind(affix), affix, false)),
                _ => {}
            }
        }
        if let ("rsplit", Some(between)) = (name, given(0).filter(|between| !between.is_empty())) {
            let most = args.get(1).and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok());
            let mut parts: Vec<&str> = text.rsplitn(most.map_or(usize::MAX, |n| n.saturating_add(1)), between).collect();
            parts.reverse();
            return Ok(parts.into_iter().collect());
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// What is before `separator`, it, and what is behind; where it is missing the text stands first, or last.
fn partition(text: &str, at: Option<usize>, separator: &str, missing_first: bool) -> Value {
    let parts = match at {
        Some(at) => [&text[..at], separator, &text[at + separator.len()..]],
        None if missing_first => [text, "", ""],
        None => ["", "", text],
    };
    parts.into_iter().collect()
}
