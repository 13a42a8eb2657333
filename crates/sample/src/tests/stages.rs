//! Every stage, and chains of them in any order, equal the plain ones.

use proptest::prelude::*;
use wick_spec::{ChainStep, LogitBias, Sampling};

use super::plain::{order, plain, softmax};
use super::{STEPS, draw, off, sampler};

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

/// Options in all their ranges, the chain in any order and of any length.
fn options() -> impl Strategy<Value = Sampling> {
    let filters = (0.05f32..4.0, 0u32..60, 0.01f32..=1.0, 0f32..0.5);
    let penalties = (0.5f32..2.0, -2f32..2.0, -2f32..2.0, 0u32..12);
    let chain = (Just(STEPS.to_vec()).prop_shuffle(), 0..=STEPS.len());
    let bias = prop::collection::btree_map(0u32..8, -5f32..5.0, 0..4);
    (filters, penalties, chain, bias).prop_map(|(filters, penalties, (mut chain, len), bias)| {
        chain.truncate(len);
        let (temperature, top_k, top_p, min_p) = filters;
        let (repetition_penalty, frequency_penalty, presence_penalty, penalty_window) = penalties;
        let logit_bias = bias.into_iter().map(|(token, bias)| LogitBias { token, bias }).collect();
        let seed = Some(3);
        Sampling {
            temperature,
            top_k,
            top_p,
            min_p,
            repetition_penalty,
            frequency_penalty,
            presence_penalty,
            penalty_window,
            logit_bias,
            seed,
            logprobs: None,
            chain,
        }
    })
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
    prop_assume!(want.gap > 1e-5);
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
        let probabilities = fast(&logits, &options, &[]);
        let ranked: Vec<f64> = order(&logits).into_iter().map(|id| probabilities[id]).collect();
        prop_assert!(ranked.is_sorted_by(|a, b| a >= b));
        prop_assert!((ranked.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_tighter_filter_keeps_a_part_of_what_a_wider_one_keeps(logits in logits(1..300), options in options()) {
        let wider = Sampling {
            top_k: options.top_k * 2, top_p: options.top_p.sqrt(), min_p: options.min_p / 2.0, ..options.clone()
        };
        for step in [ChainStep::TopK, ChainStep::TopP, ChainStep::MinP] {
            let tight = fast(&logits, &Sampling { chain: vec![step], logit_bias: vec![], ..options.clone() }, &[]);
            let wide = fast(&logits, &Sampling { chain: vec![step], logit_bias: vec![], ..wider.clone() }, &[]);
            prop_assert!(tight.iter().zip(&wide).all(|(tight, wide)| *tight == 0.0 || *wide > 0.0));
        }
    }

    #[test]
    fn greed_takes_the_first_of_the_largest_after_bias_and_penalties(
        logits in logits(8..300), options in options(), tokens in prop::collection::vec(0u32..20, 0..20),
    ) {
        let greedy = Sampling { temperature: 0.0, ..options.clone() };
        let mut chain = options.chain.clone();
        chain.retain(|step| *step != ChainStep::Temperature);
        let want = plain(&logits, &Sampling { chain, ..options }, &tokens);
        prop_assume!(want.gap > 1e-5);
        let id = sampler(&greedy, logits.len(), &tokens).sample(&mut logits.clone()).unwrap().id as usize;
        let largest = want.probabilities.iter().copied().fold(0.0, f64::max);
        prop_assert_eq!(Some(id), want.probabilities.iter().position(|p| *p == largest));
    }

    #[test]
    fn a_filter_that_removes_nothing_changes_nothing(logits in prop::collection::vec(-9f32..9.0, 1..300), seed: u64) {
        let none = Sampling { seed: Some(seed), ..off() };
        let idle = Sampling { top_k: 300, top_p: 1.0f32.next_down(), min_p: 1e-30, ..none.clone() };
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
