//! Sessions on a loaded model: scheduling, paged keys and values, prefix reuse, memory accounting.
