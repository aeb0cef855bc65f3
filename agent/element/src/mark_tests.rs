//! The mark on planes of one value: inside the picture, seen on every ground, and exact.

use super::*;

fn layout(width: usize, height: usize) -> Layout {
    Layout { width, height, stride: width + 3 }
}

/// The plane of brightness after the mark was blended into one of `ground`.
fn marked(width: usize, height: usize, ground: u8) -> (Vec<u8>, Mark) {
    let mark = Mark::new(width, height, Codes::LIMITED);
    let layout = layout(width, height);
    let mut plane = vec![ground; layout.stride * height];
    mark.blend_luma(&mut plane, layout, Depth::Eight);
    (plane, mark)
}

#[test]
fn the_mark_stands_in_the_lower_right_corner_of_every_size() {
    let sizes =
        [(1280, 720), (320, 240), (720, 1280), (64, 48), (16, 16), (8192, 16), (16, 4096), (66, 50), (3840, 2160)];
    for (width, height) in sizes {
        let (plane, mark) = marked(width, height, 128);
        let (right, bottom) = (mark.left + mark.width, mark.top + mark.height);
        assert!(mark.width > 0 && right <= width && bottom <= height, "{width}x{height}: {right} {bottom}");
        let changed = |y: usize, x: usize| plane[y * (width + 3) + x] != 128;
        let mut seen = 0;
        for y in 0..height {
            for x in 0..width {
                let inside = (mark.left..right).contains(&x) && (mark.top..bottom).contains(&y);
                assert!(inside || !changed(y, x), "{width}x{height}: {x} {y} was changed");
                seen += usize::from(changed(y, x));
            }
            // What lies behind the rows is not the picture's.
            assert_eq!(plane[y * (width + 3) + width..][..3], [128; 3]);
        }
        assert!(seen > mark.width * mark.height / 3, "{width}x{height}: {seen} of the mark's pixels are seen");
        assert!(width < 64 || mark.left >= width / 8, "{width}x{height}: the mark is too wide");
    }
    let wide = Mark::new(1920, 1080, Codes::LIMITED);
    assert_eq!((wide.height, wide.top, wide.fits(1920, 1080, Codes::LIMITED)), (90, 954, true));
    assert!(!wide.fits(1920, 1080, Codes::FULL) && !wide.fits(1080, 1920, Codes::LIMITED));
}

#[test]
fn white_and_dark_are_told_apart_on_every_ground() {
    for ground in [16, 60, 128, 200, 235] {
        let (plane, mark) = marked(1280, 720, ground);
        let rows = (mark.top..mark.top + mark.height).flat_map(|y| &plane[y * 1283 + mark.left..][..mark.width]);
        let (least, most) = rows.fold((255, 0), |(least, most), code| (least.min(*code), most.max(*code)));
        assert!(most - least >= 80, "on {ground} the mark is {least} to {most}");
        assert!(least >= 16 && most <= 235, "codes of limited range stay in it: {least} to {most}");
    }
}

#[test]
fn a_pixel_fully_white_or_fully_dark_has_exactly_its_share() {
    let mark = Mark::new(1280, 720, Codes::LIMITED);
    let brightest = mark.covers.iter().map(|cover| cover.white).max();
    let darkest = mark.covers.iter().map(|cover| cover.dark).max();
    assert_eq!((brightest, darkest), (Some(WHITE_OPACITY), Some(DARK_OPACITY)));
    let at = |cover| mark.covers.iter().position(|found| *found == cover).unwrap();
    let (plane, _) = marked(1280, 720, 100);
    let code = |place: usize| plane[(mark.top + place / mark.width) * 1283 + mark.left + place % mark.width];
    // 100·80 + 235·176 and 100·144 + 16·112, of 256.
    assert_eq!(code(at(Cover { white: 176, dark: 0 })), 193);
    assert_eq!(code(at(Cover { white: 0, dark: 112 })), 63);
    assert_eq!(code(at(Cover::default())), 100);
}

#[test]
fn colour_fades_to_grey_under_the_mark_alone() {
    let mark = Mark::new(320, 240, Codes::FULL);
    let layout = self::layout(160, 120);
    let mut plane = vec![240; layout.stride * 120];
    mark.blend_chroma(&mut plane, layout, Depth::Eight);
    let mut faded = 0;
    for (place, code) in plane.iter().enumerate() {
        let (x, y) = (place % layout.stride, place / layout.stride);
        let inside = x < 160 && x >= mark.left / 2 && y >= mark.top / 2;
        assert!(if inside { (128..=240).contains(code) } else { *code == 240 }, "{x} {y}: {code}");
        faded += usize::from(*code != 240);
    }
    assert!(faded > mark.width * mark.height / 12, "{faded} pixels of colour are under the mark");

    let large = Mark::new(1280, 720, Codes::FULL);
    let layout = self::layout(640, 360);
    let mut plane = vec![240; layout.stride * 360];
    large.blend_chroma(&mut plane, layout, Depth::Eight);
    // Four pixels that are fully white: 240·80 + 128·176, of 256.
    assert_eq!(plane.iter().min(), Some(&163));
}

#[test]
fn a_plane_smaller_than_it_says_is_left_alone_where_it_ends() {
    let mark = Mark::new(320, 240, Codes::LIMITED);
    let mut plane = vec![50; 320 * 200];
    mark.blend_luma(&mut plane, Layout { width: 320, height: 240, stride: 320 }, Depth::Eight);
    mark.blend_luma(&mut [], Layout { width: 0, height: 0, stride: 0 }, Depth::Eight);
    assert!(plane.iter().all(|code| *code == 50));
    let none = Mark::new(0, 0, Codes::LIMITED);
    none.blend_luma(&mut plane, Layout { width: 320, height: 200, stride: 320 }, Depth::Eight);
    none.blend_chroma(&mut plane, Layout { width: 320, height: 200, stride: 320 }, Depth::Eight);
    assert!(plane.iter().all(|code| *code == 50));
}

#[test]
fn ten_bits_are_marked_like_eight() {
    let (eight, mark) = marked(320, 240, 60);
    let layout = Layout { width: 320, height: 240, stride: 640 };
    let mut deep: Vec<u8> = 240_u16.to_le_bytes().repeat(320 * 240);
    mark.blend_luma(&mut deep, layout, Depth::Ten);
    for (y, row) in deep.chunks(640).enumerate() {
        for (x, code) in row.chunks(2).enumerate() {
            let code = u32::from(u16::from_le_bytes([code[0], code[1]]));
            assert!(code.abs_diff(4 * u32::from(eight[y * 323 + x])) <= 2, "{x} {y}: {code}");
        }
    }
    let mut deep: Vec<u8> = 512_u16.to_le_bytes().repeat(160 * 120);
    mark.blend_chroma(&mut deep, Layout { width: 160, height: 120, stride: 320 }, Depth::Ten);
    assert!(deep.chunks(2).all(|code| code == [0, 2]), "grey was coloured");
}
