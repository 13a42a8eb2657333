//! A model's tensors, some of them in another type than the files have: quantising while loading.
//!
//! A view over the files, so that whoever loads sees nothing but tensors of the types he is told. A tensor is made when it is
//! asked for, into memory of its own, rows in parallel; made again only when nobody holds the last one (a head that is the
//! embedding table too is asked for twice). The files' pages are read once and are the system's to drop.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, Weak};

use wick_spec::{Result, Stop, Warning};

use crate::source::Source;
use crate::{DType, Tensor, TensorInfo, Tensors, quantize};

/// Elements a thread decodes at once: 1 MiB of f32.
const CHUNK: usize = 1 << 18;

/// The tensors of `inner`, those that are listed in other types.
pub struct Recoded<'a> {
    inner: &'a dyn Tensors,
    /// What those are that are made anew.
    infos: HashMap<String, TensorInfo>,
    made: Mutex<HashMap<String, Weak<Source>>>,
    stop: Stop,
    lock: bool,
    warning: Mutex<Option<Warning>>,
}

impl<'a> Recoded<'a> {
    /// `types`: which tensors of `inner` are in which type, one that [`quantize`] writes; the rest are as they are. `lock`
    /// keeps what is made in physical memory, see [`crate::OpenOptions::mlock`]. When `stop` is set, tensors are `cancelled`.
    pub fn new(inner: &'a dyn Tensors, types: impl IntoIterator<Item = (String, DType)>, lock: bool, stop: &Stop) -> Self {
        let info = |(name, dtype): (String, DType)| {
            let shape = inner.info(&name)?.shape.clone();
            Some((name, TensorInfo { dtype, shape }))
        };
        let infos = types.into_iter().filter_map(info).collect();
        Self { inner, infos, made: Mutex::default(), stop: stop.clone(), lock, warning: Mutex::default() }
    }

    /// What went otherwise than asked, such as memory that could not be locked.
    pub fn warning(&self) -> Option<Warning> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn make(&self, name: &str, info: &TensorInfo) -> Result<Tensor> {
        let from = self.inner.tensor(name)?;
        let made = Tensor::written(name, info.clone(), self.lock, |bytes| recode(&from, info, bytes, &self.stop))?;
        if let Some(warning) = made.source().warning() {
            *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(warning.clone());
        }
        Ok(made)
    }
}

impl Tensors for Recoded<'_> {
    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.infos.get(name).or_else(|| self.inner.info(name))
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some(info) = self.infos.get(name) else { return self.inner.tensor(name) };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = made.get(name).and_then(Weak::upgrade) {
            let all = 0..source.len();
            return Ok(Tensor::new(name.into(), info.clone(), source, all));
        }
        let tensor = self.make(name, info)?;
        made.insert(name.to_owned(), std::sync::Arc::downgrade(tensor.source()));
        Ok(tensor)
    }

    fn names(&self) -> Vec<&str> {
        self.inner.names()
    }
}

/// Writes the rows of `from` as those of `info`, on as many threads as there are processors.
fn recode(from: &Tensor, info: &TensorInfo, out: &mut [u8], stop: &Stop) -> Result<()> {
    let columns = info.columns().max(1);
    let rows = info.elements().unwrap_or(0) / columns;
    let row = out.len() / rows.max(1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let share = rows.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts = out.chunks_mut((share * row).max(1)).enumerate();
        let work =
            parts.map(|(part, out)| scope.spawn(move || recode_rows(from, info.dtype, part * share, columns, out, stop)));
        let work: Vec<_> = work.collect();
        // A thread that panicked panics here, where loading catches it.
        work.into_iter().try_for_each(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Rows from `first` on, as many as `out` holds.
fn recode_rows(from: &Tensor, dtype: DType, first: usize, columns: usize, out: &mut [u8], stop: &Stop) -> Result<()> {
    let row = dtype.bytes(columns).unwrap_or(out.len()).max(1);
    let at_once = (CHUNK / columns).max(1);
    let mut values = vec![0.0; at_once.min(out.len() / row) * columns];
    let mut bytes = Vec::new();
    for (chunk, out) in out.chunks_mut(at_once * row).enumerate() {
        stop.check()?;
        let values = &mut values[..out.len() / row * columns];
        from.rows_to_f32(first + chunk * at_once, values)?;
        bytes.clear();
        quantize(dtype, values, columns, &mut bytes).map_err(|error| error.context(format!("tensor {:?}", from.name())))?;
        out.copy_from_slice(&bytes);
    }
    Ok(())
}
