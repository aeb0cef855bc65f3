#version 450
// coarse: exhaustive integer search, 8 px to every side, for every node of the coarsest level.
// in   source, target  u8 x16 planes of the coarsest level   codes
// out  nodes           u32 x2 rows x columns                 vector in 1/16 px, cost in 1/1024 code
// One workgroup a node, one invocation a few of the 289 places; the cheapest wins, of equals the first in reading order.
// Source: exhaustive block search of FidelityFX optical flow; the length penalty follows the 3DRS candidates' penalties.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
layout(local_size_x = 64) in;
layout(binding = 0) uniform usamplerBuffer source;
layout(binding = 1) uniform usamplerBuffer target;
layout(std430, binding = 2) writeonly buffer Nodes { uvec2 list[]; } nodes;
layout(push_constant) uniform Push { Plane plane; uint columns; } push;

const int REACH_PX = 8;
const int SIDE = 2 * REACH_PX + 1;
const int ZERO = SIDE * REACH_PX + REACH_PX;

TILE_COLUMN(column8, 8, 3)

shared uint best_key; // cost in the high bits, place in the low nine: the smallest wins
shared int zero_cost;

void main() {
    ivec2 node = ivec2(gl_WorkGroupID.xy);
    ivec2 origin = 4 * node - 2;
    uint lane = gl_LocalInvocationID.x;
    if (lane == 0u) best_key = 0xffffffffu;
    barrier();
    uint across = push.plane.tiles_across;
    uint patch_low[8], patch_high[8];
    int patch_at = tile_at(push.plane, origin);
    uint p0[8] = column8(source, patch_at, across, origin.y);
    uint p1[8] = column8(source, patch_at + 1, across, origin.y);
    uint p2[8] = column8(source, patch_at + 2, across, origin.y);
    [[unroll]] for (int row = 0; row < 8; ++row) {
        patch_low[row] = (p0[row] >> 16) | (p1[row] << 16);
        patch_high[row] = (p1[row] >> 16) | (p2[row] << 16);
    }
    uint key = 0xffffffffu;
    for (uint place = lane; place < uint(SIDE * SIDE); place += 64u) {
        ivec2 move = ivec2(int(place) % SIDE, int(place) / SIDE) - REACH_PX;
        ivec2 start = clamp_start(push.plane, origin + move);
        uint shift = uint(start.x & 3) * 8u;
        int at = tile_at(push.plane, start);
        uint w0[8] = column8(target, at, across, start.y);
        uint w1[8] = column8(target, at + 1, across, start.y);
        uint w2[8] = column8(target, at + 2, across, start.y);
        int cost = 0;
        [[unroll]] for (int row = 0; row < 8; ++row) {
            uint low = bytes_from(w0[row], w1[row], shift), high = bytes_from(w1[row], w2[row], shift);
            [[unroll]] for (int column = 0; column < 4; ++column) {
                cost += min(abs(byte_of(low, column) - byte_of(patch_low[row], column)), 40);
                cost += min(abs(byte_of(high, column) - byte_of(patch_high[row], column)), 40);
            }
        }
        ivec2 size = abs(move);
        cost += (51 * (2 * max(size.x, size.y) + min(size.x, size.y))) >> 1;
        if (int(place) == ZERO) zero_cost = cost;
        key = min(key, (uint(cost) << 9) | place);
    }
    atomicMin(best_key, key);
    barrier();
    if (lane == 0u) {
        int cost = int(best_key >> 9), place = int(best_key & 511u);
        ivec2 vector = 16 * (ivec2(place % SIDE, place / SIDE) - REACH_PX);
        if (5 * cost + 256 >= 4 * zero_cost) {
            vector = ivec2(0);
            cost = zero_cost;
        }
        nodes.list[gl_WorkGroupID.y * push.columns + gl_WorkGroupID.x] = uvec2(pack_vector(vector), uint(16 * cost));
    }
}
