"""Raw I420 files, as the bench hands them to its peers."""

import numpy as np


def frames(path, width, height):
    """The file's frames, one row of codes each; read when looked at."""
    return np.memmap(path, np.uint8, "r").reshape(-1, width * height * 3 // 2)


def planes(frame, width, height):
    """Y, U and V of one frame, as views."""
    luma, chroma = width * height, (width // 2) * (height // 2)
    shapes = [(height, width)] + 2 * [(height // 2, width // 2)]
    return [part.reshape(shape) for part, shape in zip(np.split(frame, [luma, luma + chroma]), shapes)]
