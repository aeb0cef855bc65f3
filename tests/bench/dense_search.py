"""The bench's reference: dense inverse search both ways (OpenCV), brought to the wanted time, both frames gathered along it.

    dense_search.py INPUT OUTPUT WIDTH HEIGHT FACTOR     raw I420 in, raw I420 out; FACTOR frames for each that is given
    dense_search.py --check                              ends well when everything it needs is here

Needs numpy and OpenCV (PyPI: opencv-python-headless). Not a product: what can be had when time costs nothing.
"""

import sys

import cv2
import i420
import numpy as np

# Costs are compared over windows of this many pixels a side.
WINDOW = 5


def places(height, width):
    return np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))


def fetched(plane, flow, share, how=cv2.INTER_CUBIC):
    """The plane at every pixel's place moved by a share of its vector; edges repeated."""
    x, y = places(*plane.shape[:2])
    return cv2.remap(plane, x + share * flow[..., 0], y + share * flow[..., 1], how, borderMode=cv2.BORDER_REPLICATE)


def searcher():
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setPatchStride(3)
    search.setGradientDescentIterations(25)
    search.setVariationalRefinementIterations(5)
    return search


def trust(first, second, flow, back):
    """How far a vector can be believed, 0 to 1: the same brightness, the same way back, neighbours that agree."""
    difference = np.abs(first.astype(np.float32) - fetched(second.astype(np.float32), flow, 1, cv2.INTER_LINEAR))
    round_trip = np.linalg.norm(flow + fetched(back, flow, 1, cv2.INTER_LINEAR), axis=2)
    mean = cv2.blur(flow, (3, 3))
    spread = np.sqrt(np.maximum(cv2.blur(flow * flow, (3, 3)) - mean * mean, 0).sum(axis=2))
    return np.exp(2 * (1 / (1 + 0.1 * difference) + 1 / (1 + 0.5 * round_trip) + 1 / (1 + 0.5 * spread) - 3))


def arrived(flow, trusted, share):
    """The flow where its pixels are at `share` of their way; where several arrive the most trusted stays. Zero trust: a hole."""
    height, width = trusted.shape
    x, y = places(height, width)
    to_x = np.rint(x + share * flow[..., 0]).astype(np.int32)
    to_y = np.rint(y + share * flow[..., 1]).astype(np.int32)
    inside = (to_x >= 0) & (to_x < width) & (to_y >= 0) & (to_y < height)
    order = np.argsort(trusted[inside], kind="stable")
    target = (to_y[inside] * width + to_x[inside])[order]
    moved, found = np.zeros((height * width, 2), np.float32), np.zeros(height * width, np.float32)
    # Of equal targets the last assignment counts: the most trusted.
    moved[target] = flow[inside][order]
    found[target] = trusted[inside][order]
    return moved.reshape(height, width, 2), found.reshape(height, width)


def filled(flow, weight):
    """Holes take the weighted mean around them, from the finest scale that has one."""
    if weight.min() > 0 or min(weight.shape) < 4:
        return flow
    size = (weight.shape[1] // 2 + weight.shape[1] % 2, weight.shape[0] // 2 + weight.shape[0] % 2)
    summed = cv2.resize(flow * weight[..., None], size, interpolation=cv2.INTER_AREA)
    coarse_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    coarse = summed / np.maximum(coarse_weight, 1e-6)[..., None]
    coarse = cv2.resize(filled(coarse, coarse_weight), weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.where(weight[..., None] > 0, flow, coarse)


def disagreement(first, second, flow, time):
    a, b = (fetched(plane, flow, share, cv2.INTER_LINEAR) for plane, share in ((first, -time), (second, 1 - time)))
    return cv2.blur(np.minimum(np.abs(a - b), 40), (WINDOW, WINDOW))


class Pair:
    """Two frames with the flow both ways."""

    def __init__(self, search, first, second):
        self.first, self.second = first, second
        a, b = first[0], second[0]
        self.flow, self.back = search.calc(a, b, None), search.calc(b, a, None)
        self.trusted = trust(a, b, self.flow, self.back), trust(b, a, self.back, self.flow)

    def at(self, time):
        forward, forward_trust = arrived(self.flow, self.trusted[0], time)
        backward, backward_trust = arrived(self.back, self.trusted[1], 1 - time)
        total = forward_trust + backward_trust
        share = (forward_trust / np.maximum(total, 1e-9))[..., None]
        merged = filled(share * forward - (1 - share) * backward, total)
        candidates = [merged, filled(forward, forward_trust), filled(-backward, backward_trust)]
        a, b = self.first[0].astype(np.float32), self.second[0].astype(np.float32)
        errors = np.stack([disagreement(a, b, flow, time) for flow in candidates])
        # The mean of both sides stays unless another is clearly better.
        errors[0] -= 0.5
        best = errors.argmin(axis=0)[..., None]
        flow = np.choose(best, candidates).astype(np.float32)
        apart = np.clip((errors.min(axis=0) - 5) / 10, 0, 1)
        seen = [np.clip(cv2.blur(weight, (3, 3)) / 0.25, 0.02, 1) for weight in (forward_trust, backward_trust)]
        weight = (1 - time) * seen[0] / ((1 - time) * seen[0] + time * seen[1])
        weight = 1 - time + apart * (weight - (1 - time))
        return [self.plane(number, flow, weight, time) for number in range(3)]

    def plane(self, number, flow, weight, time):
        first, second = self.first[number], self.second[number]
        if number > 0:
            size = first.shape[::-1]
            flow = cv2.resize(flow, size, interpolation=cv2.INTER_AREA) / 2
            weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        a = fetched(first.astype(np.float32), flow, -time)
        b = fetched(second.astype(np.float32), flow, 1 - time)
        return np.clip(np.rint(weight * a + (1 - weight) * b), 0, 255).astype(np.uint8)


def main():
    if sys.argv[1:] == ["--check"]:
        searcher()
        return
    source_path, made_path, *numbers = sys.argv[1:]
    width, height, factor = map(int, numbers)
    frames = i420.frames(source_path, width, height)
    search = searcher()
    with open(made_path, "wb") as out:
        for index, frame in enumerate(frames):
            out.write(frame.tobytes())
            if index + 1 == len(frames):
                # Nothing follows: the last frame stands for its whole time.
                out.write(frame.tobytes() * (factor - 1))
                break
            pair = Pair(search, *(i420.planes(side, width, height) for side in (frame, frames[index + 1])))
            for step in range(1, factor):
                for plane in pair.at(step / factor):
                    out.write(plane.tobytes())


if __name__ == "__main__":
    main()
