//! Every stage, and chains of them in any order, equal the plain ones.

use proptest::prelude::*;
use wick_spec::{ChainStep, Draw, Dry, LogitBias, Sampling};

use super::plain::{order, plain, softmax};
use super::{STEPS, draw, off, sampler};
use wick_kernels::Isa;

/// Logits of a model: mostly apart, some equal, some out, never all out.
fn logits(vocab: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<f32>> {
    let logit = prop_oneof![
        12 => -20f32..20.0,
        2 => (-3i8..4).prop_map(f32::from),
        1 => Just(f32::NEG_INFINITY),
    ];
    prop::collection::vec(logit, vocab).prop_map(|mut logits| {
        if !logits.iter().any(|x| x.is_finite()) {
            logits[0] = 0.5;
        }
        logits
    })
}

/// Options in all their ranges, the chain in any order and of any length. XTC acts always or never.
fn options() -> impl Strategy<Value = Sampling> {
    let filters = (0.05f32..4.0, 0u32..60, 0.01f32..=1.0, 0f32..0.5);
    let further = (0.05f32..1.0, 0f32..3.0, prop_oneof![Just(0f32), Just(1.0)], 0.01f32..=0.5);
    let dynamic = (prop_oneof![Just(0f32), 0f32..2.0], 0.2f32..3.0);
    let penalties = (0.5f32..2.0, -2f32..2.0, -2f32..2.0, 0u32..12);
    let dry = (prop_oneof![Just(0f32), 0f32..3.0], 1f32..2.5, 1u32..4, 0u32..30, prop::collection::vec(0u32..9, 0..2));
    let chain = (Just(STEPS.to_vec()).prop_shuffle(), 0..=STEPS.len());
    let bias = (prop::collection::btree_map(0u32..8, -5f32..5.0, 0..4), prop::collection::vec(0u32..8, 0..3));
    (filters, further, dynamic, penalties, dry, chain, bias).prop_map(
        |(filters, further, dynamic, penalties, dry, (mut chain, len), (bias, banned_tokens))| {
            chain.truncate(len);
            let (temperature, top_k, top_p, min_p) = filters;
            let (typical_p, top_n_sigma, xtc_probability, xtc_threshold) = further;
            let (dynamic_temperature_range, dynamic_temperature_exponent) = dynamic;
            let (repetition_penalty, frequency_penalty, presence_penalty, penalty_window) = penalties;
            let (multiplier, base, allowed_length, window, breakers) = dry;
            let breakers = breakers.iter().map(u32::to_string).collect();
            let logit_bias = bias.into_iter().map(|(token, bias)| LogitBias { token, bias }).collect();
            Sampling {
                temperature,
                dynamic_temperature_range,
                dynamic_temperature_exponent,
                top_k,
                top_p,
                min_p,
                typical_p,
                top_n_sigma,
                xtc_probability,
                xtc_threshold,
                repetition_penalty,
                frequency_penalty,
                presence_penalty,
                penalty_window,
                dry: Dry { multiplier, base, allowed_length, window, breakers },
                logit_bias,
                banned_tokens,
                seed: Some(3),
                chain,
                ..Sampling::default()
            }
        },
    )
}

/// The distribution that the sampler draws from: (v).
fn fast(logits: &[f32], options: &Sampling, tokens: &[u32]) -> Vec<f64> {
    let left = sampler(options, logits.len(), tokens).left(&mut logits.to_vec());
    assert!(left.is_sorted_by_key(|(id, _)| *id), "candidates are in the order of their ids");
    let mut x = vec![f32::NEG_INFINITY; logits.len()];
    left.iter().for_each(|&(id, logit)| x[id as usize] = logit);
    softmax(&x)
}

fn same(logits: &[f32], options: &Sampling, tokens: &[u32]) -> Result<(), TestCaseError> {
    let want = plain(logits, options, tokens);
    prop_assume!(want.gap > 1e-5 && want.probabilities.iter().all(|p| p.is_finite()));
    for (id, (got, want)) in fast(logits, options, tokens).iter().zip(&want.probabilities).enumerate() {
        prop_assert!((got - want).abs() < 1e-5, "token {id}: {got}, plainly {want}");
        prop_assert_eq!(*got == 0.0, *want == 0.0, "token {}", id);
    }
    Ok(())
}

proptest! {
    #[test]
    fn each_stage_alone_equals_the_plain_one(
        logits in logits(8..300), options in options(), tokens in prop::collection::vec(0u32..300, 0..20),
    ) {
        for step in STEPS {
            same(&logits, &Sampling { chain: vec![step], ..options.clone() }, &tokens)?;
        }
    }

    #[test]
    fn a_chain_in_any_order_equals_the_plain_one(
        logits in logits(8..300), options in options(), tokens in prop::collection::vec(0u32..20, 0..20),
    ) {
        same(&logits, &options, &tokens)?;
    }

    #[test]
    fn top_p_keeps_the_mass_it_says_and_not_one_token_more(logits in logits(1..300), top_p in 0.01f32..0.999) {
        let options = Sampling { top_p, chain: vec![ChainStep::TopP], ..off() };
        let own = softmax(&logits);
        let kept = fast(&logits, &options, &[]);
        let kept: Vec<f64> = order(&logits).into_iter().filter(|&id| kept[id] > 0.0).map(|id| own[id]).collect();
        let mass: f64 = kept.iter().sum();
        prop_assert!(mass >= f64::from(top_p) - 1e-6);
        prop_assert!(mass - kept.last().unwrap() < f64::from(top_p) + 1e-6);
    }

    #[test]
    fn without_bias_and_penalties_the_more_probable_stays_so(logits in logits(8..300), mut options in options()) {
        options.chain.retain(|step| !matches!(step, ChainStep::LogitBias | ChainStep::Penalties));
        options.banned_tokens.clear();
        let probabilities = fast(&logits, &options, &[]);
        // Typical-p and XTC may drop the first ones; of those that are left the order is the same.
        let ranked: Vec<f64> = order(&logits).into_iter().map(|id| probabilities[id]).filter(|p| *p > 0.0).collect();
        prop_assert!(ranked.is_sorted_by(|a, b| a >= b));
        prop_assert!((ranked.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_tighter_filter_keeps_a_part_of_what_a_wider_one_keeps(logits in logits(8..300), options in options()) {
        let wider = Sampling {
            top_k: options.top_k * 2,
            top_p: options.top_p.sqrt(),
            min_p: options.min_p / 2.0,
            typical_p: options.typical_p.sqrt(),
            top_n_sigma: options.top_n_sigma * 1.5,
            ..options.clone()
        };
        for step in [ChainStep::TopK, ChainStep::TopP, ChainStep::MinP, ChainStep::TypicalP, ChainStep::TopNSigma] {
            let tight = fast(&logits, &Sampling { chain: vec![step], ..options.clone() }, &[]);
            let wide = fast(&logits, &Sampling { chain: vec![step], ..wider.clone() }, &[]);
            prop_assert!(tight.iter().zip(&wide).all(|(tight, wide)| *tight == 0.0 || *wide > 0.0));
        }
    }

    #[test]
    fn greed_takes_the_first_of_the_largest_after_bias_and_penalties(
        logits in logits(8..300), options in options(), tokens in prop::collection::vec(0u32..20, 0..20),
    ) {
        let greedy = Sampling { temperature: 0.0, ..options.clone() };
        let mut chain = options.chain.clone();
        chain.retain(|step| !matches!(step, ChainStep::Temperature | ChainStep::TypicalP | ChainStep::Xtc));
        let want = plain(&logits, &Sampling { chain, ..options }, &tokens);
        prop_assume!(want.gap > 1e-5);
        prop_assume!(want.probabilities.iter().all(|p| p.is_finite()));
        let id = sampler(&greedy, logits.len(), &tokens).sample(&mut logits.clone()).unwrap().id as usize;
        let largest = want.probabilities.iter().copied().fold(0.0, f64::max);
        prop_assert_eq!(Some(id), want.probabilities.iter().position(|p| *p == largest));
    }

    #[test]
    fn a_filter_that_removes_nothing_changes_nothing(logits in prop::collection::vec(-9f32..9.0, 1..300), seed: u64) {
        let none = Sampling { seed: Some(seed), ..off() };
        let idle = Sampling {
            top_k: 300,
            top_p: 1.0f32.next_down(),
            min_p: 1e-30,
            typical_p: 1.0f32.next_down(),
            top_n_sigma: 1e9,
            dry: Dry { multiplier: 1.0, breakers: vec![], ..Dry::default() },
            ..none.clone()
        };
        let want = draw(&mut sampler(&none, logits.len(), &[]), &logits, 8);
        prop_assert_eq!(want, draw(&mut sampler(&idle, logits.len(), &[]), &logits, 8));
    }

    #[test]
    fn top_k_of_one_is_greedy(logits in logits(1..300), temperature in 0.1f32..3.0) {
        let greedy = Sampling { temperature: 0.0, ..off() };
        let one = Sampling { top_k: 1, temperature, ..off() };
        prop_assert_eq!(draw(&mut sampler(&greedy, logits.len(), &[]), &logits, 1), draw(&mut sampler(&one, logits.len(), &[]), &logits, 1));
    }
}

proptest! {
    #[test]
    fn typical_p_keeps_the_mass_it_says_and_not_one_token_more(logits in logits(1..300), typical_p in 0.01f32..0.999) {
        let options = Sampling { typical_p, chain: vec![ChainStep::TypicalP], ..off() };
        let own = softmax(&logits);
        let kept = fast(&logits, &options, &[]);
        let kept: Vec<f64> = own.iter().zip(&kept).filter(|(_, kept)| **kept > 0.0).map(|(own, _)| *own).collect();
        let mass: f64 = kept.iter().sum();
        let most = kept.iter().copied().fold(0.0, f64::max);
        prop_assert!(mass >= f64::from(typical_p) - 1e-6 && mass - most < f64::from(typical_p) + 1e-6);
    }

    #[test]
    fn xtc_leaves_one_top_choice_and_all_others(logits in logits(2..100), xtc_threshold in 0.01f32..0.5) {
        let options = Sampling { xtc_probability: 1.0, xtc_threshold, chain: vec![ChainStep::Xtc], ..off() };
        let own = softmax(&logits);
        prop_assume!(own.iter().all(|p| (p / f64::from(xtc_threshold) - 1.0).abs() > 1e-5));
        let kept = fast(&logits, &options, &[]);
        let top = |p: f64| p >= f64::from(xtc_threshold);
        let choices = own.iter().filter(|p| top(**p)).count();
        let left = own.iter().zip(&kept).filter(|(own, kept)| top(**own) && **kept > 0.0).count();
        prop_assert_eq!(left, choices.min(1));
        prop_assert!(own.iter().zip(&kept).all(|(own, kept)| top(*own) || (*own > 0.0) == (*kept > 0.0)));
    }

    #[test]
    fn a_surer_distribution_is_made_surer_and_never_beyond_the_range(logits in logits(2..100), range in 0.1f32..2.0) {
        let one = |temperature| fast(&logits, &Sampling { temperature, chain: vec![ChainStep::Temperature], ..off() }, &[]);
        let options = Sampling { dynamic_temperature_range: range, chain: vec![ChainStep::Temperature], ..off() };
        let largest = |p: Vec<f64>| p.into_iter().fold(0.0, f64::max);
        let (low, high) = (one((1.0 - range).max(1e-4)), one(1.0 + range));
        let got = largest(fast(&logits, &options, &[]));
        prop_assert!(got <= largest(low) + 1e-6 && got >= largest(high) - 1e-6);
    }

    #[test]
    fn gumbel_noise_belongs_to_the_token(logits in logits(2..200), options in options(), seed: u64) {
        // What is taken out, unless it had won, changes nothing.
        let all = Sampling { draw: Draw::GumbelMax, seed: Some(seed), ..off() };
        let chosen = draw(&mut sampler(&all, logits.len(), &[]), &logits, 1)[0];
        let fewer = Sampling { top_k: options.top_k, min_p: options.min_p, typical_p: options.typical_p, ..all };
        let kept = fast(&logits, &fewer, &[])[chosen as usize] > 0.0;
        let again = draw(&mut sampler(&fewer, logits.len(), &[]), &logits, 1)[0];
        prop_assert_eq!(again == chosen, kept);
    }

    #[test]
    fn a_token_is_the_same_on_every_instruction_set(
        logits in logits(8..300), options in options(), tokens in prop::collection::vec(0u32..20, 0..20), which in 0usize..2,
    ) {
        let options = Sampling { draw: [Draw::Categorical, Draw::GumbelMax][which], logprobs: Some(3), ..options };
        let on = |isa| sampler(&options, logits.len(), &tokens).on(isa).sample(&mut logits.clone()).map_err(|e| e.code());
        prop_assert_eq!(on(Isa::SCALAR), on(Isa::avx2().unwrap_or(Isa::SCALAR)));
    }
}

#[test]
fn large_vocabularies_pass_through_every_block_and_selection() {
    let config = ProptestConfig::with_cases(24);
    proptest!(config, |(logits in logits(3000..6000), options in options(), rising: bool)| {
        let mut logits = logits;
        if rising {
            // The worst order for the scan: every token is above all before it.
            logits.sort_by(f32::total_cmp);
        }
        same(&logits, &options, &[1, 2, 3])?;
    });
}
