/**
 * What the tables of the engine were tested against: programs and vectors that no one here wrote.
 *
 * Claims, so `__test__/cli/support.addon.test.ts` holds each to the fixtures behind it, and every row of the engine's tables to a
 * claim.
 */

/** Classes of folders and their GGUF files: greedy tokens and log-probabilities over 24 steps on seeded checkpoints. */
export const architectures: Readonly<Record<string, string>> = {
  LlamaForCausalLM: 'transformers, llama.cpp',
  MistralForCausalLM: 'transformers, llama.cpp (which has no window there)',
  Ministral3ForCausalLM: 'transformers, llama.cpp',
  Qwen2ForCausalLM: 'transformers, llama.cpp (which has no window there)',
  Qwen3ForCausalLM: 'transformers, llama.cpp',
  SmolLM3ForCausalLM: 'transformers, llama.cpp',
  GraniteForCausalLM: 'transformers, llama.cpp',
  Olmo2ForCausalLM: 'transformers, llama.cpp',
  Phi3ForCausalLM: 'transformers, llama.cpp',
  GemmaForCausalLM: 'transformers, llama.cpp',
  Gemma2ForCausalLM: 'transformers, llama.cpp',
  Gemma3ForCausalLM: 'transformers, llama.cpp',
}

/** Names of pre-tokenizers whose real vocabulary has vectors, all of which agree. */
export const vectors: readonly string[] = [
  'command-r', 'deepseek-coder', 'deepseek-llm', 'falcon', 'gpt-2', 'llama-bpe', 'qwen2', 'qwen35', 'refact', 'starcoder',
]

/** Names of pre-tokenizers that are tested against nothing: llama.cpp did not know them yet. */
export const untested: readonly string[] = ['glm5']

/** Real chat templates that render as transformers renders them. */
export const templates: readonly string[] = [
  'Apertus-8B-Instruct.jinja', 'Apriel-1.6-15b-Thinker-fixed.jinja', 'Bielik-11B-v3.0-Instruct.jinja', 'ByteDance-Seed-OSS.jinja',
  'Cohere2MoE.jinja', 'CohereForAI-c4ai-command-r-plus-tool_use.jinja', 'CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja', 'GLM-4.6.jinja',
  'GLM-4.7-Flash.jinja', 'GigaChat3-10B-A1.8B.jinja', 'GigaChat3.1-10B-A1.8B.jinja', 'HuggingFaceTB-SmolLM3-3B.jinja', 'Kimi-K2-Instruct.jinja',
  'Kimi-K2-Thinking.jinja', 'Kimi-K3.jinja', 'LFM2-8B-A1B.jinja', 'LFM2.5-8B-A1B.jinja', 'LFM2.5-Instruct.jinja', 'MiMo-VL.jinja',
  'MiniMax-M1.jinja', 'MiniMax-M2.jinja', 'MiniMax-M3.jinja', 'Mistral-Small-3.2-24B-Instruct-2506.jinja',
  'NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.jinja', 'NVIDIA-Nemotron-Nano-v2.jinja', 'NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja',
  'NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja', 'Qwen-QwQ-32B.jinja', 'Qwen-Qwen2.5-7B-Instruct.jinja', 'Qwen-Qwen3-0.6B.jinja',
  'Qwen3-Coder.jinja', 'Qwen3.5-4B.jinja', 'Reka-Edge.jinja', 'Spark2.5.jinja', 'StepFun3.5-Flash.jinja',
  'deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja', 'deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja', 'deepseek-ai-DeepSeek-V3.1.jinja',
  'deepseek-ai-DeepSeek-V3.2.jinja', 'deepseek-ai-DeepSeek-V4-Flash-0731.jinja', 'deepseek-ai-DeepSeek-V4.jinja',
  'fireworks-ai-llama-3-firefunction-v2.jinja', 'google-gemma-2-2b-it.jinja', 'google-gemma-4-31B-it-interleaved.jinja',
  'google-gemma-4-31B-it.jinja', 'ibm-granite-granite-3.3-2B-Instruct.jinja', 'ibm-granite-granite-4.0.jinja', 'ibm-granite-granite-4.1.jinja',
  'inclusionai-ling-3.0-flash.jinja', 'llama-cpp-deepseek-r1.jinja', 'llama-cpp-rwkv-world.jinja', 'meetkai-functionary-medium-v3.1.jinja',
  'meetkai-functionary-medium-v3.2.jinja', 'meta-llama-Llama-3.1-8B-Instruct.jinja', 'meta-llama-Llama-3.2-3B-Instruct.jinja',
  'meta-llama-Llama-3.3-70B-Instruct.jinja', 'microsoft-Phi-3.5-mini-instruct.jinja', 'mistralai-Ministral-3-14B-Reasoning-2512.jinja',
  'mistralai-Mistral-Nemo-Instruct-2407.jinja', 'moonshotai-Kimi-K2.jinja', 'muse-glimmer.jinja', 'openai-gpt-oss-120b.jinja',
  'openbmb-MiniCPM5-1B.jinja', 'poolside-Laguna-S-2.1.jinja', 'poolside-Laguna-XS-2.1.jinja', 'poolside-Laguna-XS.2.jinja', 'tencent-Hy3.jinja',
  'unsloth-Apriel-1.5.jinja', 'unsloth-mistral-Devstral-Small-2507.jinja', 'upstage-Solar-Open-100B.jinja',
]
