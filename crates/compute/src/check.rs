//! What every backend holds a plan, a file and a batch to before it computes anything.
//!
//! After these checks a backend may index without looking: shapes agree with the plan, ids and blocks exist. A plan or a batch
//! that contradicts itself is a bug of whoever built it (`internal`); a tensor that differs from the plan is the file's
//! (`model-invalid`); a token id the model does not have is the caller's (`invalid-request`).

use std::ops::Range;

use wick_spec::{Error, Result};
#[cfg(feature = "candle")]
use wick_weights::Tensor;
use wick_weights::{DType, TensorInfo, Tensors};

use crate::{Attention, BLOCK, Batch, HeadNorm, Input, Linear, Mlp, Norm, NormOver, Plan, Span, State, Step};

/// What a step does with a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Rows are looked up.
    Table,
    /// A matrix product, (m, n).
    Matrix,
    /// Added or multiplied element by element, (n).
    Vector,
}

/// One weight of a plan and the shape the plan gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weight<'a> {
    /// The tensor's name.
    pub(crate) name: &'a str,
    /// Which of the tensor's outermost rows it is; `None`: all.
    pub(crate) rows: Option<&'a Range<usize>>,
    /// Of these rows, outermost dimension first.
    pub(crate) shape: Vec<usize>,
    /// What is done with it.
    pub(crate) used: Use,
    /// What is added to each of its elements.
    pub(crate) offset: f32,
    /// Elements of the whole tensor.
    pub(crate) whole: u64,
}

#[cfg(feature = "candle")]
impl Weight<'_> {
    /// Elements; no overflow, since [`check_shapes`] found a tensor of this shape.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The tensor, or the rows of it.
    pub(crate) fn tensor(&self, tensors: &dyn Tensors) -> Result<Tensor> {
        let tensor = tensors.tensor(self.name)?;
        self.rows.map_or_else(|| Ok(tensor.clone()), |rows| tensor.rows(rows.clone()))
    }
}

/// Holds the plan to its own rules and every tensor to the plan, and lists the weights in the order of the steps. A tensor two
/// steps share (a tied head) is listed for each use.
pub(crate) fn check_shapes<'a>(plan: &'a Plan, tensors: &dyn Tensors) -> Result<Vec<Weight<'a>>> {
    check_plan(plan)?;
    let mut weights = weights(plan, tensors)?;
    for weight in &mut weights {
        let TensorInfo { dtype, shape: found } = info(tensors, weight.name)?;
        // Asking for the tensor may take as long as making it, and is done here only for what refuses such a type by name.
        if matches!(dtype, DType::Other(_)) {
            tensors.tensor(weight.name)?;
        }
        weight.whole = found.iter().product::<usize>() as u64;
        // Of some rows there may be more; those that are named have to be there.
        let mut expected = weight.shape.clone();
        if let (Some(rows), Some(all), Some(&there)) = (weight.rows, expected.first_mut(), found.first()) {
            *all = there.max(rows.end);
        }
        if *found != expected {
            let rows = weight.rows.map_or(String::new(), |rows| format!(" for rows {rows:?}"));
            return Err(Error::model_invalid(format!(
                "tensor {:?}: its shape is {found:?}, the {} architecture needs {expected:?}{rows}",
                weight.name, plan.architecture
            )));
        }
    }
    Ok(weights)
}

/// `Embed` first, `Head` last, neither elsewhere, attention layers counted from 0, and sizes that fit each other.
fn check_plan(plan: &Plan) -> Result<()> {
    let wrong = |what: String| Err(Error::internal(format!("the plan of {}: {what}", plan.architecture)));
    if plan.hidden == 0 || plan.vocab == 0 {
        return wrong(format!("hidden {} and vocab {} must not be 0", plan.hidden, plan.vocab));
    }
    let last = plan.steps.len().saturating_sub(1);
    for (at, step) in plan.steps.iter().enumerate() {
        if matches!(step, Step::Embed(_)) != (at == 0) || matches!(step, Step::Head(_)) != (at == last) {
            return wrong(format!("step {at} of {}: Embed is first and Head last, and nowhere else", last + 1));
        }
    }
    if plan.steps.len() < 2 {
        return wrong("it needs at least Embed and Head".into());
    }
    for (layer, a) in plan.attention().enumerate() {
        let sizes = [Some(a.heads), a.heads.checked_mul(a.head_dim), a.kv_heads.checked_mul(a.head_dim)];
        if sizes.iter().any(|n| matches!(n, None | Some(0))) || a.heads % a.kv_heads != 0 {
            return wrong(format!("layer {layer}: {} heads, {} kv-heads of {}", a.heads, a.kv_heads, a.head_dim));
        }
        let (n, window) = (a.rope.as_ref().map_or(0, |rope| rope.inv_freq.len()), a.window);
        if a.layer != layer || n > a.head_dim / 2 || window == Some(0) {
            return wrong(format!("layer {layer}: numbered {}, {n} frequencies, window {window:?}", a.layer));
        }
        let long = a.rope.as_ref().and_then(|rope| rope.long.as_ref()).map_or(n, |long| long.inv_freq.len());
        if long != n || a.growth.is_some_and(|growth| growth.original == 0) {
            return wrong(format!("layer {layer}: {long} of {n} long frequencies, growth {:?}", a.growth));
        }
    }
    match plan.steps.iter().position(|step| !figures(step).iter().all(|x| x.is_finite()) || !caps(step)) {
        Some(at) => wrong(format!("step {at}: a factor that is not finite, or a cap that is not positive")),
        None => Ok(()),
    }
}

/// The step's factors.
fn figures(step: &Step) -> Vec<f32> {
    let offset = |norm: &Option<Norm>| norm.as_ref().map_or(0.0, |norm| norm.offset);
    let head = |norm: &Option<HeadNorm>| norm.as_ref().map_or(0.0, |norm| norm.norm.offset);
    match step {
        Step::Embed(embed) => vec![embed.scale],
        Step::Attention(a) => {
            let norms = [offset(&a.norm), offset(&a.post_norm), head(&a.q_norm), head(&a.k_norm)];
            let magnitude = a.rope.as_ref().map_or(1.0, |rope| rope.magnitude);
            [&norms[..], &[a.scale, a.residual, magnitude, a.growth.map_or(0.0, |growth| growth.beta)]].concat()
        }
        Step::Mlp(mlp) => vec![offset(&mlp.norm), offset(&mlp.post_norm), mlp.residual],
        Step::Norm(norm) => vec![norm.offset],
        Step::Head(head) => vec![head.scale],
    }
}

/// Whether the step's soft cap, if it has one, is one.
fn caps(step: &Step) -> bool {
    let cap = match step {
        Step::Attention(a) => a.softcap,
        Step::Head(head) => head.softcap,
        Step::Embed(_) | Step::Mlp(_) | Step::Norm(_) => None,
    };
    cap.is_none_or(|cap| cap.is_finite() && cap > 0.0)
}

/// m of a linear whose outputs the plan does not say: its rows, or the tensor's.
pub(crate) fn outputs(linear: &Linear, tensors: &dyn Tensors) -> usize {
    let all = || tensors.info(&linear.weight).and_then(|info| info.shape.first().copied()).unwrap_or(0);
    linear.rows.as_ref().map_or_else(all, Range::len)
}

/// The weights of the steps, in order. The width f of a feed-forward is the file's: the rows of its gate.
fn weights<'a>(plan: &'a Plan, tensors: &dyn Tensors) -> Result<Vec<Weight<'a>>> {
    let mut list = List(Vec::new());
    let e = plan.hidden;
    for step in &plan.steps {
        match step {
            Step::Embed(embed) => {
                // Its rows may differ from the head's; what ids there are, the table says.
                let rows = info(tensors, &embed.weight)?.shape.first().copied().unwrap_or(0);
                list.add(&embed.weight, None, vec![rows, e], Use::Table);
            }
            Step::Attention(attention) => list.attention(attention, e)?,
            Step::Mlp(mlp) => {
                info(tensors, &mlp.gate.weight)?;
                list.mlp(mlp, e, outputs(&mlp.gate, tensors))?;
            }
            Step::Norm(norm) => list.norm(Some(norm), e)?,
            Step::Head(head) => list.linear(&head.linear, plan.vocab, e)?,
        }
    }
    Ok(list.0)
}

struct List<'a>(Vec<Weight<'a>>);

impl<'a> List<'a> {
    fn add(&mut self, name: &'a str, rows: Option<&'a Range<usize>>, shape: Vec<usize>, used: Use) {
        self.0.push(Weight { name, rows, shape, used, offset: 0.0, whole: 0 });
    }

    fn norm(&mut self, norm: Option<&'a Norm>, n: usize) -> Result<()> {
        let Some(norm) = norm else { return Ok(()) };
        if self.0.iter().any(|weight| weight.name == norm.weight && weight.offset != norm.offset) {
            return Err(Error::internal(format!("a plan: {:?} with two offsets", norm.weight)));
        }
        self.add(&norm.weight, None, vec![n], Use::Vector);
        self.0.iter_mut().rev().take(1).for_each(|weight| weight.offset = norm.offset);
        Ok(())
    }

    fn linear(&mut self, linear: &'a Linear, outputs: usize, inputs: usize) -> Result<()> {
        let rows = linear.rows.as_ref();
        if let Some(rows) = rows.filter(|rows| rows.is_empty() || rows.len() != outputs) {
            return Err(Error::internal(format!("a plan: rows {rows:?} of {:?} for {outputs} outputs", linear.weight)));
        }
        self.add(&linear.weight, rows, vec![outputs, inputs], Use::Matrix);
        if let Some(bias) = &linear.bias {
            self.add(bias, rows, vec![outputs], Use::Vector);
        }
        Ok(())
    }

    fn attention(&mut self, a: &'a Attention, e: usize) -> Result<()> {
        let (queries, keys) = (a.heads * a.head_dim, a.kv_heads * a.head_dim);
        self.norm(a.norm.as_ref(), e)?;
        self.linear(&a.q, queries, e)?;
        self.linear(&a.k, keys, e)?;
        self.linear(&a.v, keys, e)?;
        for (norm, row) in [(&a.q_norm, queries), (&a.k_norm, keys)] {
            let n = |over| if over == NormOver::Row { row } else { a.head_dim };
            norm.iter().try_for_each(|norm| self.norm(Some(&norm.norm), n(norm.over)))?;
        }
        self.linear(&a.o, e, queries)?;
        self.norm(a.post_norm.as_ref(), e)
    }

    fn mlp(&mut self, mlp: &'a Mlp, e: usize, f: usize) -> Result<()> {
        self.norm(mlp.norm.as_ref(), e)?;
        self.linear(&mlp.gate, f, e)?;
        self.linear(&mlp.up, f, e)?;
        self.linear(&mlp.down, e, f)?;
        self.norm(mlp.post_norm.as_ref(), e)
    }
}

fn info<'t>(tensors: &'t dyn Tensors, name: &str) -> Result<&'t TensorInfo> {
    tensors.info(name).ok_or_else(|| Error::model_invalid(format!("tensor {name:?} is missing from the model's files")))
}

/// What a batch may refer to.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// Rows of the embedding table: ids are less.
    pub(crate) ids: usize,
    /// e.
    pub(crate) hidden: usize,
    /// The keys and values there are now.
    pub(crate) state: &'a dyn State,
}

/// Holds a batch to what there is. An empty batch is fine.
pub(crate) fn check_batch(batch: &Batch, limits: Limits<'_>) -> Result<()> {
    let rows = batch.rows.len();
    if !batch.embeddings.len().is_multiple_of(limits.hidden) {
        return Err(bug(format!("{} embedding values are no rows of {}", batch.embeddings.len(), limits.hidden)));
    }
    let embeddings = batch.embeddings.len() / limits.hidden;
    for (at, row) in batch.rows.iter().enumerate() {
        match row.input {
            Input::Token(id) if id as usize >= limits.ids => {
                return Err(Error::invalid_request(format!("Token id {id} does not exist: the model has {}.", limits.ids)));
            }
            Input::Embedding(n) if n as usize >= embeddings => {
                return Err(bug(format!("row {at} starts from embedding {n} of {embeddings}")));
            }
            _ => {}
        }
    }
    let mut next = 0;
    for (at, span) in batch.spans.iter().enumerate() {
        if span.rows.start != next || span.rows.end <= next || span.rows.end > rows {
            return Err(bug(format!("span {at} has rows {:?}, row {next} of {rows} is due", span.rows)));
        }
        next = span.rows.end;
        check_blocks(at, span, limits.state)?;
    }
    if next != rows {
        return Err(bug(format!("rows {next} to {rows} belong to no span")));
    }
    match batch.wanted.iter().find(|wanted| wanted.row >= rows) {
        Some(wanted) => Err(bug(format!("row {} is wanted of {rows}", wanted.row))),
        None => Ok(()),
    }
}

/// A table for each group, and in it a block for each token that a row sees or is.
fn check_blocks(at: usize, span: &Span, state: &dyn State) -> Result<()> {
    let groups = state.groups();
    let Some(tokens) = span.cached.checked_add(span.rows.len()) else {
        return Err(bug(format!("span {at} has {} tokens before its {} rows", span.cached, span.rows.len())));
    };
    if span.blocks.len() != groups.len() {
        return Err(bug(format!(
            "span {at} has {} tables of blocks for {} groups of layers",
            span.blocks.len(),
            groups.len()
        )));
    }
    for (which, (group, table)) in groups.iter().zip(&span.blocks).enumerate() {
        let (first, needed) = (group.first_seen(span.cached) / BLOCK, tokens.div_ceil(BLOCK));
        let Some(seen) = table.get(first..needed) else {
            return Err(bug(format!("span {at} needs {needed} blocks in group {which} and has {}", table.len())));
        };
        let there = state.blocks(which);
        if let Some(block) = seen.iter().find(|&&block| block as usize >= there) {
            return Err(bug(format!("span {at} names block {block} of {there} in group {which}")));
        }
    }
    Ok(())
}

fn bug(what: String) -> Error {
    Error::internal(format!("a batch: {what}"))
}

/// Holds the size that a group is to grow to to what ids, and the places in their blocks, can name.
pub(crate) fn check_growth(state: &dyn State, group: usize, blocks: usize) -> Result<()> {
    if group >= state.groups().len() {
        return Err(Error::internal(format!("growth of group {group} of {}", state.groups().len())));
    }
    match u32::try_from(blocks.saturating_mul(BLOCK)) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::invalid_request(format!("{blocks} blocks of {BLOCK} tokens are more than can be numbered."))),
    }
}

/// Whether the block is there to be copied, read or written.
pub(crate) fn check_block(state: &dyn State, group: usize, block: u32) -> Result<()> {
    let (groups, blocks) = (state.groups().len(), state.blocks(group));
    if group >= groups || block as usize >= blocks {
        return Err(Error::internal(format!("block {block} of {blocks} in group {group} of {groups}")));
    }
    Ok(())
}

/// Whether the block is there, and these are as many bytes as it has.
pub(crate) fn check_bytes(state: &dyn State, group: usize, block: u32, bytes: &[u8]) -> Result<()> {
    check_block(state, group, block)?;
    let (size, given) = (state.groups()[group].block, bytes.len() as u64);
    if given != size {
        return Err(Error::invalid_request(format!(
            "A block of keys and values has {size} bytes in this model, and {given} were given. They can be those of the same \
             model, backend and kvType only."
        ))
        .with("blockBytes", size)
        .with("givenBytes", given));
    }
    Ok(())
}
