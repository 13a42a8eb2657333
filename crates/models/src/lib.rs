//! Architectures: tables and builders that turn GGUF and Hugging Face metadata into a plan. No arithmetic.
