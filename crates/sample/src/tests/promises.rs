//! Errors, seeds, log-probabilities, memory of earlier tokens.

use proptest::prelude::*;
use wick_spec::{ChainStep, Code, Draw, Dry, LogitBias, Mirostat, Sampling};

use super::plain::{order, softmax};
use super::{draw, off, sampler};
use crate::{Sampler, Texts};

const SPREAD: [f32; 6] = [0.5, 2.0, -1.0, 2.0, 0.0, 1.0];

#[test]
fn an_option_out_of_range_is_named_with_its_value_and_range() {
    let d = Sampling::default;
    let bias = |token, bias| vec![LogitBias { token, bias }];
    let mirostat = |tau, eta| Sampling::with_draw(Draw::MirostatV1(Mirostat { tau, eta }));
    let cases = [
        (Sampling { temperature: -0.1, ..d() }, "temperature is -0.1; it must be 0 (greedy) or"),
        (Sampling { temperature: f32::NAN, ..d() }, "temperature is NaN"),
        (Sampling { temperature: f32::INFINITY, ..d() }, "temperature is inf"),
        (Sampling { top_p: 0.0, ..d() }, "topP is 0; it must be above 0 and at most 1"),
        (Sampling { top_p: 1.5, ..d() }, "topP is 1.5"),
        (Sampling { min_p: -0.5, ..d() }, "minP is -0.5; it must be from 0"),
        (Sampling { min_p: 1.5, ..d() }, "minP is 1.5"),
        (Sampling { repetition_penalty: 0.0, ..d() }, "repetitionPenalty is 0; it must be a finite number above 0"),
        (Sampling { frequency_penalty: 2.5, ..d() }, "frequencyPenalty is 2.5; it must be from -2 to 2"),
        (Sampling { presence_penalty: -2.5, ..d() }, "presencePenalty is -2.5; it must be from -2 to 2"),
        (Sampling { logprobs: Some(21), ..d() }, "logprobs is 21; it must be from 0 to 20"),
        (Sampling { logit_bias: bias(10, 1.0), ..d() }, "logitBias names token 10; the model has 10 tokens, 0 to 9"),
        (Sampling { logit_bias: bias(1, f32::NAN), ..d() }, "logitBias of token 1 is NaN"),
        (Sampling { logit_bias: bias(1, f32::INFINITY), ..d() }, "logitBias of token 1 is inf"),
        (Sampling { logit_bias: [bias(1, 1.0), bias(1, 2.0)].concat(), ..d() }, "logitBias names token 1 twice"),
        (Sampling { chain: vec![ChainStep::TopK, ChainStep::TopK], ..d() }, "chain has top-k twice"),
        (Sampling { dynamic_temperature_range: -1.0, ..d() }, "dynamicTemperatureRange is -1; it must be 0 (off) or"),
        (Sampling { dynamic_temperature_exponent: 0.0, ..d() }, "dynamicTemperatureExponent is 0; it must be"),
        (Sampling { typical_p: 0.0, ..d() }, "typicalP is 0; it must be above 0 and at most 1 (off)"),
        (Sampling { top_n_sigma: -0.1, ..d() }, "topNSigma is -0.1; it must be 0 (off)"),
        (Sampling { xtc_probability: 1.1, ..d() }, "xtcProbability is 1.1; it must be from 0 (off) to 1"),
        (Sampling { xtc_threshold: 0.6, ..d() }, "xtcThreshold is 0.6; it must be above 0 and at most 0.5"),
        (Sampling { dry: Dry { multiplier: -1.0, ..Dry::default() }, ..d() }, "dryMultiplier is -1; it must be 0 (off)"),
        (Sampling { dry: Dry { base: 0.9, ..Dry::default() }, ..d() }, "dryBase is 0.9; it must be 1 or"),
        (Sampling { dry: Dry { allowed_length: 0, ..Dry::default() }, ..d() }, "dryAllowedLength is 0; it must be 1"),
        (mirostat(0.0, 0.1), "mirostatTau is 0; it must be above 0 and at most 100 bits"),
        (mirostat(f32::NAN, 0.1), "mirostatTau is NaN"),
        (mirostat(5.0, 1.5), "mirostatEta is 1.5; it must be above 0 and at most 1"),
        (Sampling { banned_tokens: vec![10], ..d() }, "bannedTokens names token 10; the model has 10 tokens, 0 to 9"),
        // Checked even where the chain leaves it out.
        (Sampling { top_p: 7.0, chain: vec![], ..d() }, "topP is 7"),
    ];
    for (options, message) in cases {
        let error = Sampler::new(&options, 10).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
        assert!(error.message().starts_with(message), "{error}");
    }
}

#[test]
fn draws_that_contradict_the_other_options_are_refused() {
    let mirostat = || Sampling::with_draw(Draw::MirostatV2(Mirostat::default()));
    let cases = [
        (Sampling { temperature: 0.0, ..mirostat() }, "draw is mirostat-v2 and temperature is 0"),
        (
            Sampling { temperature: 0.0, draw: Draw::GumbelMax, ..Sampling::default() },
            "draw is gumbel-max and temperature is 0",
        ),
        (
            Sampling { top_k: 5, typical_p: 0.5, ..mirostat() },
            "draw is mirostat-v2, which finds the cut by itself, and the chain cuts by top-k, typical-p too.",
        ),
        (
            Sampling { xtc_probability: 0.5, ..mirostat() },
            "draw is mirostat-v2, which finds the cut by itself, and the chain cuts by xtc",
        ),
        (
            Sampling { draw: Draw::MirostatV1(Mirostat::default()), ..Sampling::default() },
            "draw is mirostat-v1, which finds the cut",
        ),
    ];
    for (options, message) in cases {
        let error = Sampler::new(&options, 10).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
        assert!(error.message().starts_with(message), "{error}");
    }
    let fits = Sampling { dynamic_temperature_range: 0.5, presence_penalty: 1.0, ..mirostat() };
    assert!(Sampler::new(&fits, 10).is_ok());
    assert!(
        Sampler::new(&Sampling { top_k: 5, chain: vec![], ..mirostat() }, 10).is_ok(),
        "what the chain leaves out is off"
    );
}

#[test]
fn texts_that_nobody_made_tokens_of_are_not_passed_over() {
    let dry = Dry { multiplier: 0.8, ..Dry::default() };
    for options in [Sampling { dry, ..off() }, Sampling { banned_texts: vec!["a".into()], ..off() }] {
        assert_eq!(Sampler::new(&options, 10).unwrap_err().code(), Code::Internal);
        assert!(Sampler::with_texts(&options, 10, Texts::default()).is_ok());
    }
}

#[test]
fn a_banned_token_is_never_chosen_whatever_the_chain() {
    for options in
        [off(), Sampling { temperature: 0.0, ..off() }, Sampling { draw: Draw::GumbelMax, chain: vec![], ..off() }]
    {
        let texts = Texts { banned: vec![3], ..Texts::default() };
        let options = Sampling { banned_tokens: vec![1], banned_texts: vec!["of token 3".into()], ..options };
        let mut sampler = Sampler::with_texts(&options, 6, texts).unwrap();
        let drawn = draw(&mut sampler, &SPREAD, 300);
        assert!(!drawn.contains(&1) && !drawn.contains(&3));
    }
    let all = Sampling { banned_tokens: (0..6).collect(), ..off() };
    let error = sampler(&all, 6, &[]).sample(&mut SPREAD.to_vec()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.message().contains("bannedTokens"), "{error}");
}

#[test]
fn logits_that_cannot_be_sampled_are_a_fault_of_the_model() {
    let mut sampler = sampler(&off(), 3, &[]);
    let cases = [
        (vec![f32::NEG_INFINITY; 3], "no finite logit"),
        (vec![f32::NAN; 3], "logit of token 0 is NaN"),
        (vec![0.0, 1.0, f32::NAN], "logit of token 2 is NaN"),
        (vec![0.0, f32::INFINITY, 1.0], "logit of token 1 is inf"),
        (vec![0.0, 1.0], "for 3 logits and was given 2"),
    ];
    for (mut logits, message) in cases {
        let error = sampler.sample(&mut logits).unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        assert!(error.message().contains(message), "{error}");
    }
    assert!(sampler.sample(&mut [0.0, 1.0, 2.0]).is_ok(), "the sampler lives on");
}

#[test]
fn biases_that_forbid_everything_are_a_fault_of_the_request() {
    let all = (0..3).map(|token| LogitBias { token, bias: f32::NEG_INFINITY }).collect::<Vec<_>>();
    let late = Sampling {
        top_k: 1,
        chain: vec![ChainStep::TopK, ChainStep::LogitBias, ChainStep::TopP, ChainStep::MinP],
        ..Sampling::default()
    };
    for options in [
        Sampling { logit_bias: all.clone(), ..Sampling::default() },
        Sampling { logit_bias: all.clone(), temperature: 0.0, ..Sampling::default() },
        Sampling { logit_bias: vec![all[2]], ..late },
    ] {
        let error = sampler(&options, 3, &[]).sample(&mut [0.0, 1.0, 2.0]).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest, "{error}");
        assert!(error.message().contains("logitBias forbids every token"), "{error}");
    }
}

#[test]
fn a_forbidden_token_is_never_drawn_and_a_raised_one_wins() {
    let forbid = Sampling { logit_bias: vec![LogitBias { token: 1, bias: f32::NEG_INFINITY }], ..off() };
    assert!(!draw(&mut sampler(&forbid, 6, &[]), &SPREAD, 500).contains(&1));
    let raise = Sampling { logit_bias: vec![LogitBias { token: 2, bias: f32::MAX }], ..off() };
    assert_eq!(draw(&mut sampler(&raise, 6, &[]), &SPREAD, 50), [2; 50]);
}

#[test]
fn greed_ignores_the_seed_and_breaks_ties_downwards() {
    for seed in 0..20 {
        let options = Sampling { temperature: 0.0, seed: Some(seed), ..Sampling::default() };
        assert_eq!(draw(&mut sampler(&options, 6, &[]), &SPREAD, 2), [1, 1]);
    }
    let no_temperature = Sampling { temperature: 0.0, chain: vec![], ..Sampling::default() };
    assert_eq!(draw(&mut sampler(&no_temperature, 6, &[]), &SPREAD, 2), [1, 1]);
}

#[test]
fn a_seed_repeats_its_tokens_and_another_gives_others() {
    let with = |seed| draw(&mut sampler(&Sampling { seed, ..off() }, 6, &[]), &SPREAD, 64);
    assert_eq!(with(Some(7)), with(Some(7)));
    assert_ne!(with(Some(7)), with(Some(8)));
    let mut unseeded = sampler(&Sampling { seed: None, ..off() }, 6, &[]);
    let seed = unseeded.seed();
    assert_eq!(draw(&mut unseeded, &SPREAD, 64), with(Some(seed)), "the drawn seed repeats the run");
    assert_eq!(sampler(&off(), 6, &[]).seed(), 1);
}

/// The tokens of a seed are part of the public promise: this test changes only with a major version.
#[test]
fn a_seed_gives_its_tokens_for_ever() {
    let options = Sampling { seed: Some(42), ..Sampling::default() };
    assert_eq!(draw(&mut sampler(&options, 6, &[]), &SPREAD, 12), [1, 1, 3, 5, 5, 3, 3, 3, 3, 3, 3, 1]);
}

#[test]
fn a_clone_goes_on_as_the_original_would() {
    let mut original = sampler(&Sampling { presence_penalty: 1.0, ..off() }, 6, &[3]);
    draw(&mut original, &SPREAD, 5);
    let mut clone = original.clone();
    assert_eq!(draw(&mut original, &SPREAD, 32), draw(&mut clone, &SPREAD, 32));
}

#[test]
fn every_drawn_token_takes_one_number_whatever_the_chain() {
    for draw_by in [Draw::Categorical, Draw::GumbelMax, Draw::MirostatV2(Mirostat::default())] {
        let mut sampler = sampler(&Sampling { draw: draw_by, ..off() }, 6, &[]);
        let mut random = crate::random::Random::new(1);
        (0..9).for_each(|_| drop((sampler.sample(&mut SPREAD.to_vec()).unwrap(), random.unit())));
        assert_eq!(sampler.next_bits(), random.bits(), "{draw_by:?}");
    }
    // One token can be drawn, then any: what is drawn next shows how far the generator has gone.
    let only = [0.0, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
    let want = draw(&mut sampler(&off(), 6, &[]), &SPREAD, 40);
    for first in [only, [0.0; 6]] {
        let mut sampler = sampler(&off(), 6, &[]);
        draw(&mut sampler, &first, 10);
        assert_eq!(draw(&mut sampler, &SPREAD, 30), want[10..]);
    }
}

#[test]
fn penalties_see_the_window_and_nothing_before_it() {
    let options = Sampling { temperature: 0.0, repetition_penalty: 10.0, penalty_window: 2, ..Sampling::default() };
    let logits = [3.0, 2.0, 1.0];
    let mut sampler = sampler(&options, 3, &[]);
    let mut next = |accept: u32| {
        sampler.accept(accept);
        sampler.sample(&mut logits.to_vec()).unwrap().id
    };
    assert_eq!([next(0), next(1), next(1), next(7_000_000)], [1, 2, 0, 0], "ids beyond the vocabulary only take up room");
}

#[test]
fn no_token_remembers_the_one_before() {
    let options = Sampling { logprobs: Some(3), top_p: 0.9, seed: Some(1), ..Sampling::default() };
    let mut used = sampler(&options, 6, &[]);
    used.sample(&mut [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]).unwrap();
    let mut fresh = sampler(&options, 6, &[]);
    fresh.sample(&mut [0.0; 6]).unwrap();
    assert_eq!(used.sample(&mut SPREAD.to_vec()).unwrap(), fresh.sample(&mut SPREAD.to_vec()).unwrap());
}

proptest! {
    #[test]
    fn log_probabilities_are_the_models_own(
        logits in prop::collection::vec(prop_oneof![9 => -30f32..30.0, 1 => Just(1.5)], 1..300), n in 0u32..=20, temperature in 0f32..2.0,
    ) {
        let options = Sampling { temperature, logprobs: Some(n), presence_penalty: 1.0, ..off() };
        let choice = sampler(&options, logits.len(), &[0]).sample(&mut logits.clone()).unwrap();
        let want: Vec<f64> = softmax(&logits).iter().map(|p| p.ln()).collect();
        let near = |got: f32, id: usize| (f64::from(got) - want[id]).abs() <= 1e-5;
        prop_assert!(near(choice.logprob.unwrap(), choice.id as usize));
        let ids: Vec<usize> = choice.top.iter().map(|(id, _)| *id as usize).collect();
        prop_assert_eq!(&ids, &order(&logits)[..logits.len().min(n as usize)]);
        prop_assert!(choice.top.iter().all(|&(id, logprob)| near(logprob, id as usize)));
    }

    #[test]
    fn logits_of_any_size_are_sampled(
        logits in prop::collection::vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 1..80),
        temperature in prop_oneof![Just(1e-5f32), Just(1e-4), Just(3e38), 0f32..2.0], repetition_penalty in prop_oneof![Just(1e-45f32), Just(3e38)],
        draw_by in prop_oneof![
            Just(Draw::Categorical), Just(Draw::GumbelMax), Just(Draw::MirostatV1(Mirostat::default())), Just(Draw::MirostatV2(Mirostat::default())),
        ],
        range in prop_oneof![Just(0f32), Just(1e-3), Just(3e38)],
    ) {
        let base = Sampling {
            temperature,
            dynamic_temperature_range: range,
            repetition_penalty,
            frequency_penalty: -2.0,
            dry: Dry { multiplier: 3e38, base: 3e38, allowed_length: 1, breakers: vec![], ..Dry::default() },
            ..Sampling::default()
        };
        let options = match draw_by {
            Draw::Categorical => Sampling { typical_p: 0.9, top_n_sigma: 1.0, xtc_probability: 1.0, ..base },
            Draw::GumbelMax => Sampling { temperature: temperature.max(1e-5), draw: draw_by, ..base },
            _ => Sampling { temperature: temperature.max(1e-5), draw: draw_by, top_k: 0, top_p: 1.0, min_p: 0.0, ..base },
        };
        let mut sampler = sampler(&options, logits.len(), &[0, 0, 1]);
        for _ in 0..3 {
            prop_assert!((sampler.sample(&mut logits.clone()).unwrap().id as usize) < logits.len());
        }
    }
}

#[test]
fn nothing_is_reported_unasked_and_tokens_that_are_out_never() {
    assert_eq!(sampler(&off(), 6, &[]).sample(&mut SPREAD.to_vec()).unwrap().logprob, None);
    let mut sampler = sampler(&Sampling { logprobs: Some(5), ..off() }, 3, &[]);
    let choice = sampler.sample(&mut [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY]).unwrap();
    assert_eq!((choice.id, choice.logprob, choice.top), (1, Some(0.0), vec![(1, 0.0)]));
}

#[test]
fn a_settled_token_has_the_probability_it_had_and_moves_the_generator_as_a_drawn_one() {
    let plain = softmax(&SPREAD);
    for logprobs in [None, Some(2)] {
        let options = Sampling { logprobs, ..off() };
        let (mut drawing, mut settling) = (sampler(&options, 6, &[]), sampler(&options, 6, &[]));
        let drawn = drawing.sample(&mut SPREAD.to_vec()).unwrap();
        let settled = settling.settle(2, &mut SPREAD.to_vec()).unwrap();
        assert_eq!((settled.id, &settled.top), (2, &drawn.top));
        assert_eq!(settled.logprob.is_some(), logprobs.is_some());
        assert!(settled.logprob.is_none_or(|logprob| (f64::from(logprob) - plain[2].ln()).abs() < 1e-5));
        assert_eq!(settling.settle(6, &mut SPREAD.to_vec()).unwrap().logprob, None, "the model has no such token");
        drawing.sample(&mut SPREAD.to_vec()).unwrap();
        for _ in 0..20 {
            assert_eq!(drawing.sample(&mut SPREAD.to_vec()).unwrap(), settling.sample(&mut SPREAD.to_vec()).unwrap());
        }
    }
}
