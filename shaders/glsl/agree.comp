#version 450
// agree: of several places where a patch is found, the nearest: both directions then mean the same one.
// in   source, target  u8 x16  planes of this level    codes
// in   before          u32 x2  rows x columns          vector in 1/16 px, cost in 1/1024 code
// in   back            u32 x2  rows x columns          the same of the other direction
// out  nodes           u32 x2  rows x columns          the same
// One invocation a node; reads lists and writes another, so the order of nodes does not matter. Where the picture repeats
// itself, as railings do, a search finds any of several likenesses and keeps it. A node tries what shorter vectors it hears of:
// from the way back, from nodes some way off, and on coarse levels from a search begun where the node stands.
// Source: nodes.glsl; the checking of the way back is common, to take its vector for a candidate is own.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer source;
layout(binding = 1) uniform usamplerBuffer target;
layout(binding = 2) uniform usamplerBuffer before;
layout(binding = 3) uniform usamplerBuffer back;
layout(std430, binding = 4) writeonly buffer Nodes { uvec2 list[]; } nodes;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 grid; // columns, rows
    int anew;   // 1: a search begins where the node stands, too
} push;
#define plane push.plane
#include "nodes.glsl"

const int ALIKE = 2 * COST_PER_CODE;   // how much more the nearer likeness may cost
const int BETWEEN = 2 * COST_PER_CODE; // how much more the place half way between two has to cost, or they are one
const int APART = 32;                  // 1/16 px: likenesses are no nearer to each other
const int OFF = 4;                     // nodes
const int STEPS = 3;                   // of the search begun anew; what is heard of is where it should be
const int STARTS = 6;

int index_at(ivec2 node) {
    node = clamp(node, ivec2(0), push.grid - 1);
    return node.y * push.grid.x + node.x;
}

int length_of(ivec2 vector) {
    ivec2 size = abs(vector);
    return max(size.x, size.y) + min(size.x, size.y) / 2;
}

// Whether one is shorter, and neither the same place nor the one next to it.
bool is_nearer(ivec2 one, ivec2 other) {
    return any(greaterThanEqual(abs(one - other), ivec2(APART))) && length_of(one) < length_of(other);
}

ivec2 vector_at(ivec2 node) {
    return unpack_vector(texelFetch(before, index_at(node)).x);
}

ivec2 starts[STARTS];

void hear(ivec2 node, ivec2 own) {
    // Nodes are 4 px apart.
    starts[0] = -unpack_vector(texelFetch(back, index_at(node + ((own + 32) >> 6))).x);
    starts[1] = vector_at(node + ivec2(OFF, 0));
    starts[2] = vector_at(node - ivec2(OFF, 0));
    starts[3] = vector_at(node + ivec2(0, OFF));
    starts[4] = vector_at(node - ivec2(0, OFF));
    starts[5] = push.anew == 1 ? ivec2(0) : own;
}

// Nodes of the workgroup that have something to try, side by side: where few do, few invocations are kept.
shared uint busy_count;
shared uint busy[64];

void main() {
    uint lane = gl_LocalInvocationIndex;
    if (lane == 0u) busy_count = 0u;
    barrier();
    ivec2 node = ivec2(gl_GlobalInvocationID.xy);
    if (all(lessThan(node, push.grid))) {
        uvec2 own = texelFetch(before, index_at(node)).xy;
        ivec2 vector = unpack_vector(own.x);
        hear(node, vector);
        bool any_nearer = false;
        [[unroll]] for (int start = 0; start < STARTS; ++start) any_nearer = any_nearer || is_nearer(starts[start], vector);
        if (any_nearer) {
            busy[atomicAdd(busy_count, 1u)] = lane;
        } else {
            nodes.list[index_at(node)] = own;
        }
    }
    barrier();
    if (lane >= busy_count) return;
    node = ivec2(gl_WorkGroupID.xy) * 8 + ivec2(busy[lane] & 7u, busy[lane] >> 3);
    uvec2 own = texelFetch(before, index_at(node)).xy;
    ivec2 best = unpack_vector(own.x);
    int best_cost = int(own.y);
    hear(node, best);
    load_patch(node);
    int turn = -1;
    while (true) {
        ivec2 start;
        do {
            ++turn;
            start = turn == 0   ? starts[0]
                    : turn == 1 ? starts[1]
                    : turn == 2 ? starts[2]
                    : turn == 3 ? starts[3]
                    : turn == 4 ? starts[4]
                                : starts[5];
        } while (turn < STARTS && !is_nearer(start, best));
        if (turn >= STARTS) break;
        ivec2 other, pull;
        int cost = NOTHING_YET;
        improve(ivec2[](start, ivec2(0), ivec2(0), ivec2(0), ivec2(0)), 1, turn == STARTS - 1 ? STEPS : 1, other, cost);
        if (!is_nearer(other, best) || cost > best_cost + ALIKE) continue;
        // A flat patch, and an edge along itself, are alike all the way between both: that is one likeness, and no reason.
        if (compare((best + other) >> 1, pull) > max(best_cost, cost) + BETWEEN) {
            best = other;
            best_cost = cost;
        }
    }
    nodes.list[index_at(node)] = uvec2(pack_vector(best), uint(best_cost));
}
