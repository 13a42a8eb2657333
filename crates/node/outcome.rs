//! How results cross: as data.

use napi::bindgen_prelude::{Env, Object, ToNapiValue};
use napi::{JsValue, sys};
use wick_engine::spec::{Error, Result};

/// `{ ok: true, value }` or `{ ok: false, code, message, detail }`.
pub struct Outcome<T>(pub Result<T>);

impl<T: ToNapiValue> ToNapiValue for Outcome<T> {
    unsafe fn to_napi_value(env: sys::napi_env, outcome: Self) -> napi::Result<sys::napi_value> {
        let mut object = Object::new(&Env::from_raw(env))?;
        object.set("ok", outcome.0.is_ok())?;
        match outcome.0 {
            Ok(value) => object.set("value", value)?,
            Err(error) => set_error(&mut object, &Env::from_raw(env), &error)?,
        }
        Ok(object.raw())
    }
}

fn set_error(object: &mut Object<'_>, env: &Env, error: &Error) -> napi::Result<()> {
    let mut detail = Object::new(env)?;
    for &(name, figure) in error.detail() {
        detail.set(name, figure as f64)?;
    }
    object.set("code", error.code().as_str())?;
    object.set("message", error.message())?;
    object.set("detail", detail)
}

/// Settles a promise, from any thread; called once.
pub type Answer<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// A promise of an outcome. `start` is given what settles it.
pub fn promise<'env, T, F>(env: &'env Env, start: F) -> napi::Result<Object<'env>>
where
    T: ToNapiValue + Send + 'static,
    F: FnOnce(Answer<T>),
{
    type Resolver<T> = Box<dyn FnOnce(Env) -> napi::Result<Outcome<T>> + Send>;
    let (deferred, promise) = env.create_deferred::<Outcome<T>, Resolver<T>>()?;
    start(Box::new(move |result| deferred.resolve(Box::new(move |_| Ok(Outcome(result))))));
    Ok(promise)
}
