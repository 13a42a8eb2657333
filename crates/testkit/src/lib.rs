//! Tests only: tiny seeded checkpoints and tolerances.
