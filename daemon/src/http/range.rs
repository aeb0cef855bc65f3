//! The `Range` header: which bytes of an object a GET asks for. Pure.

/// What to send of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// `first..=last`, both within the object.
    Bytes {
        first: u64,
        last: u64,
    },
    /// Nothing of the object is in the range.
    Unsatisfiable,
}

/// Reads one byte range. What is not one (another unit, several ranges, nonsense) is ignored, as HTTP allows: the
/// whole object is sent.
pub fn part(header: Option<&str>, size_bytes: u64) -> Part {
    let Some(range) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    let Some((first, last)) = range.split_once('-') else {
        return Part::Whole;
    };
    let number = |text: &str| -> Option<u64> {
        let text = text.trim();
        // `u64::from_str` takes a plus sign, HTTP does not. A number too large to count is past every end.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Part::Whole,
        (Some(first), _) if first >= size_bytes && (last.trim().is_empty() || number(last).is_some()) => {
            Part::Unsatisfiable
        }
        (Some(first), Some(last)) => Part::Bytes { first, last: last.min(size_bytes - 1) },
        (Some(first), None) if last.trim().is_empty() => Part::Bytes { first, last: size_bytes - 1 },
        // The last so many bytes.
        (None, Some(tail)) if first.trim().is_empty() => {
            if tail == 0 || size_bytes == 0 {
                return Part::Unsatisfiable;
            }
            Part::Bytes { first: size_bytes.saturating_sub(tail), last: size_bytes - 1 }
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_byte_range_is_read_and_anything_else_is_the_whole() {
        let check =
            |header: &str, size: u64, expected: Part| assert_eq!(part(Some(header), size), expected, "{header}");
        let bytes = |first, last| Part::Bytes { first, last };
        check("bytes=0-0", 10, bytes(0, 0));
        check("bytes=0-", 10, bytes(0, 9));
        check("bytes=3-5", 10, bytes(3, 5));
        check("bytes=3-500", 10, bytes(3, 9));
        check("bytes=9-", 10, bytes(9, 9));
        check("bytes=10-", 10, Part::Unsatisfiable);
        check("bytes=-3", 10, bytes(7, 9));
        check("bytes=-30", 10, bytes(0, 9));
        check("bytes=-0", 10, Part::Unsatisfiable);
        check("bytes=0-", 0, Part::Unsatisfiable);
        check("bytes=99999999999999999999999-", 10, Part::Unsatisfiable);
        check("bytes=5-3", 10, Part::Whole);
        check("bytes=0-1,3-4", 10, Part::Whole);
        check("bytes=+1-2", 10, Part::Whole);
        check("bytes=-", 10, Part::Whole);
        check("bytes=a-b", 10, Part::Whole);
        check("frames=0-1", 10, Part::Whole);
        assert_eq!(part(None, 10), Part::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_object(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0_u64..2000) {
            if let Part::Bytes { first, last } = part(Some(&header), size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
