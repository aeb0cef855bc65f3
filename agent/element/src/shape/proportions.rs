//! The shape of a pixel after scaling.

/// The pixel shape (width to height) that keeps a picture undistorted when it is scaled. Proportions that differ by no
/// more than rounding to even sides keep their pixels as they are.
pub fn pixel_shape(shape: (i32, i32), from: (u32, u32), to: (u32, u32)) -> (i32, i32) {
    let [from_width, from_height, to_width, to_height] = [from.0, from.1, to.0, to.1].map(i128::from);
    // How far the new width is from the proportional one, in pixels times the old height; and the same of heights.
    let (wide, high) = (to_height * from_width, to_width * from_height);
    if (wide - high).abs() <= from_height.max(1) || (wide - high).abs() <= from_width.max(1) {
        return shape;
    }
    let (num, den) = (i128::from(shape.0) * wide, i128::from(shape.1) * high);
    let divisor = gcd(num, den).max(1);
    match (i32::try_from(num / divisor), i32::try_from(den / divisor)) {
        (Ok(num), Ok(den)) if num > 0 && den > 0 => (num, den),
        _ => shape,
    }
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_keep_their_shape_unless_the_picture_would_be_distorted() {
        let check =
            |shape, from, to, expected| assert_eq!(pixel_shape(shape, from, to), expected, "{from:?} to {to:?}");
        check((1, 1), (640, 360), (1280, 720), (1, 1));
        check((8, 9), (720, 480), (1440, 960), (8, 9));
        check((1, 1), (853, 480), (1280, 720), (1, 1));
        check((1, 1), (1920, 1080), (854, 480), (1, 1));
        check((1, 1), (640, 480), (1280, 720), (3, 4));
        check((8, 9), (720, 480), (640, 480), (1, 1));
        check((1, 1), (1280, 720), (720, 1280), (256, 81));
    }
}
