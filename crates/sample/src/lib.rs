//! Logits to token: the sampler chain and its seeded generator. Takes `&mut [f32]`, knows no tensors.
