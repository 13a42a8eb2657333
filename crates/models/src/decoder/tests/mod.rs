//! Metadata to plans, over random little models: what is read, what is refused, and what the message names.

use serde_json::{Value as Json, json};
use wick_compute::{Attention, Plan, Rope, RopeLayout};
use wick_spec::{Code, Error, Result};
use wick_testkit::{Checkpoint, Shape};
use wick_weights::Tensors;
use wick_weights::gguf::{Metadata, Value};

mod families;

use super::family::Family;
use super::names::{Format, MODEL_PARTS, Part};
use super::{folder, from_gguf};
use crate::Model;

/// A shape that is one of the architecture's.
fn shape(architecture: &str, seed: u64) -> Shape {
    let base = Shape { other_bias: false, ..Shape::random(seed) };
    match architecture {
        "llama" => Shape { layout: RopeLayout::Interleaved, qk_norm: false, ..base },
        "qwen2" => Shape { layout: RopeLayout::Neox, qk_norm: false, qkv_bias: true, ..base },
        _ => Shape { layout: RopeLayout::Neox, qk_norm: true, ..base },
    }
}

fn first(plan: &Plan) -> &Attention {
    plan.attention().next().expect("at least one layer")
}

#[test]
fn a_file_becomes_the_plan_it_was_made_of() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        for seed in 0..16 {
            let shape = shape(architecture, seed);
            let tensors = shape.checkpoint(1);
            let model = from_gguf(&shape.metadata(architecture), &tensors).expect("a model");
            let expected = Plan { architecture: architecture.into(), ..shape.plan() };
            assert_eq!(model.plan, expected);
            let elements = |name: &&str| tensors.info(name).and_then(|info| info.elements()).expect("listed") as u64;
            let parameters: u64 = tensors.names().iter().map(elements).sum();
            assert_eq!((model.parameters, model.vocab, model.trained_context), (parameters, shape.vocab, 512));
            assert_eq!((model.architecture.as_str(), model.name.as_deref()), (architecture, Some("Random")));
            assert!(model.warnings.is_empty(), "{:?}", model.warnings);
        }
    }
}

#[test]
fn what_a_file_leaves_out_has_its_default() {
    let shape = Shape { heads: 2, kv_heads: 2, head_dim: 6, hidden: 12, pairs: 3, window: None, ..shape("llama", 1) };
    let left_out = ["head_count_kv", "key_length", "value_length", "dimension_count", "freq_base"];
    let metadata: Metadata = shape
        .metadata("llama")
        .iter()
        .filter(|(key, _)| !left_out.iter().any(|end| key.ends_with(end)))
        .map(|(key, value)| (key, value.clone()))
        .collect();
    let model = from_gguf(&metadata, &shape.checkpoint(1)).expect("a model");
    assert_eq!(model.plan, Plan { architecture: "llama".into(), ..shape.plan() });
}

#[test]
fn biases_of_a_file_are_those_it_has() {
    let shape = shape("llama", 4);
    let mut tensors = shape.checkpoint(1);
    tensors.insert("blk.0.attn_output.bias", &[shape.hidden], &vec![0.0; shape.hidden]);
    tensors.insert("blk.0.ffn_up.bias", &[shape.ffn], &vec![0.0; shape.ffn]);
    let model = from_gguf(&shape.metadata("llama"), &tensors).expect("a model");
    assert_eq!(first(&model.plan).o.bias.as_deref(), Some("blk.0.attn_output.bias"));
    assert!(model.warnings.is_empty(), "{:?}", model.warnings);
}

#[test]
fn tensors_that_no_step_uses_are_named() {
    let shape = shape("qwen2", 4);
    let mut tensors = shape.checkpoint(1);
    for name in ["a", "b", "c", "d", "e"] {
        tensors.insert(name, &[1], &[0.0]);
    }
    let model = from_gguf(&shape.metadata("qwen2"), &tensors).expect("a model");
    let message = &model.warnings.first().expect("a warning").message;
    assert!(message.contains("a, b, c and 2 more"), "{message}");
}

fn rope(a: &Attention) -> Rope {
    a.rope.clone().expect("these layers turn")
}

#[test]
fn scalings_of_a_file_change_the_frequencies() {
    let shape = Shape { head_dim: 6, pairs: 3, window: None, ..shape("llama", 1) };
    let read = |change: &dyn Fn(&mut Metadata, &mut Checkpoint)| {
        let (mut metadata, mut tensors) = (shape.metadata("llama"), shape.checkpoint(1));
        change(&mut metadata, &mut tensors);
        from_gguf(&metadata, &tensors).map(|model| first(&model.plan).clone())
    };
    let plain = rope(&read(&|_, _| {}).expect("plain")).inv_freq;
    let halved = plain.iter().map(|x| x / 2.0).collect::<Vec<f32>>();
    let linear = read(&|metadata, _| {
        metadata.insert("llama.rope.scaling.type", "linear");
        metadata.insert("llama.rope.scaling.factor", 2.0f32);
    });
    assert_eq!(rope(&linear.expect("linear")).inv_freq, halved);
    let old = read(&|metadata, _| drop(metadata.insert("llama.rope.scale_linear", 2.0f32)));
    assert_eq!(rope(&old.expect("the old key")).inv_freq, halved);
    let off = read(&|metadata, _| {
        metadata.insert("llama.rope.scaling.type", "none");
        metadata.insert("llama.rope.scaling.factor", 2.0f32);
    });
    assert_eq!(rope(&off.expect("none")).inv_freq, plain);
    let divided = read(&|_, tensors| tensors.insert("rope_freqs.weight", &[3], &[1.0, 2.0, 4.0]));
    assert_eq!(rope(&divided.expect("divisors")).inv_freq, [plain[0], plain[1] / 2.0, plain[2] / 4.0]);
    let scale = read(&|metadata, _| drop(metadata.insert("llama.attention.scale", 0.25f32)));
    assert_eq!(scale.expect("a scale").scale, 0.25);
}

#[test]
fn a_file_that_contradicts_itself_or_wick_is_refused_by_name() {
    let text = |text: &str| Value::String(text.into());
    let cases: Vec<(&str, Value, Code, &str)> = vec![
        ("general.architecture", text("gpt5"), Code::Unsupported, "llama, mistral3, qwen2"),
        ("general.architecture", text("qwen3"), Code::ModelInvalid, "qwen3.embedding_length"),
        ("general.type", text("adapter"), Code::Unsupported, "adapter"),
        ("llama.attention.head_count", 0u32.into(), Code::ModelInvalid, "llama.attention.head_count"),
        ("llama.attention.head_count", 7u32.into(), Code::ModelInvalid, "llama.attention.head_count"),
        ("llama.attention.head_count", u32::MAX.into(), Code::ModelInvalid, "llama.attention.head_count"),
        ("llama.attention.head_count", text("4"), Code::ModelInvalid, "llama.attention.head_count"),
        ("llama.attention.head_count", (-4i32).into(), Code::ModelInvalid, "llama.attention.head_count"),
        ("llama.attention.head_count", vec![4u32, 2].into(), Code::Unsupported, "llama.attention.head_count"),
        ("llama.attention.head_count_kv", 0u32.into(), Code::ModelInvalid, "llama.attention.head_count_kv"),
        ("llama.attention.head_count_kv", 3u32.into(), Code::ModelInvalid, "llama.attention.head_count_kv"),
        ("llama.attention.head_count_kv", 1u32.into(), Code::ModelInvalid, "blk.0.attn_k.weight"),
        ("llama.attention.key_length", 7u32.into(), Code::ModelInvalid, "llama.attention.key_length"),
        ("llama.attention.key_length", u32::MAX.into(), Code::ModelInvalid, "llama.attention.key_length"),
        ("llama.attention.key_length", 8u32.into(), Code::ModelInvalid, "llama.attention.key_length"),
        ("llama.attention.value_length", 8u32.into(), Code::Unsupported, "llama.attention.value_length"),
        ("llama.embedding_length", 0u32.into(), Code::ModelInvalid, "llama.embedding_length"),
        ("llama.embedding_length", 21u32.into(), Code::ModelInvalid, "llama.embedding_length"),
        ("llama.feed_forward_length", 16u32.into(), Code::ModelInvalid, "llama.feed_forward_length"),
        ("llama.block_count", 0u32.into(), Code::ModelInvalid, "llama.block_count"),
        ("llama.block_count", 3u32.into(), Code::ModelInvalid, "blk.2."),
        ("llama.block_count", u32::MAX.into(), Code::ModelInvalid, "llama.block_count"),
        ("llama.context_length", 0u32.into(), Code::ModelInvalid, "llama.context_length"),
        ("llama.attention.layer_norm_rms_epsilon", (-1f32).into(), Code::ModelInvalid, "layer_norm_rms_epsilon"),
        ("llama.attention.layer_norm_rms_epsilon", f32::NAN.into(), Code::ModelInvalid, "layer_norm_rms_epsilon"),
        ("llama.rope.freq_base", 0f32.into(), Code::ModelInvalid, "llama.rope.freq_base"),
        ("llama.rope.freq_base", f32::INFINITY.into(), Code::ModelInvalid, "llama.rope.freq_base"),
        ("llama.rope.dimension_count", 5u32.into(), Code::ModelInvalid, "llama.rope.dimension_count"),
        ("llama.rope.dimension_count", 8u32.into(), Code::ModelInvalid, "llama.rope.dimension_count"),
        ("llama.rope.scaling.type", text("dynamic"), Code::Unsupported, "dynamic"),
        ("llama.rope.scaling.type", text("longrope"), Code::ModelInvalid, "rope_factors_short"),
        ("llama.rope.scaling.attn_factor", 0f32.into(), Code::ModelInvalid, "attn_factor"),
        ("llama.attention.key_length_swa", 8u32.into(), Code::Unsupported, "key_length_swa"),
        ("llama.embedding_scale", 12f32.into(), Code::Unsupported, "embedding_scale"),
        ("llama.residual_scale", 0.2f32.into(), Code::Unsupported, "residual_scale"),
        ("llama.logit_scale", 8f32.into(), Code::Unsupported, "logit_scale"),
        ("llama.attention.temperature_scale", 0.1f32.into(), Code::Unsupported, "temperature_scale"),
        ("llama.rope.scaling.factor", (-2f32).into(), Code::ModelInvalid, "llama.rope.scaling.factor"),
        ("llama.expert_count", 8u32.into(), Code::Unsupported, "llama.expert_count"),
        ("llama.attention.causal", false.into(), Code::Unsupported, "llama.attention.causal"),
        ("llama.final_logit_softcapping", 30f32.into(), Code::Unsupported, "softcapping"),
        ("llama.attention.sliding_window_pattern", vec![true].into(), Code::ModelInvalid, "sliding_window_pattern"),
        ("llama.attention.sliding_window_pattern", vec![true, false].into(), Code::ModelInvalid, "sliding_window"),
    ];
    let shape = Shape {
        hidden: 20,
        ffn: 17,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        pairs: 3,
        window: None,
        ..shape("llama", 1)
    };
    for (key, value, code, named) in cases {
        let mut metadata = shape.metadata("llama");
        metadata.insert(key, value.clone());
        let error = from_gguf(&metadata, &shape.checkpoint(1)).expect_err(key);
        assert_eq!(error.code(), code, "{key} = {value:?}: {error}");
        assert!(error.message().contains(named), "{key} = {value:?}: {error} names {named}");
    }
}

#[test]
fn required_keys_and_tensors_are_missed_by_name() {
    let shape = Shape { tied: false, window: None, ..shape("qwen2", 1) };
    for end in [
        "embedding_length",
        "block_count",
        "feed_forward_length",
        "head_count",
        "context_length",
        "rms_epsilon",
        "architecture",
    ] {
        let all = shape.metadata("qwen2");
        let metadata: Metadata =
            all.iter().filter(|(key, _)| !key.ends_with(end)).map(|(key, value)| (key, value.clone())).collect();
        let error = from_gguf(&metadata, &shape.checkpoint(1)).expect_err(end);
        assert_eq!(error.code(), Code::ModelInvalid);
        assert!(error.message().contains(end), "{error} names {end}");
    }
    let names: Vec<String> = shape.checkpoint(1).names().into_iter().map(str::to_owned).collect();
    for name in names.iter().filter(|name| *name != "output.weight") {
        let mut tensors = shape.checkpoint(1);
        tensors.remove(name);
        let error = from_gguf(&shape.metadata("qwen2"), &tensors).expect_err(name);
        assert_eq!(error.code(), Code::ModelInvalid);
        assert!(error.message().contains(name.as_str()), "{error} names {name}");
    }
}

#[test]
fn a_window_without_a_pattern_is_not_applied_and_said() {
    let shape = Shape { window: None, ..shape("llama", 1) };
    let mut metadata = shape.metadata("llama");
    metadata.insert("llama.attention.sliding_window", 100u32);
    let model = from_gguf(&metadata, &shape.checkpoint(1)).expect("a model");
    assert!(model.plan.attention().all(|a| a.window.is_none()));
    assert!(model.warnings[0].message.contains("sliding_window"), "{:?}", model.warnings);
}

/// The checkpoint under the names of a folder.
fn renamed(shape: &Shape) -> Checkpoint {
    let mut renamed = Checkpoint::new();
    let parts = Family::of_gguf("qwen3").expect("known").layer_parts();
    let layers = (0..shape.layers).flat_map(|layer| parts.iter().map(move |part: &&Part| (*part, Some(layer))));
    for (part, layer) in MODEL_PARTS.map(|part| (part, None)).into_iter().chain(layers) {
        let pairs = [
            (part.weight(Format::Gguf, layer), part.weight(Format::Folder, layer)),
            (part.bias(Format::Gguf, layer), part.bias(Format::Folder, layer)),
        ];
        for (old, new) in pairs {
            if let Ok(tensor) = shape.checkpoint(1).tensor(&old) {
                renamed.insert(&new, &tensor.info().shape, &tensor.to_f32().expect("f32"));
            }
        }
    }
    renamed
}

/// A llama of two layers, as transformers 5 describes it.
fn llama() -> (Shape, Json) {
    let base = Shape { other_bias: false, qkv_bias: false, tied: false, window: None, ..shape("llama", 1) };
    let shape = Shape { hidden: 20, ffn: 17, layers: 2, heads: 4, kv_heads: 2, head_dim: 6, pairs: 3, ..base };
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 20,
        "intermediate_size": 17,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 6,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": false,
        "rope_parameters": { "rope_type": "default", "rope_theta": 10000.0 },
    });
    (shape, config)
}

fn read(config: &Json, tensors: &Checkpoint) -> Result<Model> {
    folder::decoder(config, Some("folder".into()), tensors)?.build(tensors)
}

/// The llama with some keys replaced; `null` takes a key out.
fn read_with(changes: &Json) -> Result<Model> {
    let (shape, mut config) = llama();
    let object = config.as_object_mut().expect("an object");
    for (key, value) in changes.as_object().expect("an object") {
        object.insert(key.clone(), value.clone());
    }
    read(&config, &renamed(&shape))
}

fn inv_freq(changes: &Json) -> Vec<f32> {
    rope(first(&read_with(changes).expect("a model").plan)).inv_freq
}

#[test]
fn a_folder_becomes_the_same_plan_with_its_own_names() {
    let (shape, config) = llama();
    let model = read(&config, &renamed(&shape)).expect("a model");
    let plan = shape.plan();
    let (actual, expected) = (first(&model.plan), first(&plan));
    assert_eq!(actual.q.weight, "model.layers.0.self_attn.q_proj.weight");
    assert_eq!((actual.heads, actual.kv_heads, actual.head_dim), (4, 2, 6));
    assert_eq!((actual.scale, rope(actual).inv_freq), (expected.scale, rope(expected).inv_freq));
    assert_eq!(rope(actual).layout, RopeLayout::Neox, "folders are never interleaved");
    assert_eq!((model.trained_context, model.name.as_deref()), (512, Some("folder")));
    assert!(model.warnings.is_empty(), "{:?}", model.warnings);
}

#[test]
fn both_spellings_of_rotation_say_the_same() {
    let scaled = json!({ "rope_type": "linear", "factor": 4.0, "rope_theta": 500.0 });
    let new = inv_freq(&json!({ "rope_parameters": scaled }));
    let old = inv_freq(
        &json!({ "rope_parameters": null, "rope_theta": 500.0, "rope_scaling": { "type": "linear", "factor": 4 } }),
    );
    assert_eq!(new, old);
    assert_eq!(new[0], 0.25);

    let figures = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64, "rope_theta": 10000.0
    });
    let new = inv_freq(&json!({ "rope_parameters": figures }));
    assert_eq!(new, inv_freq(&json!({ "rope_parameters": null, "rope_scaling": figures })));
    assert_eq!((new[0], new[2]), (1.0, inv_freq(&json!({}))[2] / 8.0));
    assert_eq!(inv_freq(&json!({ "rope_scaling": {} })), inv_freq(&json!({})), "an empty object is none");
}

#[test]
fn flags_and_defaults_of_a_folder_are_its_familys() {
    let with_bias = Shape { qkv_bias: true, ..llama().0 };
    let mut tensors = renamed(&with_bias);
    let (_, mut config) = llama();
    let without = read(&config, &tensors).expect("a model");
    assert!(first(&without.plan).q.bias.is_none() && !without.warnings.is_empty(), "attention_bias is false by default");
    config["attention_bias"] = json!(true);
    let error = read(&config, &tensors).expect_err("no bias of o");
    assert!(error.message().contains("o_proj.bias"), "{error}");
    for layer in 0..2 {
        tensors.insert(&format!("model.layers.{layer}.self_attn.o_proj.bias"), &[20], &[0.0; 20]);
    }
    let model = read(&config, &tensors).expect("a model");
    assert!(first(&model.plan).o.bias.is_some() && model.warnings.is_empty());

    let model = read_with(&json!({ "head_dim": null, "num_attention_heads": 5 })).expect_err("20 / 5 is not 6");
    assert!(model.message().contains("num_attention_heads"), "{model}");
    let model = read_with(&json!({ "rms_norm_eps": null, "max_position_embeddings": null })).expect("defaults");
    assert_eq!((first(&model.plan).norm.as_ref().map(|norm| norm.eps), model.trained_context), (Some(1e-6), 2048));
    let model = read_with(&json!({ "architectures": null })).expect("by model_type");
    assert_eq!(model.architecture, "llama");
}

#[test]
fn a_folder_is_tied_where_it_says_so_or_has_no_head() {
    let head = |config: &Json, tensors: &Checkpoint| -> Result<String, Error> {
        let model = read(config, tensors)?;
        match model.plan.steps.last() {
            Some(wick_compute::Step::Head(head)) => Ok(head.linear.weight.clone()),
            other => panic!("a plan ends with its head, not {other:?}"),
        }
    };
    let (shape, mut config) = llama();
    let (untied, tied) = (renamed(&shape), renamed(&Shape { tied: true, ..shape }));
    assert_eq!(head(&config, &untied).expect("untied"), "lm_head.weight");
    assert_eq!(head(&config, &tied).expect_err("said to be untied").code(), Code::ModelInvalid);
    config["tie_word_embeddings"] = json!(true);
    assert_eq!(head(&config, &untied).expect("the flag wins"), "model.embed_tokens.weight");
    config["tie_word_embeddings"] = Json::Null;
    assert_eq!(head(&config, &tied).expect("no head, no word of it"), "model.embed_tokens.weight");
}

#[test]
fn windows_of_a_folder_are_in_the_layers_it_names() {
    let shape = Shape { layers: 3, window: None, tied: true, ..shape("qwen2", 2) };
    let tensors = renamed(&shape);
    let windows = |changes: &[(&str, Json)]| -> Result<Vec<Option<usize>>> {
        let mut config = json!({
            "model_type": "qwen2",
            "hidden_size": shape.hidden,
            "intermediate_size": shape.ffn,
            "num_hidden_layers": 3,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "head_dim": shape.head_dim,
        });
        for (key, value) in changes {
            config[*key] = value.clone();
        }
        Ok(read(&config, &tensors)?.plan.attention().map(|a| a.window).collect())
    };
    let on = ("use_sliding_window", json!(true));
    let size = ("sliding_window", json!(7));
    assert_eq!(windows(&[size.clone(), ("max_window_layers", json!(1))]).expect("off"), [None, None, None]);
    let from_one = windows(&[on.clone(), size.clone(), ("max_window_layers", json!(1))]);
    assert_eq!(from_one.expect("from layer 1"), [None, Some(7), Some(7)]);
    assert_eq!(windows(&[on.clone(), size.clone()]).expect("from layer 28"), [None, None, None]);
    let types = ("layer_types", json!(["sliding_attention", "full_attention", "sliding_attention"]));
    assert_eq!(windows(&[on.clone(), size.clone(), types.clone()]).expect("listed"), [Some(7), None, Some(7)]);
    let sizes = windows(&[on.clone(), types.clone()]);
    assert_eq!(sizes.expect("the default size"), [Some(4096), None, Some(4096)]);

    let refused = |changes: &[(&str, Json)]| windows(changes).expect_err("refused");
    assert_eq!(refused(std::slice::from_ref(&types)).code(), Code::ModelInvalid);
    assert_eq!(refused(&[on.clone(), ("sliding_window", Json::Null), types]).code(), Code::ModelInvalid);
    assert_eq!(refused(&[on.clone(), ("layer_types", json!(["full_attention"]))]).code(), Code::ModelInvalid);
    let unknown = refused(&[on, ("layer_types", json!(["full_attention", "linear_attention", "full_attention"]))]);
    assert!(unknown.code() == Code::Unsupported && unknown.message().contains("linear_attention"), "{unknown}");
}

#[test]
fn a_folder_that_contradicts_itself_or_wick_is_refused_by_name() {
    let rope = |rope: Json| json!({ "rope_parameters": rope });
    let llama3 = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 4.0 });
    let cases = [
        (json!({ "architectures": ["FalconForCausalLM"] }), Code::Unsupported, "LlamaForCausalLM, MistralForCausalLM"),
        (json!({ "architectures": null, "model_type": "falcon" }), Code::Unsupported, "falcon"),
        (json!({ "architectures": null, "model_type": null }), Code::ModelInvalid, "model_type"),
        (json!({ "hidden_act": "gelu" }), Code::Unsupported, "gelu"),
        (json!({ "quantization_config": { "quant_method": "awq" } }), Code::Unsupported, "awq"),
        (json!({ "num_attention_heads": 0 }), Code::ModelInvalid, "num_attention_heads"),
        (json!({ "num_attention_heads": 1e30 }), Code::ModelInvalid, "num_attention_heads"),
        (json!({ "num_attention_heads": "4" }), Code::ModelInvalid, "num_attention_heads"),
        (json!({ "num_key_value_heads": 3 }), Code::ModelInvalid, "num_key_value_heads"),
        (json!({ "num_hidden_layers": 4_000_000_000u64 }), Code::ModelInvalid, "num_hidden_layers"),
        (json!({ "head_dim": 4_000_000_000u64 }), Code::ModelInvalid, "head_dim"),
        (json!({ "head_dim": 3 }), Code::ModelInvalid, "head_dim"),
        (json!({ "hidden_size": 24 }), Code::ModelInvalid, "hidden_size"),
        (json!({ "intermediate_size": null }), Code::ModelInvalid, "intermediate_size"),
        (json!({ "rms_norm_eps": -1 }), Code::ModelInvalid, "rms_norm_eps"),
        (json!({ "partial_rotary_factor": 0.5 }), Code::Unsupported, "partial_rotary_factor"),
        (rope(json!({ "rope_theta": 0 })), Code::ModelInvalid, "rope_parameters.rope_theta"),
        (rope(json!({ "rope_type": "yarn", "factor": -4 })), Code::ModelInvalid, "rope_parameters.factor"),
        (rope(json!({ "rope_type": "yarn", "factor": 4, "beta_fast": -1 })), Code::ModelInvalid, "beta_fast"),
        (rope(json!({ "rope_type": "yarn", "factor": 4, "rope_theta": 1 })), Code::ModelInvalid, "rope_theta"),
        (rope(json!({ "rope_type": "longrope" })), Code::ModelInvalid, "long_factor"),
        (rope(json!({ "rope_type": "longrope", "long_factor": [1, 1, 1] })), Code::ModelInvalid, "short_factor"),
        (rope(json!({ "rope_type": "longrope", "long_factor": [1, 1] })), Code::ModelInvalid, "long_factor"),
        (rope(json!({ "rope_type": "longrope", "long_factor": [1, "2", 3] })), Code::ModelInvalid, "long_factor"),
        (
            rope(json!({ "rope_type": "longrope", "long_factor": [1, 1, 1], "short_factor": [1, 0, 1] })),
            Code::ModelInvalid,
            "divisor",
        ),
        (
            rope(json!({
                "rope_type": "longrope", "long_factor": [1, 1, 1], "short_factor": [1, 1, 1],
                "original_max_position_embeddings": 1
            })),
            Code::ModelInvalid,
            "original_max_position_embeddings",
        ),
        (json!({ "rope_scaling": { "type": "dynamic", "factor": 4 } }), Code::Unsupported, "dynamic"),
        (rope(json!({ "rope_type": "linear" })), Code::ModelInvalid, "rope_parameters.factor"),
        (rope(json!({ "rope_type": "linear", "factor": 0 })), Code::ModelInvalid, "rope_parameters.factor"),
        (rope(json!({ "full_attention": { "rope_theta": 1.0 } })), Code::Unsupported, "full_attention"),
        (rope(json!([1])), Code::ModelInvalid, "rope_parameters"),
        (rope(llama3), Code::ModelInvalid, "high_freq_factor"),
    ];
    for (changes, code, named) in cases {
        let error = read_with(&changes).expect_err(named);
        assert_eq!(error.code(), code, "{changes}: {error}");
        assert!(error.message().contains(named), "{changes}: {error} names {named}");
    }
}

#[test]
fn null_is_not_the_same_as_left_out() {
    let shape = Shape { hidden: 12, heads: 2, kv_heads: 2, head_dim: 6, pairs: 3, tied: true, ..shape("qwen3", 2) };
    let tensors = renamed(&Shape { qkv_bias: false, ..shape.clone() });
    let mut config = json!({
        "model_type": "qwen3",
        "hidden_size": 12,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": 2,
        "num_key_value_heads": null,
        "head_dim": null,
    });
    let model = read(&config, &tensors).expect("as many kv-heads as heads, of e / h");
    assert_eq!((model.kv_heads, model.head_dim), (2, 6));
    config.as_object_mut().expect("an object").remove("head_dim");
    let error = read(&config, &tensors).expect_err("qwen3's heads are 128 wide where nothing is said");
    assert!(error.message().contains("128"), "{error}");
}
