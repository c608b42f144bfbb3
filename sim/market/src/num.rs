//! Saturating narrowing of integers: the model's values stay far inside the bounds, and a bound
//! that is met anyway must not panic or wrap.

/// `value` as i32, held at the bounds.
#[inline]
pub(crate) fn to_i32(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

/// `value` as u32, held at the bounds.
#[inline]
pub(crate) fn to_u32(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(if value < 0 { 0 } else { u32::MAX })
}

/// `value` as an index, held at the bounds.
#[inline]
pub(crate) fn to_usize(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}
