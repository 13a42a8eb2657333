//! The tokens that end a turn or a text, by the names models give them.
//!
//! Many GGUF files name only one end token though the model has several (`<|eot_id|>` and `<|end_of_text|>`), so control tokens
//! with a name of this table end an answer too, as in llama.cpp. A token that is not a control token is never taken for one.

/// Names, and whose they are.
pub(crate) const NAMES: &[&str] = &[
    "</s>",                  // Llama 2, Mistral and most SentencePiece models
    "<eos>",                 // Gemma
    "<end_of_turn>",         // Gemma
    "<|eot_id|>",            // Llama 3
    "<|eom_id|>",            // Llama 3.1, after a tool call
    "<|end_of_text|>",       // Llama 3, Granite
    "<|im_end|>",            // ChatML: Qwen, SmolLM, ember
    "<|endoftext|>",         // GPT-2, Qwen, Phi
    "<|end|>",               // Phi-3
    "<|return|>",            // gpt-oss
    "<|call|>",              // gpt-oss
    "<EOT>",                 // DeepSeek Coder
    "_<EOT>",                // a spelling of the same
    "[EOT]",                 // Kimi
    "[EOS]",                 // Kimi
    "<｜end▁of▁sentence｜>", // DeepSeek
    "<end_of_utterance>",    // SmolVLM
];

/// Of the ids that end something, those that do; gpt-oss closes every message with `<|end|>` and a turn with the others.
pub(crate) fn settle(mut ends: Vec<(u32, &str)>) -> Vec<u32> {
    let has = |name: &str| ends.iter().any(|(_, n)| *n == name);
    if has("<|return|>") && has("<|call|>") {
        ends.retain(|(_, name)| *name != "<|end|>");
    }
    let mut ids: Vec<u32> = ends.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_message_border_of_gpt_oss_is_no_end() {
        assert_eq!(super::settle(vec![(7, "<|end|>"), (9, "<|return|>"), (8, "<|call|>")]), [8, 9]);
        assert_eq!(super::settle(vec![(7, "<|end|>"), (7, "<|end|>"), (2, "</s>")]), [2, 7]);
    }
}
