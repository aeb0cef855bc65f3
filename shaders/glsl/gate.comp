#version 450
// gate: takes the work out of every output of a pair that shows the same picture twice: nothing is made of such a pair.
// in       facts   u32  [2] sum of differences in place, [3] changed pixels, as still.comp counts them
// out      facts   u32  [74] 1 where both frames show the same picture, else 0
// in, out  groups  u32  workgroups of the outputs' passes, three numbers a pass; zeros where nothing is to be made
// Source: own; without it the host would have to wait for the facts before it hands over the outputs.
layout(local_size_x = 64) in;
layout(std430, binding = 0) buffer Facts { uint sums[]; } facts;
layout(std430, binding = 1) buffer Groups { uint counts[]; } groups;
layout(push_constant) uniform Push {
    uint pixels; // of the overview level
    uint count;  // words of groups
} push;

const uint SAME = 74u;

void main() {
    // A mean difference under 0.4 codes, and at most a thousandth of the pixels changed.
    bool same = 5u * facts.sums[2] < 2u * push.pixels && 1000u * facts.sums[3] <= push.pixels;
    if (gl_LocalInvocationID.x == 0u) facts.sums[SAME] = same ? 1u : 0u;
    if (!same) return;
    for (uint index = gl_LocalInvocationID.x; index < push.count; index += 64u) groups.counts[index] = 0u;
}
