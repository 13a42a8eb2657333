//! The last tokens of a sequence, counted, for the penalties.

use std::collections::{HashMap, VecDeque};

/// The last `size` tokens, prompt and answer, and how often each occurs among them.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    size: usize,
    tokens: VecDeque<u32>,
    counts: HashMap<u32, u32>,
}

impl Window {
    /// An empty window that will hold `size` ≥ 1 tokens. Memory is taken as tokens arrive: `size` may be far more than they.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, tokens: VecDeque::new(), counts: HashMap::new() }
    }

    /// Takes `id` in, and lets the oldest token go when the window is full.
    pub(crate) fn push(&mut self, id: u32) {
        if self.tokens.len() == self.size
            && let Some(oldest) = self.tokens.pop_front()
            && let Some(count) = self.counts.get_mut(&oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&oldest);
            }
        }
        self.tokens.push_back(id);
        *self.counts.entry(id).or_default() += 1;
    }

    /// Each token in the window with its occurrences, ≥ 1, in no order.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u32, u32)> {
        self.counts.iter().map(|(&id, &count)| (id, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_counts_its_last_tokens_alone() {
        let mut window = Window::new(3);
        for id in [5, 5, 7, 5, 9, 9, 9] {
            window.push(id);
        }
        assert_eq!(window.counts().collect::<Vec<_>>(), [(9, 3)]);
    }
}
