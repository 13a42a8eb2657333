//! What every backend holds a plan, a file and a batch to before it computes anything.
//!
//! After these checks a backend may index without looking: shapes agree with the plan, ids and blocks exist. A plan or a batch
//! that contradicts itself is a bug of whoever built it (`internal`); a tensor that differs from the plan is the file's
//! (`model-invalid`); a token id the model does not have is the caller's (`invalid-request`).

use wick_spec::{Error, Result};
use wick_weights::{TensorInfo, Tensors};

use crate::{Activation, Attention, BLOCK, Batch, Input, Linear, Mlp, Norm, NormOver, Plan, Span, Step};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Weight<'a> {
    /// The tensor's name.
    pub(crate) name: &'a str,
    /// Outermost dimension first.
    pub(crate) shape: Vec<usize>,
    /// What is done with it.
    pub(crate) used: Use,
}

impl Weight<'_> {
    /// Elements; no overflow, since [`check_shapes`] found a tensor of this shape.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Holds the plan to its own rules and every tensor to the plan, and lists the weights in the order of the steps. A tensor two
/// steps share (a tied head) is listed for each use.
pub(crate) fn check_shapes<'a>(plan: &'a Plan, tensors: &dyn Tensors) -> Result<Vec<Weight<'a>>> {
    check_plan(plan)?;
    check_options(plan)?;
    let weights = weights(plan, tensors)?;
    for weight in &weights {
        // Asking for the tensor also refuses a type that cannot be decoded.
        let tensor = tensors.tensor(weight.name)?;
        let found = &tensor.info().shape;
        if *found != weight.shape {
            return Err(Error::model_invalid(format!(
                "tensor {:?}: its shape is {found:?}, the {} architecture needs {:?}",
                weight.name, plan.architecture, weight.shape
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
    }
    Ok(())
}

/// Options that no backend computes yet.
fn check_options(plan: &Plan) -> Result<()> {
    let plain = |linear: &Linear| linear.rows.is_none();
    let as_is = |norm: &Norm| norm.offset == 0.0;
    let result = |norm: &Option<Norm>, residual: f32| norm.is_none() && residual == 1.0;
    let missing = |step: &Step| match step {
        Step::Embed(embed) => (embed.scale != 1.0).then_some("a scale of embeddings"),
        Step::Attention(a) => {
            let norms = a.norm.iter().chain(a.q_norm.iter().chain(&a.k_norm).map(|norm| &norm.norm)).all(as_is);
            let heads = a.q_norm.iter().chain(&a.k_norm).all(|norm| norm.over == NormOver::Head);
            let rope = a.rope.as_ref().is_some_and(|rope| rope.magnitude == 1.0 && rope.long.is_none());
            let scores = a.growth.is_none() && a.softcap.is_none();
            let rows = [&a.q, &a.k, &a.v, &a.o].into_iter().all(plain);
            let all = norms && heads && rope && scores && rows && result(&a.post_norm, a.residual);
            (!all).then_some("this form of attention")
        }
        Step::Mlp(m) => {
            let rows = [&m.gate, &m.up, &m.down].into_iter().all(plain);
            let norms = m.norm.iter().all(as_is) && result(&m.post_norm, m.residual);
            let all = norms && rows && m.activation == Activation::Silu;
            (!all).then_some("this form of feed-forward")
        }
        Step::Norm(norm) => (!as_is(norm)).then_some("an offset of a norm's weight"),
        Step::Head(head) => {
            (!(plain(&head.linear) && head.scale == 1.0 && head.softcap.is_none())).then_some("scaled logits")
        }
    };
    match plan.steps.iter().find_map(missing) {
        Some(what) => Err(Error::unsupported(format!("{}: {what} cannot be computed yet", plan.architecture))),
        None => Ok(()),
    }
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
                list.add(&embed.weight, vec![rows, e], Use::Table);
            }
            Step::Attention(attention) => list.attention(attention, e),
            Step::Mlp(mlp) => {
                let f = info(tensors, &mlp.gate.weight)?.shape.first().copied().unwrap_or(0);
                list.mlp(mlp, e, f);
            }
            Step::Norm(norm) => list.add(&norm.weight, vec![e], Use::Vector),
            Step::Head(head) => list.linear(&head.linear, plan.vocab, e),
        }
    }
    Ok(list.0)
}

struct List<'a>(Vec<Weight<'a>>);

impl<'a> List<'a> {
    fn add(&mut self, name: &'a str, shape: Vec<usize>, used: Use) {
        self.0.push(Weight { name, shape, used });
    }

    fn norm(&mut self, norm: Option<&'a Norm>, n: usize) {
        if let Some(norm) = norm {
            self.add(&norm.weight, vec![n], Use::Vector);
        }
    }

    fn linear(&mut self, linear: &'a Linear, outputs: usize, inputs: usize) {
        self.add(&linear.weight, vec![outputs, inputs], Use::Matrix);
        if let Some(bias) = &linear.bias {
            self.add(bias, vec![outputs], Use::Vector);
        }
    }

    fn attention(&mut self, a: &'a Attention, e: usize) {
        let (queries, keys) = (a.heads * a.head_dim, a.kv_heads * a.head_dim);
        self.norm(a.norm.as_ref(), e);
        self.linear(&a.q, queries, e);
        self.linear(&a.k, keys, e);
        self.linear(&a.v, keys, e);
        for (norm, all) in [(&a.q_norm, queries), (&a.k_norm, keys)] {
            let n = |over| if over == NormOver::Row { all } else { a.head_dim };
            norm.iter().for_each(|norm| self.norm(Some(&norm.norm), n(norm.over)));
        }
        self.linear(&a.o, e, queries);
        self.norm(a.post_norm.as_ref(), e);
    }

    fn mlp(&mut self, mlp: &'a Mlp, e: usize, f: usize) {
        self.norm(mlp.norm.as_ref(), e);
        self.linear(&mlp.gate, f, e);
        self.linear(&mlp.up, f, e);
        self.linear(&mlp.down, e, f);
        self.norm(mlp.post_norm.as_ref(), e);
    }
}

fn info<'t>(tensors: &'t dyn Tensors, name: &str) -> Result<&'t TensorInfo> {
    tensors.info(name).ok_or_else(|| Error::model_invalid(format!("tensor {name:?} is missing from the model's files")))
}

/// What a batch may refer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Rows of the embedding table: ids are less.
    pub(crate) ids: usize,
    /// e.
    pub(crate) hidden: usize,
    /// Blocks of keys and values there are now.
    pub(crate) blocks: usize,
}

/// Holds a batch to what there is. An empty batch is fine.
pub(crate) fn check_batch(batch: &Batch, limits: Limits) -> Result<()> {
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
        check_blocks(at, span, limits.blocks)?;
    }
    if next != rows {
        return Err(bug(format!("rows {next} to {rows} belong to no span")));
    }
    match batch.wanted.iter().find(|wanted| wanted.row >= rows) {
        Some(wanted) => Err(bug(format!("row {} is wanted of {rows}", wanted.row))),
        None => Ok(()),
    }
}

fn check_blocks(at: usize, span: &Span, blocks: usize) -> Result<()> {
    let tokens = span.cached.checked_add(span.rows.len());
    let needed = tokens.map_or(usize::MAX, |tokens| tokens.div_ceil(BLOCK));
    let Some(used) = span.blocks.get(..needed) else {
        return Err(bug(format!("span {at} needs {needed} blocks and has {}", span.blocks.len())));
    };
    match used.iter().find(|&&block| block as usize >= blocks) {
        Some(block) => Err(bug(format!("span {at} names block {block} of {blocks}"))),
        None => Ok(()),
    }
}

fn bug(what: String) -> Error {
    Error::internal(format!("a batch: {what}"))
}
