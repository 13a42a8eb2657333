//! Tests only: tiny seeded checkpoints, random plans, tolerances. Nothing that ships depends on it, and it panics where a test
//! would.

mod blocks;
mod checkpoint;
mod extras;
mod random;
mod scratch;
mod shape;
mod tolerance;

pub use blocks::random_blocks;
pub use checkpoint::Checkpoint;
pub use extras::{Extras, Norms};
pub use random::Random;
pub use scratch::Scratch;
pub use shape::Shape;
pub use tolerance::{assert_close, largest_difference};
