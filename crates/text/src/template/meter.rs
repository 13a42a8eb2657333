//! What a rendering may copy and write, in bytes.
//!
//! A template that passes on text copies it some times over, one that gathers it message by message half as often as there are
//! messages; the meter lets both and stops what grows of itself. It counts all that was ever made, so what is alive at once is
//! less. A rendering is one thread's: the count is the thread's own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::guard;
use super::jinja;

/// What a rendering may make of nothing.
pub(super) const MAX_MADE: u64 = 1 << 28;
/// The same for a short rendering that asks a template something.
const PROBE: u64 = 1 << 20;
/// And for each byte of the chat.
const MAX_COPIES: u64 = 1 << 10;
/// However large the chat is.
const MOST: u64 = 1 << 32;
/// Bytes of an item of a list besides what it points to.
const ITEM: u64 = 24;
/// Bytes of a list or mapping besides its items.
const HOLDER: u64 = 96;
/// Digits of a number in a format text: more would pad to what is no text.
const MAX_DIGITS: usize = 4;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    /// Products that are being worked out: their factors so far, and whether one of them was no number.
    static PRODUCTS: RefCell<HashMap<u32, (u64, bool)>> = RefCell::default();
    /// Sums that are being worked out, and whether they are of text that is marked as safe.
    static SUMS: RefCell<HashMap<u32, bool>> = RefCell::default();
}

/// Begins the count for a rendering of a chat of `bytes`; for one of the short ones by which a template is asked, a small one.
pub(super) fn begin(bytes: usize, probing: bool) {
    let made = if probing { PROBE } else { MAX_MADE };
    LEFT.set((bytes as u64).saturating_mul(MAX_COPIES).saturating_add(made).min(MOST));
    PRODUCTS.with_borrow_mut(HashMap::clear);
    SUMS.with_borrow_mut(HashMap::clear);
}

/// Takes `bytes` off what is left.
pub(super) fn charge(bytes: u64) -> Result<(), Error> {
    match LEFT.get().checked_sub(bytes) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => Err(Error::new(ErrorKind::WriteFailure, "too much was made")),
    }
}

/// Bytes of a value as text, about; no more than what is left is gone through.
pub(super) fn size(value: &Value) -> u64 {
    fn add(value: &Value, sum: &mut u64, most: u64, depth: usize) {
        let kind = value.kind();
        let holds = matches!(kind, ValueKind::Seq | ValueKind::Map | ValueKind::Iterable);
        let own = if holds { HOLDER } else { ITEM };
        *sum = sum.saturating_add(value.as_str().map_or(own, |text| text.len() as u64));
        if *sum > most || depth > super::python::MAX_DEPTH || !holds {
            return;
        }
        for item in value.try_iter().into_iter().flatten() {
            add(&item, sum, most, depth + 1);
            if let (ValueKind::Map, Ok(value)) = (kind, value.get_item(&item)) {
                add(&value, sum, most, depth + 1);
            }
            if *sum > most {
                return;
            }
        }
    }
    let mut sum = 0;
    add(value, &mut sum, LEFT.get(), 0);
    sum
}

/// A summand, charged. The engine only notes that two lists make one, and asking such a note for its length asks all its parts: so
/// what is added to is a list first. Of text, markupsafe's rule: what is added to text that is marked as safe is escaped.
fn added(value: Value, sum: u32, first: bool) -> Result<Value, Error> {
    let safe = SUMS.with_borrow_mut(|sums| {
        let safe = sums.entry(sum).or_insert(false);
        let before = *safe && !first;
        *safe = before || value.is_safe();
        before
    });
    match (value.as_str(), value.kind()) {
        (Some(text), _) if safe && !value.is_safe() => {
            charge(6 * text.len() as u64)?;
            Ok(jinja::escape(&value))
        }
        (Some(text), _) => charge(text.len() as u64).map(|()| value),
        (None, ValueKind::Seq | ValueKind::Iterable) => {
            let len = value.len().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "a generator cannot be added"))?;
            charge(ITEM.saturating_mul(len as u64))?;
            listed(value)
        }
        _ => Ok(value),
    }
}

/// A note of several lists as the list that they make.
fn listed(value: Value) -> Result<Value, Error> {
    let noted = value.kind() == ValueKind::Iterable && value.len().is_some();
    if noted { value.try_iter().map(Iterator::collect) } else { Ok(value) }
}

/// What the lists in a list make together.
fn summed(values: &[Value]) -> u64 {
    let lists = values.first().and_then(|value| value.try_iter().ok()).into_iter().flatten();
    lists.map(|list| ITEM.saturating_mul(1 + list.len().unwrap_or(0) as u64)).fold(0, u64::saturating_add)
}

/// Filters that make more than they are given, and what they may make at most of their value and arguments.
type Estimate = fn(&[Value]) -> u64;
const FILTERS: [(&str, &str, Estimate); 10] = [
    ("replace", "-replace", |values| replaced(values)),
    ("indent", "-indent", |values| size_at(values, 0).saturating_mul(1 + largest(values))),
    ("format", "-format", |values| formatted(values)),
    ("batch", "-batch", |values| size_at(values, 0).saturating_mul(ITEM).saturating_add(ITEM * largest(values))),
    ("slice", "-slice", |values| size_at(values, 0).saturating_mul(ITEM).saturating_add(ITEM * largest(values))),
    ("list", "-list", |values| size_at(values, 0).saturating_mul(ITEM)),
    ("escape", "-escape", |values| 6 * size_at(values, 0)),
    ("e", "-escape", |values| 6 * size_at(values, 0)),
    ("forceescape", "-forceescape", |values| 6 * size_at(values, 0)),
    ("pprint", "-pprint", |values| 4 * size_at(values, 0)),
];

/// The meter's own filters, and those that it charges.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter(guard::JOINED, |value: Value| charge(size(&value)).map(|()| value));
    environment.add_filter(guard::ADDED, added);
    environment.add_filter(guard::WRITTEN, |bytes: u64| charge(bytes).map(|()| ""));
    environment
        .add_filter(guard::TIMES, |value: Value, product: u32, first: bool| times(&value, product, first).map(|()| value));
    environment.add_filter(guard::EACH, |value: Value| jinja::items(&value).map(|_| value.clone()));
    environment.add_filter("-replace", minijinja::filters::replace);
    environment.add_filter("-indent", minijinja::filters::indent);
    environment.add_filter("-format", minijinja::filters::format);
    environment.add_filter("-batch", minijinja::filters::batch);
    environment.add_filter("-slice", minijinja::filters::slice);
    environment.add_filter("-list", jinja::list);
    environment.add_filter("-escape", |value: &Value| if value.is_safe() { value.clone() } else { jinja::escape(value) });
    environment.add_filter("-forceescape", jinja::escape);
    environment.add_filter("-pprint", minijinja::filters::pprint);
    environment.add_filter("-sum", minijinja::filters::sum);
    environment.add_filter("sum", |state: &mut State, args: Rest<ValueOrKwargs>| {
        let values = args.into_values();
        charge(summed(&values))?;
        state.apply_filter("-sum", &values).and_then(listed)
    });
    for (name, own, estimate) in FILTERS {
        environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let values = args.into_values();
            charge(estimate(&values))?;
            state.apply_filter(own, &values)
        });
    }
}

/// Charges a method's call on a text.
pub(super) fn charge_method(text: &str, name: &str, args: &[Value]) -> Result<(), Error> {
    let values: Vec<Value> = std::iter::once(Value::from(text)).chain(args.iter().cloned()).collect();
    charge(match name {
        "replace" => replaced(&values),
        "format" => formatted(&values),
        "join" => {
            args.first().map_or(0, |list| size(list).saturating_add(list.len().unwrap_or(0) as u64 * text.len() as u64))
        }
        "split" | "rsplit" | "splitlines" => (text.len() as u64).saturating_mul(2),
        "startswith" | "endswith" | "find" | "rfind" | "count" => 0,
        _ => text.len() as u64,
    })
}

fn times(value: &Value, product: u32, first: bool) -> Result<(), Error> {
    let number = matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    let factor = if number { value.as_i64().map_or(1, i64::unsigned_abs) } else { size(value) };
    let (bytes, any) = PRODUCTS.with_borrow_mut(|products| {
        let so_far = products.entry(product).or_insert((1, false));
        if first {
            *so_far = (1, false);
        }
        *so_far = (so_far.0.saturating_mul(factor.max(1)), so_far.1 || !number);
        *so_far
    });
    if any && !first { charge(bytes) } else { Ok(()) }
}

fn size_at(values: &[Value], index: usize) -> u64 {
    values.get(index).map_or(0, size)
}

/// The largest number among the arguments, named ones included.
fn largest(values: &[Value]) -> u64 {
    let numbers = values.iter().skip(1).flat_map(|value| match value.kind() {
        ValueKind::Map => value.try_iter().into_iter().flatten().filter_map(|key| value.get_item(&key).ok()).collect(),
        _ => vec![value.clone()],
    });
    numbers.filter_map(|value| value.as_i64()).map(i64::unsigned_abs).max().unwrap_or(4)
}

fn replaced(values: &[Value]) -> u64 {
    let text = |index: usize| values.get(index).and_then(Value::as_str).unwrap_or_default();
    let (whole, old) = (text(0), text(1));
    let found = if old.is_empty() { whole.len() + 1 } else { whole.matches(old).count() };
    (whole.len() as u64).saturating_add(size_at(values, 2).saturating_mul(found as u64))
}

/// A format text may name its arguments as often as it likes, and pad each.
fn formatted(values: &[Value]) -> u64 {
    let text = values.first().and_then(Value::as_str).unwrap_or_default();
    let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if digits > MAX_DIGITS || text.contains('*') {
        return u64::MAX;
    }
    let places = text.matches(['{', '%']).count() as u64;
    let given: u64 = values.iter().skip(1).map(size).fold(0, u64::saturating_add);
    (text.len() as u64).saturating_add(places.saturating_mul(given.saturating_add(10_u64.pow(MAX_DIGITS as u32))))
}
