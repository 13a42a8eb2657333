//! What families add to llama: what their keys mean, and what of them is refused.

use serde_json::{Value as Json, json};
use wick_spec::{Code, Result};
use wick_testkit::{Checkpoint, Shape};
use wick_weights::gguf::{File, Metadata, Value};
use wick_weights::{OpenOptions, Tensors};

use super::super::build::Decoder;
use super::super::{folder, from_gguf};
use super::{llama, renamed, shape};
use crate::LongFrom;
use crate::decoder::factors::implied;
use crate::decoder::family::QueryScale;
use crate::decoder::rope::{Long, Rotation, Yarn};

/// An architecture, keys it is given, and the error that comes of them: its code, and what it names.
type Case<'a> = (&'a str, &'a [(&'a str, Value)], Code, &'a str);

/// Sets of divisors by name.
type Sets<'a> = &'a [(&'a str, &'a [f32])];

/// A file of the architecture that has a llama's tensors: enough for whatever is read before them.
fn file(architecture: &str, change: impl FnOnce(&mut Metadata, &mut Checkpoint)) -> Result<crate::Model> {
    let base = shape("llama", 1);
    let shape = Shape { layers: 2, heads: 4, kv_heads: 2, head_dim: 6, pairs: 3, window: None, ..base };
    let (mut metadata, mut tensors) = (shape.metadata(architecture), shape.checkpoint(1));
    change(&mut metadata, &mut tensors);
    from_gguf(&metadata, &tensors)
}

#[test]
fn keys_of_a_familys_file_are_held_to_what_they_may_be() {
    let text = |text: &str| Value::String(text.into());
    let cases: Vec<Case<'_>> = vec![
        ("granite", &[], Code::ModelInvalid, "granite.logit_scale"),
        ("granite", &[("logit_scale", Value::F32(0.0))], Code::ModelInvalid, "granite.logit_scale"),
        ("granite", &[("embedding_scale", Value::F32(f32::NAN))], Code::ModelInvalid, "granite.embedding_scale"),
        ("granite", &[("rope.scaling.finetuned", Value::Bool(false))], Code::Unsupported, "granite.rope.scaling.finetuned"),
        ("granite", &[("final_logit_softcapping", Value::F32(30.0))], Code::Unsupported, "final_logit_softcapping"),
        ("gemma2", &[("attn_logit_softcapping", Value::F32(-1.0))], Code::ModelInvalid, "attn_logit_softcapping"),
        ("gemma2", &[("attention.sliding_window_pattern", Value::U32(u32::MAX))], Code::ModelInvalid, "post_attention_norm"),
        ("gemma2", &[("attention.sliding_window", Value::I32(-1))], Code::ModelInvalid, "attention.sliding_window"),
        ("gemma2", &[("rope.freq_base_swa", Value::F32(1.0))], Code::Unsupported, "rope.freq_base_swa"),
        (
            "gemma3",
            &[("attention.sliding_window", Value::U32(4)), ("rope.freq_base_swa", Value::F32(0.0))],
            Code::ModelInvalid,
            "rope.freq_base_swa",
        ),
        ("gemma3", &[("attn_logit_softcapping", Value::F32(50.0))], Code::Unsupported, "attn_logit_softcapping"),
        ("gemma", &[("embedding_scale", Value::F32(2.0))], Code::Unsupported, "embedding_scale"),
        ("mistral3", &[("attention.temperature_scale", Value::F32(f32::INFINITY))], Code::ModelInvalid, "temperature_scale"),
    ];
    for (architecture, keys, code, named) in cases {
        let error = file(architecture, |metadata, _| {
            for (key, value) in keys {
                metadata.insert(format!("{architecture}.{key}"), value.clone());
            }
        });
        let error = error.expect_err(named);
        assert_eq!(error.code(), code, "{architecture} {keys:?}: {error}");
        assert!(error.message().contains(named), "{architecture} {keys:?}: {error} names {named}");
    }
    let marks = file("gemma2", |metadata, _| drop(metadata.insert("gemma2.attention.sliding_window_pattern", text("all"))));
    assert!(marks.expect_err("no text").message().contains("sliding_window_pattern"));
}

#[test]
fn yarn_of_a_file_is_held_to_what_makes_sense() {
    let cases = [
        ("yarn_beta_fast", -1.0, "yarn_beta_fast"),
        ("yarn_beta_slow", 0.0, "yarn_beta_slow"),
        ("yarn_log_multiplier", f32::NAN, "yarn_log_multiplier"),
        // Makes the magnitude negative.
        ("yarn_log_multiplier", -10.0, "yarn_log_multiplier"),
        ("attn_factor", -1.0, "attn_factor"),
        ("factor", -4.0, "rope.scaling.factor"),
    ];
    for (key, value, named) in cases {
        let read = file("mistral3", |metadata, _| {
            metadata.insert("mistral3.rope.scaling.type", "yarn");
            metadata.insert("mistral3.rope.scaling.factor", 4.0f32);
            metadata.insert(format!("mistral3.rope.scaling.{key}"), value);
        });
        let error = read.expect_err(named);
        assert!(error.code() == Code::ModelInvalid && error.message().contains(named), "{key} = {value}: {error}");
    }
    let unread = file("llama", |metadata, _| {
        metadata.insert("llama.rope.scaling.type", "yarn");
        metadata.insert("llama.rope.scaling.yarn_beta_fast", 16.0f32);
    });
    let warnings = unread.expect("a model").warnings;
    assert!(warnings[0].message.contains("yarn_beta_fast") && warnings[0].message.contains("32"), "{warnings:?}");
}

#[test]
fn longrope_of_a_file_needs_both_sets_of_divisors() {
    let read = |sets: Sets<'_>| {
        file("llama", |metadata, tensors| {
            metadata.insert("llama.rope.scaling.type", "longrope");
            metadata.insert("llama.rope.scaling.original_context_length", 64u32);
            for (name, values) in sets {
                tensors.insert(&format!("rope_factors_{name}.weight"), &[values.len()], values);
            }
        })
    };
    let (short, long) = (("short", &[1.0f32, 1.5, 2.0][..]), ("long", &[1.0f32, 4.0, 8.0][..]));
    let model = read(&[short, long]).expect("a model");
    assert_eq!(model.long_from, Some(LongFrom::Window(64)));
    assert!(model.warnings.is_empty(), "{:?}", model.warnings);
    let cases: [(Sets<'_>, &str); 4] = [
        (&[short], "rope_factors_long"),
        (&[long], "rope_factors_short"),
        (&[short, ("long", &[1.0, 2.0])], "rope_factors_long"),
        (&[short, ("long", &[1.0, 0.0, 2.0])], "divisor"),
    ];
    for (sets, named) in cases {
        let error = read(sets).expect_err(named);
        assert!(error.code() == Code::ModelInvalid && error.message().contains(named), "{error} names {named}");
    }
}

/// The llama's folder as one of another class, with some keys replaced.
fn config(class: &str, changes: &Json) -> Json {
    let (_, mut config) = llama();
    config["architectures"] = json!([class]);
    config.as_object_mut().expect("an object").remove("rope_parameters");
    for (key, value) in changes.as_object().expect("an object") {
        config[key] = value.clone();
    }
    if class.starts_with("Gemma") {
        config.as_object_mut().expect("an object").remove("hidden_act");
    }
    config
}

fn with<T>(class: &str, changes: &Json, see: impl FnOnce(&Decoder<'_>) -> T) -> Result<T> {
    let config = config(class, changes);
    let tensors = renamed(&llama().0);
    folder::decoder(&config, None, &tensors).map(|decoder| see(&decoder))
}

#[test]
fn keys_of_a_familys_folder_are_held_to_what_they_may_be() {
    let typed = |full: Json| json!({ "rope_parameters": { "full_attention": full } });
    let cases = [
        ("MistralForCausalLM", json!({ "sliding_window": 0 }), Code::ModelInvalid, "sliding_window"),
        ("MistralForCausalLM", json!({ "sliding_window": -1 }), Code::ModelInvalid, "sliding_window"),
        ("Gemma3ForCausalLM", json!({ "hidden_activation": "silu" }), Code::Unsupported, "hidden_activation"),
        ("Gemma3ForCausalLM", json!({ "sliding_window": null }), Code::ModelInvalid, "sliding_window"),
        ("Gemma3ForCausalLM", json!({ "layer_types": ["full_attention"] }), Code::ModelInvalid, "layer_types"),
        ("Gemma3ForCausalLM", json!({ "use_bidirectional_attention": true }), Code::Unsupported, "bidirectional"),
        ("Gemma3ForCausalLM", json!({ "query_pre_attn_scalar": 0 }), Code::ModelInvalid, "query_pre_attn_scalar"),
        ("Gemma3ForCausalLM", json!({ "final_logit_softcapping": -3 }), Code::ModelInvalid, "final_logit_softcapping"),
        ("Gemma3ForCausalLM", json!({ "rope_parameters": { "rope_theta": 1e4 } }), Code::Unsupported, "full_attention"),
        ("Gemma3ForCausalLM", typed(json!(3)), Code::ModelInvalid, "full_attention"),
        ("Gemma3ForCausalLM", typed(json!({ "rope_theta": 0 })), Code::ModelInvalid, "full_attention.rope_theta"),
        ("SmolLM3ForCausalLM", json!({ "no_rope_layers": [1] }), Code::ModelInvalid, "no_rope_layers"),
        ("SmolLM3ForCausalLM", json!({ "no_rope_layers": "all" }), Code::ModelInvalid, "no_rope_layers"),
        ("SmolLM3ForCausalLM", json!({ "no_rope_layer_interval": 0 }), Code::ModelInvalid, "no_rope_layer_interval"),
        ("Ministral3ForCausalLM", json!({}), Code::ModelInvalid, "llama_4_scaling_beta"),
        ("Phi3ForCausalLM", json!({ "partial_rotary_factor": 0 }), Code::ModelInvalid, "partial_rotary_factor"),
        ("Phi3ForCausalLM", json!({ "partial_rotary_factor": 0.5 }), Code::ModelInvalid, "partial_rotary_factor"),
        ("Phi3ForCausalLM", json!({ "partial_rotary_factor": 1e9 }), Code::ModelInvalid, "partial_rotary_factor"),
        ("GraniteForCausalLM", json!({ "logits_scaling": 0 }), Code::ModelInvalid, "logits_scaling"),
    ];
    for (class, changes, code, named) in cases {
        let error = with(class, &changes, |_| ()).expect_err(named);
        assert_eq!(error.code(), code, "{class} {changes}: {error}");
        assert!(error.message().contains(named), "{class} {changes}: {error} names {named}");
    }
}

#[test]
fn what_a_familys_folder_leaves_out_is_its_own() {
    let windows = |class: &str, changes: Json| {
        with(class, &changes, |decoder| [0, 1].map(|layer| decoder.windows.of(layer))).expect("a decoder")
    };
    assert_eq!(windows("MistralForCausalLM", json!({})), [Some(4096); 2]);
    assert_eq!(windows("MistralForCausalLM", json!({ "sliding_window": null })), [None; 2]);
    assert_eq!(windows("Phi3ForCausalLM", json!({})), [None; 2]);
    assert_eq!(windows("Gemma2ForCausalLM", json!({})), [Some(4096), None]);
    assert_eq!(windows("Gemma3ForCausalLM", json!({ "sliding_window_pattern": 1 })), [None; 2]);
    let factors = with("Gemma2ForCausalLM", &json!({ "attn_logit_softcapping": null }), |decoder| decoder.factors.clone());
    let factors = factors.expect("a decoder");
    assert_eq!((factors.attention_cap, factors.logit_cap, factors.query), (None, Some(30.0), 1.0 / 16.0));
    let unturned = with("SmolLM3ForCausalLM", &json!({ "no_rope_layers": [1, 0, 1] }), |decoder| {
        (decoder.rotations.unturned.clone(), decoder.rotations.all.base)
    });
    assert_eq!(unturned.expect("a decoder"), (vec![false, true], 2e6));
}

#[test]
fn gemma3_turns_by_layer_in_both_spellings() {
    let scaled = Rotation { linear: 8.0, ..Rotation::plain(5e5, 6) };
    let spellings = [
        json!({ "rope_theta": 5e5, "rope_local_base_freq": 500, "rope_scaling": { "rope_type": "linear", "factor": 8 } }),
        json!({ "rope_parameters": {
            "full_attention": { "rope_type": "linear", "factor": 8, "rope_theta": 5e5 },
            "sliding_attention": { "rope_type": "default", "rope_theta": 500 },
        } }),
    ];
    for changes in spellings {
        let rotations = with("Gemma3ForCausalLM", &changes, |decoder| decoder.rotations.clone()).expect("a decoder");
        assert_eq!((rotations.all, rotations.windowed), (scaled.clone(), Some(Rotation::plain(500.0, 6))), "{changes}");
    }
    let left_out = with("Gemma3ForCausalLM", &json!({}), |decoder| decoder.rotations.clone()).expect("a decoder");
    assert_eq!((left_out.all, left_out.windowed), (Rotation::plain(1e6, 6), Some(Rotation::plain(1e4, 6))));
}

#[test]
fn every_scaling_of_phi3_is_longrope_and_yarn_is_yarn_elsewhere() {
    let sets = json!({ "short_factor": [1, 2, 3], "long_factor": [4, 5, 6], "attention_factor": 1.5 });
    for kind in ["su", "yarn", "longrope"] {
        let mut scaling = sets.clone();
        scaling["type"] = json!(kind);
        let changes = json!({ "rope_scaling": scaling, "original_max_position_embeddings": 128 });
        let (rotation, from) =
            with("Phi3ForCausalLM", &changes, |decoder| (decoder.rotations.all.clone(), decoder.long_from))
                .expect("a decoder");
        let long = Some(Long { divisors: vec![4.0, 5.0, 6.0], original: 128 });
        let divisors = Some(vec![1.0, 2.0, 3.0]);
        assert_eq!(rotation, Rotation { divisors, long, magnitude: 1.5, ..Rotation::plain(1e4, 6) }, "{kind}");
        assert_eq!(from, Some(LongFrom::Tokens(128)));
    }
    let yarn = json!({ "rope_parameters": { "rope_type": "yarn", "rope_theta": 1e4, "beta_fast": 0, "truncate": false } });
    let rotation = with("LlamaForCausalLM", &yarn, |decoder| decoder.rotations.all.clone()).expect("a decoder");
    // Without a factor it is the context's over the original one's: the same here, and then nothing is stretched.
    assert_eq!((rotation.linear, rotation.magnitude), (1.0, 1.0));
    assert_eq!(rotation.yarn, Some(Yarn { original: 512.0, fast: 32.0, slow: 1.0, whole: false }));
}

#[test]
fn queries_keys_and_values_may_be_rows_of_one_tensor_in_any_file() {
    let fused = |rows: usize| {
        file("llama", |_, tensors| {
            for layer in 0..2 {
                let name = |part: &str| format!("blk.{layer}.attn_{part}.weight");
                let columns = tensors.info(&name("q")).expect("it is there").columns();
                for part in ["q", "k", "v"] {
                    tensors.remove(&name(part));
                    tensors.remove(&format!("blk.{layer}.attn_{part}.bias"));
                }
                tensors.insert(&name("qkv"), &[rows, columns], &vec![0.5; rows * columns]);
            }
        })
    };
    let model = fused(48).expect("a model");
    let attention = model.plan.attention().last().expect("two layers");
    let rows = [&attention.q, &attention.k, &attention.v].map(|linear| linear.rows.clone());
    assert_eq!(rows, [Some(0..24), Some(24..36), Some(36..48)]);
    assert_eq!(attention.k.weight, "blk.1.attn_qkv.weight");
    assert!(model.warnings.is_empty(), "{:?}", model.warnings);
    let error = fused(50).expect_err("two rows too many");
    assert!(error.code() == Code::ModelInvalid && error.message().contains("attn_qkv"), "{error}");
}

#[test]
fn layers_of_olmo_3_that_have_a_window_are_not_scaled() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/foreign/olmo2.f16.gguf");
    let file = File::open(path.as_ref(), &OpenOptions::default()).expect("a GGUF file");
    let mut metadata = file.metadata().clone();
    metadata.insert("olmo2.attention.sliding_window", 8u32);
    metadata.insert("olmo2.attention.sliding_window_pattern", 3u32);
    metadata.insert("olmo2.rope.scaling.type", "yarn");
    metadata.insert("olmo2.rope.scaling.factor", 4.0f32);
    metadata.insert("olmo2.rope.scaling.original_context_length", 24u32);
    let model = from_gguf(&metadata, &file).expect("a model");
    let layers: Vec<_> = model.plan.attention().collect();
    assert_eq!(layers.iter().map(|a| a.window).collect::<Vec<_>>(), [Some(8), Some(8), None]);
    let magnitudes: Vec<f32> = layers.iter().map(|a| a.rope.as_ref().expect("it turns").magnitude).collect();
    assert_eq!(magnitudes, [1.0, 1.0, Yarn::sharpness(4.0, 1.0)]);
}

#[test]
fn the_largest_gemmas_scale_their_queries_by_the_width_of_a_head() {
    let sizes = with("LlamaForCausalLM", &json!({}), |decoder| decoder.sizes.clone()).expect("a decoder");
    let scale = |by_width| implied(QueryScale { default: 256.0, by_width }, &sizes);
    // e / h is 5, d is 6, and there are two layers.
    assert_eq!((scale(46), scale(2)), (6f32.sqrt().recip(), 5f32.sqrt().recip()));
}
