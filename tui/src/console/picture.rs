//! A frame that a job has made, as pixels, and as what a terminal of one kind shows in so many cells. Pure.

use super::graphics::{Graphics, Kind};
use image::{DynamicImage, ImageFormat, ImageReader, Limits, imageops::FilterType};
use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
    style::Style,
    widgets::Widget,
};
use ratatui_image::{
    FontSize, Image, Resize,
    protocol::{Protocol, halfblocks::Halfblocks, kitty::Kitty, sixel::Sixel},
};
use std::{fmt, io::Cursor, sync::Arc};
use tweenfarm_protocol::JobId;

/// The daemon sends pictures 480 pixels wide; whatever says more is no picture of its.
const SIDE_PX_MAX: u32 = 4096;

#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub job: JobId,
    /// Which frame of the output it is, from 0.
    pub frame: u64,
    image: Arc<DynamicImage>,
}

impl Picture {
    /// None where the bytes are no PNG of a sane size.
    pub fn of_png(job: JobId, frame: u64, png: &[u8]) -> Option<Picture> {
        let mut reader = ImageReader::with_format(Cursor::new(png), ImageFormat::Png);
        let mut limits = Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(SIDE_PX_MAX), Some(SIDE_PX_MAX));
        reader.limits(limits);
        Some(Picture { job, frame, image: Arc::new(reader.decode().ok()?) })
    }

    /// The most cells in its own proportions within `room`; none where there is not even one.
    pub fn size_in(&self, room: Size, graphics: Graphics) -> Option<Size> {
        let (cell_width, cell_height) = (u64::from(graphics.cell_px.0), u64::from(graphics.cell_px.1));
        let (width, height) = (u64::from(self.image.width()), u64::from(self.image.height()));
        let rows_of = |columns: u64| (columns * cell_width * height).div_ceil(width * cell_height);
        let columns = (1..=u64::from(room.width)).rev().find(|columns| rows_of(*columns) <= u64::from(room.height))?;
        Some(Size { width: columns as u16, height: rows_of(columns) as u16 })
    }
}

/// A picture made ready for so many cells: made when picture, room or terminal change, not when drawn.
#[derive(Clone)]
pub struct Fitted {
    pub of: Picture,
    pub size: Size,
    pub graphics: Graphics,
    shown: Shown,
}

#[derive(Clone)]
enum Shown {
    Pixels(Box<Protocol>),
    Shades(Vec<String>),
}

impl fmt::Debug for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fitted").field("size", &self.size).field("graphics", &self.graphics).finish_non_exhaustive()
    }
}

/// From no ink to the most, on a dark ground.
const INK: &[u8] = b" .:-=+*#%@";

impl Fitted {
    /// `size` is what `size_in` gave.
    pub fn new(of: &Picture, size: Size, graphics: Graphics) -> Option<Fitted> {
        let shown = match graphics.kind {
            Kind::Shades => Shown::Shades(shades(&of.image, size)),
            Kind::Kitty | Kind::Sixel | Kind::HalfBlocks => {
                let font = FontSize::new(graphics.cell_px.0, graphics.cell_px.1);
                let image = Resize::Scale(Some(FilterType::Triangle)).resize(&of.image, font, size, None);
                let protocol = match graphics.kind {
                    // Any id will do; one for each frame of a job keeps them apart.
                    Kind::Kitty => Protocol::Kitty(Kitty::new(image, size, id(of), false, false).ok()?),
                    Kind::Sixel => Protocol::Sixel(Sixel::new(image, size, false).ok()?),
                    Kind::HalfBlocks | Kind::Shades => Protocol::Halfblocks(Halfblocks::new(image, size).ok()?),
                };
                Shown::Pixels(Box::new(protocol))
            }
        };
        Some(Fitted { of: of.clone(), size, graphics, shown })
    }

    pub fn draw(&self, buffer: &mut Buffer, area: Rect, style: Style) {
        match &self.shown {
            Shown::Pixels(protocol) => Image::new(protocol).render(area, buffer),
            Shown::Shades(lines) => {
                for (line, y) in lines.iter().zip(area.y..area.bottom()) {
                    buffer.set_stringn(area.x, y, line, usize::from(area.width), style);
                }
            }
        }
    }
}

fn id(of: &Picture) -> u32 {
    let bits = of.job.0.as_u128() ^ u128::from(of.frame);
    // The protocol takes an id of 32 bits that is not 0.
    (bits as u32 ^ (bits >> 64) as u32).max(1)
}

fn shades(image: &DynamicImage, size: Size) -> Vec<String> {
    let small = image.resize_exact(size.width.into(), size.height.into(), FilterType::Triangle).to_luma8();
    let ink = |grey: u8| char::from(INK[usize::from(grey) * INK.len() / 256]);
    small.rows().map(|row| row.map(|pixel| ink(pixel.0[0])).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::graphics::HALF_BLOCKS, *};
    use crate::console::seeded;

    #[test]
    fn a_picture_keeps_its_proportions_in_any_room() {
        let picture = seeded::picture(seeded::job_id(1));
        let check = |room: (u16, u16), expected: Option<(u16, u16)>| {
            let size = picture.size_in(Size::new(room.0, room.1), HALF_BLOCKS);
            assert_eq!(size.map(|size| (size.width, size.height)), expected, "{room:?}");
        };
        // 64 × 36 pixels: a cell is twice as high as wide.
        check((64, 36), Some((64, 18)));
        check((64, 9), Some((32, 9)));
        check((10, 100), Some((10, 3)));
        check((1, 1), Some((1, 1)));
        check((0, 9), None);
        check((9, 0), None);
    }

    #[test]
    fn every_kind_of_terminal_is_given_something_and_a_plain_one_only_ascii() {
        let picture = seeded::picture(seeded::job_id(1));
        let room = Rect::new(0, 0, 20, 10);
        for kind in [Kind::Kitty, Kind::Sixel, Kind::HalfBlocks, Kind::Shades] {
            let graphics = Graphics { kind, ..HALF_BLOCKS };
            let size = picture.size_in(room.into(), graphics).unwrap();
            let fitted = Fitted::new(&picture, size, graphics).unwrap();
            let mut buffer = Buffer::empty(room);
            fitted.draw(&mut buffer, room, Style::new());
            assert_ne!(buffer, Buffer::empty(room), "{kind:?}");
            let coloured = buffer.content.iter().any(|cell| cell.fg != ratatui::style::Color::Reset);
            assert_eq!(coloured, matches!(kind, Kind::Kitty | Kind::HalfBlocks), "{kind:?}");
            if kind == Kind::Shades {
                assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()));
            }
        }
    }

    #[test]
    fn what_is_no_png_is_no_picture() {
        assert_eq!(Picture::of_png(seeded::job_id(1), 0, b"<html>"), None);
    }
}
