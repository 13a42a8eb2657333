//! The arithmetic on small cases, and the promise by simulation: whatever comes true, drafting never costs more than its share.

use wick_testkit::Random;

use super::*;

/// Milliseconds by rows, measured: TinyLlama Q4_K_M and a 267M Q8_0 on 2 threads; and steps that cost by the four rows.
const COSTS: [(&str, &[(usize, f64)]); 4] = [
    ("TinyLlama", &[(1, 20.6), (4, 35.0), (8, 62.0), (16, 99.0), (32, 190.0), (256, 1400.0)]),
    ("267M", &[(1, 8.0), (4, 10.0), (8, 14.0), (16, 22.0), (256, 300.0)]),
    ("by fours", &[(1, 20.0), (4, 20.0), (5, 40.0), (8, 40.0), (9, 60.0), (12, 60.0), (256, 1240.0)]),
    ("a row costs a row", &[(1, 10.0), (256, 2560.0)]),
];

/// On straight lines between what was measured.
fn cost(table: &[(usize, f64)], rows: usize) -> f64 {
    let at = table.partition_point(|&(known, _)| known < rows).clamp(1, table.len() - 1);
    let ((r0, c0), (r1, c1)) = (table[at - 1], table[at]);
    c0 + (c1 - c0) * (rows as f64 - r0 as f64) / (r1 - r0) as f64
}

/// What an adversary sees of a token before he says whether it comes true.
#[derive(Clone, Copy)]
struct Seen {
    /// Tokens so far.
    at: usize,
    /// Tokens drafted, and which of them it is.
    drafted: usize,
    nth: usize,
}

type Adversary = fn(&mut Random, Seen) -> bool;

const ADVERSARIES: [(&str, Adversary); 9] = [
    ("never", |_, _| false),
    ("always", |_, _| true),
    ("single tokens alone", |_, seen| seen.drafted == 1),
    ("the first of each", |_, seen| seen.nth == 0),
    ("half", |random, _| random.coin()),
    ("one in ten", |random, _| random.below(10) == 0),
    ("nine in ten", |random, _| random.below(10) != 0),
    ("by phases", |_, seen| seen.at % 200 < 100),
    ("until it drafts much", |_, seen| seen.drafted < 6),
];

/// Milliseconds that `answers` sequences side by side take, and what they would take without drafts, at the worst moment:
/// the largest quotient of the two, and the last.
fn simulate(table: &[(usize, f64)], adversary: Adversary, answers: usize, draft_model: bool, purse: f64) -> (f64, f64) {
    let mut random = Random::new(5);
    let mut records: Vec<Record> = (0..answers).map(|_| Record { purse, ..Record::default() }).collect();
    let (mut spent, mut without, mut worst) = (0.0, 0.0, 0.0f64);
    let mut lengths = vec![0; answers];
    for _ in 0..2000 {
        let kinds: Vec<Kind> =
            (0..answers).map(|_| if draft_model { Kind::GIVEN } else { Kind::of_match(2 + random.below(30)) }).collect();
        let bids: Vec<Bid> =
            records.iter().zip(&kinds).map(|(record, &kind)| record.bid(kind, 15, usize::from(draft_model), 0.0)).collect();
        let draft_cost = |rows: usize| 0.1 * cost(table, rows);
        let step = Step { rows: answers, answers, cost: &|rows| cost(table, rows), draft_cost: &draft_cost };
        let (share, token) = (step.share(&bids), step.token());
        let drafts: usize = share.tokens.iter().sum();
        spent += cost(table, answers) + drafts as f64 * share.price;
        for (n, record) in records.iter_mut().enumerate() {
            let drafted = share.tokens[n];
            let came = |nth: &usize| adversary(&mut random, Seen { at: lengths[n] + nth, drafted, nth: *nth });
            let accepted = (0..drafted).take_while(came).count();
            record.earn(token);
            if drafted > 0 {
                record.settle(kinds[n], (drafted, share.price), accepted, accepted < drafted, token);
            }
            lengths[n] += 1 + accepted;
            without += (1 + accepted) as f64 * token;
        }
        worst = worst.max(spent / without);
    }
    (worst, spent / without)
}

#[test]
fn at_no_moment_does_drafting_cost_more_than_its_share() {
    for (table_name, table) in COSTS {
        for (name, adversary) in ADVERSARIES {
            for (answers, model) in [(1, false), (1, true), (2, false), (8, false), (8, true)] {
                let (worst, _) = simulate(table, adversary, answers, model, 0.0);
                assert!(worst <= 1.0 + EARNED + 1e-9, "{table_name}, {name}, {answers} answers, model {model}: {worst}");
            }
        }
    }
    // What the caller asked for may cost what it began with, once.
    let (_, table) = COSTS[0];
    let mut record = Record::of_asked();
    let asked = record.bid(Kind::GIVEN, 15, 0, 20.6);
    assert_eq!(asked.purse, GIFT * 20.6);
    record.settle(Kind::GIVEN, (7, 41.4 / 7.0), 0, true, 20.6);
    assert!((record.bid(Kind::GIVEN, 15, 0, 20.6).purse - (GIFT * 20.6 - 41.4)).abs() < 1e-9);
    // What holds it is the purse, not luck.
    let (worst, _) = simulate(table, |_, _| false, 1, false, f64::INFINITY);
    assert!(worst > 1.0 + EARNED, "a full purse loses more at once: {worst}");
}

#[test]
fn what_comes_true_is_used() {
    let speed =
        |table: usize, adversary: Adversary, answers| 1.0 / simulate(COSTS[table].1, adversary, answers, false, 0.0).1;
    let always: Adversary = |_, _| true;
    assert!(speed(0, always, 1) > 3.0, "{}", speed(0, always, 1));
    assert!(speed(1, always, 1) > 4.0, "{}", speed(1, always, 1));
    let often: Adversary = |random, _| random.below(10) != 0;
    assert!(speed(0, often, 1) > 1.7, "{}", speed(0, often, 1));
    assert!(speed(1, often, 8) > 1.1, "{}", speed(1, often, 8));
    // A phase in which nothing comes true is got over.
    let phases: Adversary = |_, seen| seen.at % 200 < 100;
    assert!(speed(0, phases, 1) > 1.25, "{}", speed(0, phases, 1));
    // Where every row costs as much as the first, nothing is won, and next to nothing lost.
    assert!((0.96..=1.0).contains(&speed(3, always, 1)), "{}", speed(3, always, 1));
}

/// Milliseconds by rows that rise by half of the first for each further one.
fn half(rows: usize) -> f64 {
    5.0 + 5.0 * rows as f64
}

fn step(rows: usize, answers: usize) -> Step<'static> {
    Step { rows, answers, cost: &half, draft_cost: &|_| 0.0 }
}

fn bid(chance: f64) -> Bid {
    Bid { chance, most: 8, purse: f64::INFINITY, tries: false, behind: 0 }
}

#[test]
fn one_answer_drafts_what_raises_its_speed_most() {
    for chance in [0.0, 0.3, 0.45, 0.6, 0.8, 0.95, 1.0] {
        let speed = |k: usize| (0..=k).map(|n| f64::powi(chance, n as i32)).sum::<f64>() / half(1 + k);
        let best = (0..=8).max_by(|&a, &b| speed(a).total_cmp(&speed(b)).then(b.cmp(&a))).unwrap();
        assert_eq!(step(1, 1).share(&[bid(chance)]).tokens, [best], "{chance}");
    }
}

#[test]
fn an_answer_does_not_draft_at_the_cost_of_others() {
    let sure = bid(1.0);
    assert!(step(1, 1).share(&[sure]).tokens[0] >= 8);
    let beside = step(8, 8).share(&[sure]).tokens[0];
    assert!(half(8 + beside) <= BYSTANDERS * half(8), "{beside}");
    let all = step(4, 4).share(&[sure; 4]).tokens;
    assert!(all.iter().all(|&tokens| tokens >= 4), "all gain alike: {all:?}");
}

#[test]
fn a_purse_bounds_what_is_drafted() {
    let poor = Bid { purse: 12.0, ..bid(1.0) };
    assert_eq!(step(1, 1).share(&[poor]).tokens, [2], "a third would cost 15");
    assert_eq!(step(1, 1).share(&[Bid { purse: 4.0, ..poor }]).tokens, [0]);
    let both = step(2, 2).share(&[poor, bid(1.0)]);
    assert!(both.tokens[0] as f64 * both.price <= 12.0 && both.tokens[1] > 2, "{both:?}");
}

#[test]
fn what_does_not_pay_is_tried_after_pauses_that_double() {
    let mut record = Record { purse: 1e9, ..Record::default() };
    let mut tries = Vec::new();
    for token in 0..600 {
        record.purse = 1e9;
        let share = step(1, 1).share(&[record.bid(Kind::of_match(2), 8, 0, 10.0)]);
        record.earn(10.0);
        if share.tokens[0] > 0 {
            record.settle(Kind::of_match(2), (share.tokens[0], share.price), 0, true, 10.0);
            tries.push(token);
        }
    }
    let pauses: Vec<usize> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && pauses.ends_with(&[129, 129]), "{pauses:?}");
    record.settle(Kind::of_match(2), (1, 1.0), 1, false, 10.0);
    assert!(record.bid(Kind::of_match(2), 8, 0, 10.0).tries, "one that came true ends the pause");
}

#[test]
fn a_draft_model_that_costs_as_much_as_the_model_is_not_used() {
    let own = Step { rows: 1, answers: 1, cost: &half, draft_cost: &half };
    assert_eq!(own.share(&[Bid { behind: 1, ..bid(0.95) }]).tokens, [0]);
    let small = Step { draft_cost: &|rows| 0.1 * half(rows), ..own };
    assert!(small.share(&[Bid { behind: 1, ..bid(0.95) }]).tokens[0] > 1);
    assert_eq!(small.share(&[Bid { behind: 500, ..bid(0.95) }]).tokens, [0], "nor one that is far behind");
}
