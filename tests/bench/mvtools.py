"""The bench's peer MVTools.

    mvtools.py HOW INPUT OUTPUT WIDTH HEIGHT FACTOR     raw I420 in, raw I420 out; FACTOR frames for each that is given
    mvtools.py --check                                  ends well when everything it needs is here

HOW is `usual` (half pixels, blocks of 8 refined from 16), `best` (quarter pixels, down to blocks of 4, sums of
transformed differences: scores best on the development clips) or `copy` (frames repeated without MVTools: what reading
and writing cost). Needs vapoursynth and vapoursynth-mvtools (PyPI, Python 3.12 or newer) and numpy.
"""

import sys

import i420
import numpy as np
import vapoursynth as vs

SETTINGS = {
    "usual": dict(pel=2, search=dict(search=3), refined=[8], worse_than=100),
    "best": dict(pel=4, search=dict(search=5, dct=5), refined=[8, 4], worse_than=200),
}


def source(path, width, height):
    """The frames of the file as a clip of one frame a second."""
    stored = i420.frames(path, width, height)
    blank = vs.core.std.BlankClip(None, width, height, vs.YUV420P8, length=len(stored), fpsnum=1, fpsden=1, keep=True)

    def filled(n, f):
        frame = f.copy()
        for plane, codes in enumerate(i420.planes(stored[n], width, height)):
            np.copyto(np.asarray(frame[plane]), codes)
        return frame

    return vs.core.std.ModifyFrame(blank, blank, filled)


def vectors(pictures, backward, settings):
    """Overlapping blocks of 16 searched wide, then smaller ones around what those found."""
    mv, search = vs.core.mv, settings["search"]
    found = mv.Analyse(pictures, isb=backward, blksize=16, overlap=8, searchparam=4, **search)
    for size in settings["refined"]:
        found = mv.Recalculate(
            pictures, found, blksize=size, overlap=size // 2, searchparam=2, thsad=settings["worse_than"], **search
        )
    return found


def interpolated(clip, factor, settings):
    """Flow from both sides, with masks where they don't agree."""
    pictures = vs.core.mv.Super(clip, pel=settings["pel"], hpad=32, vpad=32)
    both = [vectors(pictures, backward, settings) for backward in (True, False)]
    return vs.core.mv.FlowFPS(clip, pictures, *both, num=factor, den=1, mask=2)


def main():
    if sys.argv[1:] == ["--check"]:
        print(vs.core.mv.version)
        return
    how, source_path, made_path, *numbers = sys.argv[1:]
    width, height, factor = map(int, numbers)
    clip = source(source_path, width, height)
    if how == "copy":
        made = vs.core.std.Interleave([clip] * factor)
    else:
        made = interpolated(clip, factor, SETTINGS[how])
    with open(made_path, "wb") as out:
        for frame in made.frames():
            for plane in frame:
                out.write(np.ascontiguousarray(plane))


if __name__ == "__main__":
    main()
