#version 450
// rescue: where a node's patch is not found along its vector, an exhaustive search far around.
// in   source, target  u8 x16  planes of the level      codes
// in   before          u32 x2  rows x columns           vector in 1/16 px, cost in 1/1024 code
// out  nodes           u32 x2  rows x columns           the same
// One workgroup a node, one invocation a few of the places; the cheapest wins, of equals the first in reading order, if it
// is clearly better than what the node has and nothing else is nearly as good.
// Source: exhaustive search as in coarse.comp; dropping what is ambiguous is SIFT's ratio test (Lowe 2004).
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
layout(local_size_x = 64) in;
layout(binding = 0) uniform usamplerBuffer source;
layout(binding = 1) uniform usamplerBuffer target;
layout(binding = 2) uniform usamplerBuffer before;
layout(std430, binding = 3) writeonly buffer Nodes { uvec2 list[]; } nodes;
layout(push_constant) uniform Push {
    Plane plane;
    uint columns;
    int reach; // px of the level to each side
} push;

const int FOUND = 12 * 1024;
const int SIDE_MAX = 49; // a reach of 24

TILE_COLUMN(column8, 8, 3)

shared uint best_key; // cost in the high bits, place in the low twelve: the smallest wins
shared uint costs[SIDE_MAX * SIDE_MAX];
shared uint alike;

// Eight codes added up.
int bytes_sum(uint low, uint high) {
    uint pairs = (low & 0x00ff00ffu) + ((low >> 8) & 0x00ff00ffu) + (high & 0x00ff00ffu) + ((high >> 8) & 0x00ff00ffu);
    return int((pairs & 0xffffu) + (pairs >> 16));
}

void main() {
    ivec2 node = ivec2(gl_WorkGroupID.xy);
    uint index = gl_WorkGroupID.y * push.columns + gl_WorkGroupID.x;
    uint lane = gl_LocalInvocationID.x;
    uvec2 own = texelFetch(before, int(index)).xy;
    if (int(own.y) <= FOUND) {
        if (lane == 0u) nodes.list[index] = own;
        return;
    }
    if (lane == 0u) {
        best_key = 0xffffffffu;
        alike = 0u;
    }
    barrier();
    ivec2 origin = 4 * node - 2;
    uint across = push.plane.tiles_across;
    uint patch_low[8], patch_high[8];
    int patch_sum = 0;
    int patch_at = tile_at(push.plane, origin);
    uint p0[8] = column8(source, patch_at, across, origin.y);
    uint p1[8] = column8(source, patch_at + 1, across, origin.y);
    uint p2[8] = column8(source, patch_at + 2, across, origin.y);
    [[unroll]] for (int row = 0; row < 8; ++row) {
        patch_low[row] = (p0[row] >> 16) | (p1[row] << 16);
        patch_high[row] = (p1[row] >> 16) | (p2[row] << 16);
        patch_sum += bytes_sum(patch_low[row], patch_high[row]);
    }
    int side = 2 * push.reach + 1;
    uint count = uint(side * side), key = 0xffffffffu;
    for (uint place = lane; place < count; place += 64u) {
        ivec2 move = ivec2(int(place) % side, int(place) / side) - push.reach;
        ivec2 start = clamp_start(push.plane, origin + move);
        uint shift = uint(start.x & 3) * 8u;
        int at = tile_at(push.plane, start);
        uint w0[8] = column8(target, at, across, start.y);
        uint w1[8] = column8(target, at + 1, across, start.y);
        uint w2[8] = column8(target, at + 2, across, start.y);
        uint low[8], high[8];
        int sum = -patch_sum;
        [[unroll]] for (int row = 0; row < 8; ++row) {
            low[row] = bytes_from(w0[row], w1[row], shift);
            high[row] = bytes_from(w1[row], w2[row], shift);
            sum += bytes_sum(low[row], high[row]);
        }
        // As in the search: what is brighter all over costs little.
        int mean = clamp(sum >> 6, -12, 12);
        int cost = 10 * abs(mean);
        [[unroll]] for (int row = 0; row < 8; ++row) {
            [[unroll]] for (int column = 0; column < 4; ++column) {
                cost += min(abs(byte_of(low[row], column) - byte_of(patch_low[row], column) - mean), 40);
                cost += min(abs(byte_of(high[row], column) - byte_of(patch_high[row], column) - mean), 40);
            }
        }
        ivec2 size = abs(move);
        cost += 6 * (2 * max(size.x, size.y) + min(size.x, size.y));
        costs[place] = uint(cost);
        key = min(key, (uint(cost) << 12) | place);
    }
    atomicMin(best_key, key);
    barrier();
    uint best = best_key >> 12, best_place = best_key & 4095u;
    ivec2 vector = ivec2(int(best_place) % side, int(best_place) / side);
    for (uint place = lane; place < count; place += 64u) {
        ivec2 apart = abs(ivec2(int(place) % side, int(place) / side) - vector);
        if (max(apart.x, apart.y) > 2 && 10u * costs[place] < 13u * best) atomicOr(alike, 1u);
    }
    barrier();
    if (lane == 0u) {
        bool taken = alike == 0u && 5u * best + 256u < 4u * (own.y >> 4);
        nodes.list[index] = taken ? uvec2(pack_vector(16 * (vector - push.reach)), 16u * best) : own;
    }
}
