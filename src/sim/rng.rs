//! Randomness that depends on nothing but its inputs, so that a value does not change with what others asked before.

/// A well mixed number from a seed and what it is for.
pub fn hash(seed: u64, what: &[u64]) -> u64 {
    what.iter().fold(mix(seed ^ 0x9E37_79B9_7F4A_7C15), |h, w| mix(h ^ w.wrapping_mul(0xD6E8_FEB8_6659_FD93)))
}

/// A number in `0..n`.
pub fn below(n: u64, seed: u64, what: &[u64]) -> u64 {
    hash(seed, what) % n.max(1)
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
