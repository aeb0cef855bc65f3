#version 450
// still: compares the two frames in place on one coarse level, and counts their luma histograms.
// in   first, second  u8 x16 planes of the overview level   codes
// out  facts          u32    [2] sum of differences, [3] pixels that differ by more than 2, [5..10) sums of
//                                   a/4, b/4, their squares and product, [10..42) and [42..74) histograms
// Source: the histogram test of FidelityFX optical flow's scene change detection, with whole counts.
#extension GL_GOOGLE_include_directive : require
#include "planes.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer first;
layout(binding = 1) uniform usamplerBuffer second;
layout(std430, binding = 2) buffer Facts { uint sums[]; } facts;
layout(push_constant) uniform Push { Plane plane; } push;

const uint SUMS = 74u;

shared uint sums[SUMS]; // as in facts; those of other passes stay zero

void main() {
    for (uint index = gl_LocalInvocationIndex; index < SUMS; index += 64u) sums[index] = 0u;
    barrier();
    // One tile an invocation.
    ivec2 corner = 4 * ivec2(gl_GlobalInvocationID.xy);
    ivec2 left = min(ivec2(push.plane.width_px, push.plane.height_px) - corner, 4);
    if (left.x > 0 && left.y > 0) {
        int at = tile_at(push.plane, corner);
        uvec4 a = texelFetch(first, at), b = texelFetch(second, at);
        uint difference = 0u, changed = 0u;
        uvec2 plain = uvec2(0);
        uvec3 squares = uvec3(0);
        for (int row = 0; row < left.y; ++row) {
            for (int lane = 0; lane < left.x; ++lane) {
                int one = byte_of(a[row], lane), other = byte_of(b[row], lane);
                int apart = abs(one - other);
                difference += uint(apart);
                changed += apart > 2 ? 1u : 0u;
                atomicAdd(sums[10 + (one >> 3)], 1u);
                atomicAdd(sums[42 + (other >> 3)], 1u);
                uvec2 quarter = uvec2(one, other) >> 2;
                plain += quarter;
                squares += uvec3(quarter * quarter, quarter.x * quarter.y);
            }
        }
        atomicAdd(sums[2], difference);
        atomicAdd(sums[3], changed);
        atomicAdd(sums[5], plain.x);
        atomicAdd(sums[6], plain.y);
        atomicAdd(sums[7], squares.x);
        atomicAdd(sums[8], squares.y);
        atomicAdd(sums[9], squares.z);
    }
    barrier();
    for (uint index = gl_LocalInvocationIndex; index < SUMS; index += 64u) {
        if (sums[index] > 0u) atomicAdd(facts.sums[index], sums[index]);
    }
}
