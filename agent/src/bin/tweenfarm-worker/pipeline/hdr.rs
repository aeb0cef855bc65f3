//! What an HDR master was made for, from the format of its pictures into x264's own words: its element drops it.

use gstreamer as gst;

/// Options of x264; none where the format says nothing of a master.
pub fn x264_options(caps: &gst::CapsRef) -> Option<String> {
    let structure = caps.structure(0)?;
    let display = structure.get::<&str>("mastering-display-info").ok().and_then(mastering_display);
    let light = structure.get::<&str>("content-light-level").ok().and_then(content_light);
    match (display, light) {
        (None, None) => None,
        (display, light) => Some(display.into_iter().chain(light).collect::<Vec<_>>().join(":")),
    }
}

/// `Rx:Ry:Gx:Gy:Bx:By:Wx:Wy:most:least`, in the units of the codec's message.
fn mastering_display(text: &str) -> Option<String> {
    let numbers: Vec<u32> = text.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [rx, ry, gx, gy, bx, by, wx, wy, most, least] = numbers[..] else { return None };
    Some(format!("mastering-display=G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({most},{least})"))
}

/// `content:average`.
fn content_light(text: &str) -> Option<String> {
    let (content, average) = text.split_once(':')?;
    let number = |text: &str| text.parse::<u16>().ok();
    Some(format!("cll={},{}", number(content)?, number(average)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_told_in_x264s_words_and_nothing_else_is() {
        crate::pipeline::init().unwrap();
        let check = |fields: &str, expected: Option<&str>| {
            let caps: gst::Caps = format!("video/x-raw,format=I420{fields}").parse().unwrap();
            assert_eq!(x264_options(&caps).as_deref(), expected, "{fields}");
        };
        check("", None);
        let display = "mastering-display-info=(string)35400:14600:8500:39850:6550:2300:15635:16450:10000000:1";
        let light = "content-light-level=(string)1000:400";
        let told = "mastering-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)";
        check(&format!(",{display}"), Some(told));
        check(&format!(",{display},{light}"), Some(&format!("{told}:cll=1000,400")));
        check(",mastering-display-info=(string)1:2:3", None);
    }
}
