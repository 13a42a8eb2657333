//! How close is close.

/// The largest difference of two slices, relative to the largest magnitude expected (at least 1). NaN anywhere gives infinity.
/// Panics when the lengths differ.
pub fn largest_difference(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len(), "as many values as expected");
    let scale = expected.iter().fold(1.0f32, |scale, x| scale.max(x.abs()));
    let difference = |(a, e): (&f32, &f32)| if (a - e).is_nan() { f32::INFINITY } else { (a - e).abs() };
    actual.iter().zip(expected).map(difference).fold(0.0, f32::max) / scale
}

/// Panics unless [`largest_difference`] is at most `tolerance`; 0 asks for equality.
#[track_caller]
pub fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    let difference = largest_difference(actual, expected);
    assert!(difference <= tolerance, "{what}: differs by {difference:e} of the largest value, {tolerance:e} is allowed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_to_the_largest_value_and_blind_to_nothing() {
        assert_eq!(largest_difference(&[1.0, 99.0], &[1.0, 100.0]), 0.01);
        assert_eq!(largest_difference(&[0.25], &[0.0]), 0.25);
        assert_eq!(largest_difference(&[f32::NAN, 0.0], &[0.0, 0.0]), f32::INFINITY);
    }
}
