//! What a file is, by how it begins. What its sender says it is does not count.

/// What an upload may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub family: Family,
    pub content_type: &'static str,
    /// As a file's name ends.
    pub extension: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Image,
    Video,
    Audio,
}

impl Family {
    pub fn name(self) -> &'static str {
        match self {
            Family::Image => "image",
            Family::Video => "video",
            Family::Audio => "audio",
        }
    }

    /// 25 MiB, of video 50.
    pub fn bytes_max(self) -> u64 {
        match self {
            Family::Image | Family::Audio => 25 << 20,
            Family::Video => 50 << 20,
        }
    }
}

const fn kind(family: Family, content_type: &'static str, extension: &'static str) -> Kind {
    Kind { family, content_type, extension }
}

pub const PNG: Kind = kind(Family::Image, "image/png", "png");
pub const JPEG: Kind = kind(Family::Image, "image/jpeg", "jpg");
pub const WEBP: Kind = kind(Family::Image, "image/webp", "webp");
pub const GIF: Kind = kind(Family::Image, "image/gif", "gif");
pub const MP4: Kind = kind(Family::Video, "video/mp4", "mp4");
pub const WEBM: Kind = kind(Family::Video, "video/webm", "webm");
pub const MOV: Kind = kind(Family::Video, "video/quicktime", "mov");
pub const MP3: Kind = kind(Family::Audio, "audio/mpeg", "mp3");
pub const WAV: Kind = kind(Family::Audio, "audio/wav", "wav");
pub const OGG: Kind = kind(Family::Audio, "audio/ogg", "ogg");
pub const M4A: Kind = kind(Family::Audio, "audio/mp4", "m4a");

/// As many bytes of a file as can matter.
pub const BYTES_NEEDED: usize = 64;

/// The kind of a file that begins like this; none when it is of another kind.
pub fn kind_of(start: &[u8]) -> Option<Kind> {
    let at = |place: usize, text: &[u8]| start.get(place..).is_some_and(|rest| rest.starts_with(text));
    if at(4, b"ftyp") {
        return iso_kind(start.get(8..12)?);
    }
    // Movies from before there were brands begin with one of these boxes.
    let old_movie = [&b"moov"[..], b"mdat", b"wide", b"free", b"skip", b"pnot"];
    match () {
        () if at(0, b"\x89PNG\r\n\x1a\n") => Some(PNG),
        () if at(0, b"\xff\xd8\xff") => Some(JPEG),
        () if at(0, b"GIF87a") || at(0, b"GIF89a") => Some(GIF),
        () if at(0, b"RIFF") && at(8, b"WEBP") => Some(WEBP),
        () if at(0, b"RIFF") && at(8, b"WAVE") => Some(WAV),
        () if at(0, b"OggS") => Some(OGG),
        () if at(0, b"\x1a\x45\xdf\xa3") => is_webm(start).then_some(WEBM),
        () if old_movie.iter().any(|name| at(4, name)) => Some(MOV),
        () if at(0, b"ID3") || is_mpeg_layer_3(start) => Some(MP3),
        () => None,
    }
}

/// By the major brand of an ISO base media file.
fn iso_kind(brand: &[u8]) -> Option<Kind> {
    match brand {
        b"qt  " => Some(MOV),
        b"M4A " | b"M4B " | b"M4P " => Some(M4A),
        // Pictures in the same container.
        b"heic" | b"heix" | b"hevc" | b"heim" | b"mif1" | b"msf1" | b"avif" | b"avis" | b"crx " => None,
        _ => Some(MP4),
    }
}

/// A Matroska file says in its header that it is the smaller WebM.
fn is_webm(start: &[u8]) -> bool {
    let header = start.get(..BYTES_NEEDED.min(start.len())).unwrap_or_default();
    header.windows(7).any(|window| window == b"\x42\x82\x84webm")
}

/// A frame's header: eleven bits set, layer III, and neither rate forbidden.
fn is_mpeg_layer_3(start: &[u8]) -> bool {
    let [0xff, second, third, ..] = start else { return false };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    second & 0xe0 == 0xe0 && version != 1 && layer == 1 && third >> 4 != 15 && third >> 2 & 3 != 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_begins_like() {
        let check = |start: &[u8], expected: Option<Kind>| assert_eq!(kind_of(start), expected, "{start:?}");
        check(b"\x89PNG\r\n\x1a\n....", Some(PNG));
        check(b"\xff\xd8\xff\xe0..", Some(JPEG));
        check(b"GIF89a..", Some(GIF));
        check(b"RIFF....WEBPVP8 ", Some(WEBP));
        check(b"RIFF....WAVEfmt ", Some(WAV));
        check(b"RIFF....AVI LIST", None);
        check(b"OggS....", Some(OGG));
        check(b"\0\0\0\x20ftypisom\0\0\x02\0", Some(MP4));
        check(b"\0\0\0\x20ftypmp42\0\0\x02\0", Some(MP4));
        check(b"\0\0\0\x14ftypqt  \0\0\x02\0", Some(MOV));
        check(b"\0\0\0\x08wide\0\0\0\0mdat", Some(MOV));
        check(b"\0\0\0\x20ftypM4A \0\0\x02\0", Some(M4A));
        check(b"\0\0\0\x20ftypavif\0\0\x02\0", None);
        check(b"\0\0\0\x20ftyp", None);
        check(b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm\x42\x87", Some(WEBM));
        check(b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", None);
        check(b"ID3\x04\0", Some(MP3));
        check(b"\xff\xfb\x90\x64", Some(MP3));
        check(b"\xff\xfb\xf0\x64", None);
        check(b"\xff\xff\xff\xff", None);
        check(b"#!/bin/sh", None);
        check(b"clip 24 1000", None);
        check(b"", None);
    }
}
