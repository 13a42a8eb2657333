//! Small f32 operations: the truth that other backends are tested against.
