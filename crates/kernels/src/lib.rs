//! Arithmetic on slices: products with quantised weights, attention, and the threads that compute them.
//!
//! A product is computed in whole numbers as far as its weight's type goes: activations are rounded to eight bits, the sums of a
//! group of elements are exact, and only the groups' sums are floats, added in the order of the elements. So every way to
//! compute it, on any instruction set, with any number of rows at once and any number of threads, gives the same bits. Weights
//! that are floats meet activations that are not rounded, by sums that every way adds up in one order.

mod activations;
pub mod attention;
mod cores;
mod isa;
mod pool;
mod product;
pub mod rows;

pub use activations::{Activations, Grid, RowsToSet};
pub use cores::{Cores, MOST_THREADS, default_threads};
pub use isa::Isa;
pub use pool::{Pool, SMALL, Turn};
pub use product::{grid, known, product};
