//! What a thread computes at a time.

use std::cell::RefCell;

use super::part::{Part, power};
use super::plan::{Task, seen, splits};
use super::tile::{Buffers, Line, Tile};
#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};
use super::vector::{Scalar, Vector};
use super::{Cache, Heads, Sequence};
use crate::Isa;
use crate::isa::Kind;

/// What tasks share.
pub(super) struct Call<'a> {
    pub(super) heads: Heads,
    pub(super) sinks: Option<&'a [f32]>,
    pub(super) cache: &'a Cache<'a>,
    pub(super) sequences: &'a [Sequence<'a>],
    /// (t, h, d)
    pub(super) q: *const f32,
    /// (t, h, d)
    pub(super) out: *mut f32,
    /// As many floats as the plan said.
    pub(super) parts: *mut f32,
}

// SAFETY: threads read what is shared, and write rows, heads and parts of their own tasks alone.
unsafe impl Sync for Call<'_> {}

thread_local! {
    static BUFFERS: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Compiles a method for each instruction set, by vectors and the rows and vectors of a product's tiles.
macro_rules! compiled {
    ($(#[$doc:meta])* $name:ident, $with:ident($($arg:ident: $type:ty),*), $avx2:ident, $avx512:ident) => {
        $(#[$doc])*
        unsafe fn $name(&self, isa: Isa, $($arg: $type),*) {
            // SAFETY: the caller's promise; an `Isa` names what the processor has.
            unsafe {
                match isa.kind() {
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx512 => self.$avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx2 => self.$avx2($($arg),*),
                    _ => self.$with::<Scalar, 1, 2>($($arg),*),
                }
            }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn $avx2(&self, $($arg: $type),*) {
            // SAFETY: the caller's promise.
            unsafe { self.$with::<Avx2, 3, 4>($($arg),*) };
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
        unsafe fn $avx512(&self, $($arg: $type),*) {
            // SAFETY: the caller's promise.
            unsafe { self.$with::<Avx512, 8, 2>($($arg),*) };
        }
    };
}

impl Call<'_> {
    /// Computes a task.
    ///
    /// # Safety
    /// It is one that was planned for this call, the sizes fit, and its rows, heads and part are nobody else's.
    pub(super) unsafe fn run(&self, isa: Isa, task: &Task) {
        BUFFERS.with_borrow_mut(|memory| {
            let buffers = Buffers::new(memory, self.rows(task), self.heads.head_dim);
            // SAFETY: the caller's promise.
            unsafe { self.compute(isa, task, buffers) };
        });
    }

    compiled!(
        /// # Safety
        /// As [`Call::run`], with buffers for the task's rows.
        compute, compute_with(task: &Task, buffers: Buffers), compute_avx2, compute_avx512
    );

    #[inline(always)]
    unsafe fn compute_with<V: Vector, const M: usize, const N: usize>(&self, task: &Task, buffers: Buffers) {
        let (sequence, d, rows) = (&self.sequences[task.sequence], self.heads.head_dim, self.rows(task));
        let tile = |part| Tile {
            heads: self.heads,
            cache: self.cache,
            kv_heads: task.kv_heads.clone(),
            first: sequence.cached + task.rows.start,
            tokens: task.rows.len(),
            blocks: sequence.blocks,
            buffers,
            part,
        };
        // SAFETY: rows of q, buffers for as many, and the caller's promise.
        unsafe {
            for row in 0..rows {
                let q = std::slice::from_raw_parts(self.q.add(self.place(task, row)), d);
                q.iter().enumerate().for_each(|(c, q)| *buffers.q.add(row * d + c) = q * self.heads.scale);
            }
            if let Some((split, _)) = task.split {
                return tile(self.part(task)).split::<V, M, N>(split);
            }
            let [all, next] = buffers.parts;
            for (i, split) in splits(&seen(self.heads, sequence, &task.rows)).enumerate() {
                tile(if i == 0 { all } else { next }).split::<V, M, N>(split);
                if i > 0 {
                    all.merge::<V>(next, rows);
                }
            }
            self.finish::<V>(task, all);
        }
    }

    compiled!(
        /// Merges what the tasks of splits have left, and gives the results of their rows.
        ///
        /// # Safety
        /// The tasks are all that were planned, and were computed.
        merge_on, merge_with(tasks: &[Task]), merge_avx2, merge_avx512
    );

    /// As [`Call::merge_on`].
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn merge(&self, isa: Isa, tasks: &[Task]) {
        // SAFETY: the caller's promise.
        unsafe { self.merge_on(isa, tasks) };
    }

    #[inline(always)]
    unsafe fn merge_with<V: Vector, const M: usize, const N: usize>(&self, tasks: &[Task]) {
        let tile = |task: &Task| (task.sequence, task.kv_heads.start, task.rows.start);
        for splits in tasks.chunk_by(|one, next| tile(one) == tile(next)) {
            let task = &splits[0];
            if task.split.is_none() {
                continue;
            }
            // SAFETY: the caller's promise.
            unsafe {
                let all = self.part(task);
                for later in &splits[1..] {
                    all.merge::<V>(self.part(later), self.rows(task));
                }
                self.finish::<V>(task, all);
            }
        }
    }

    /// The part that a split's task keeps.
    ///
    /// # Safety
    /// As [`Call::run`], for a task of a split.
    unsafe fn part(&self, task: &Task) -> Part {
        let at = task.split.map_or(0, |(_, at)| at);
        let (rows, width) = (self.rows(task), self.heads.head_dim.next_multiple_of(16));
        // SAFETY: the caller's promise.
        unsafe { Part::new(self.parts.add(at), rows, width) }
    }

    /// Rows of a task: (kv-heads, tokens, group).
    #[inline(always)]
    fn rows(&self, task: &Task) -> usize {
        task.kv_heads.len() * task.rows.len() * self.heads.group()
    }

    /// The head of a task's row, and the row's token in the batch.
    #[inline(always)]
    fn head(&self, task: &Task, row: usize) -> (usize, usize) {
        let (group, tokens) = (self.heads.group(), task.rows.len());
        let token = self.sequences[task.sequence].rows.start + task.rows.start + row / group % tokens;
        ((task.kv_heads.start + row / (group * tokens)) * group + row % group, token)
    }

    /// Where a task's row is in q and out.
    #[inline(always)]
    fn place(&self, task: &Task, row: usize) -> usize {
        let (head, token) = self.head(task, row);
        (token * self.heads.heads + head) * self.heads.head_dim
    }

    /// The results of a task's rows, of all that they see.
    #[inline(always)]
    unsafe fn finish<V: Vector>(&self, task: &Task, all: Part) {
        let d = self.heads.head_dim;
        for row in 0..self.rows(task) {
            // SAFETY: the caller's promise.
            unsafe {
                let (max, mut sum) = (*all.max.add(row), *all.sum.add(row));
                let mut factor = 1.0;
                if let Some(sinks) = self.sinks {
                    let sink = sinks[self.head(task, row).0];
                    let most = if sink > max { sink } else { max };
                    factor = power::<V>(max, most);
                    sum = sum * factor + power::<V>(sink, most);
                }
                let factor = if sum == 0.0 { 0.0 } else { factor / sum };
                let from = std::slice::from_raw_parts(all.out.add(row * all.width), d);
                let to = std::slice::from_raw_parts_mut(self.out.add(self.place(task, row)), d);
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from * factor;
                }
            }
        }
    }
}
