#version 450
// propagate: every node tries its four neighbours' vectors, and refines where one of them won.
// in   source, target  u8 x16  planes of this level   codes
// in   before          u32 x2  rows x columns         vector in 1/16 px, cost in 1/1024 code
// out  nodes           u32 x2  rows x columns         the same
// One invocation a node; reads one list and writes another, so the order of nodes does not matter.
// Source: nodes.glsl; the propagation of PatchMatch (Barnes 2009), one round, without its random part.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer source;
layout(binding = 1) uniform usamplerBuffer target;
layout(binding = 2) uniform usamplerBuffer before;
layout(std430, binding = 3) writeonly buffer Nodes { uvec2 list[]; } nodes;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 grid; // columns, rows
} push;
#define plane push.plane
#include "nodes.glsl"

const int NEIGHBOURS = 4;
const int STEPS = 2;
const uint ENOUGH = uint(COST_PER_CODE);

uvec2 node_at(int x, int y) {
    ivec2 at = clamp(ivec2(x, y), ivec2(0), push.grid - 1);
    return texelFetch(before, at.y * push.grid.x + at.x).xy;
}

// Nodes of the workgroup that have something to try, side by side: where few do, few invocations are kept.
shared uint busy_count;
shared uint busy[64];

// What is worth a try: the vectors of the neighbours that fit no worse than the node itself by a code. A node that fits to
// a code has nothing to gain. What is not tried is the node's own vector.
ivec2[CANDIDATES] neighbours_of(ivec2 node, uvec2 own) {
    uvec2 neighbours[4] = uvec2[](node_at(node.x - 1, node.y), node_at(node.x + 1, node.y), node_at(node.x, node.y - 1),
                                  node_at(node.x, node.y + 1));
    ivec2 vectors[CANDIDATES];
    vectors[4] = ivec2(0);
    [[unroll]] for (int one = 0; one < 4; ++one) {
        bool worth = own.y > ENOUGH && neighbours[one].y < own.y + ENOUGH;
        vectors[one] = unpack_vector(worth ? neighbours[one].x : own.x);
    }
    return vectors;
}

void main() {
    uint lane = gl_LocalInvocationIndex;
    if (lane == 0u) busy_count = 0u;
    barrier();
    ivec2 node = ivec2(gl_GlobalInvocationID.xy);
    if (all(lessThan(node, push.grid))) {
        uvec2 own = node_at(node.x, node.y);
        ivec2 own_vector = unpack_vector(own.x);
        ivec2 neighbours[CANDIDATES] = neighbours_of(node, own);
        // Most nodes agree with their neighbours, or fit well enough: nothing to load, nothing to try.
        if (is_near(own_vector, neighbours[0]) && is_near(own_vector, neighbours[1])
            && is_near(own_vector, neighbours[2]) && is_near(own_vector, neighbours[3])) {
            nodes.list[node.y * push.grid.x + node.x] = own;
        } else {
            busy[atomicAdd(busy_count, 1u)] = lane;
        }
    }
    barrier();
    if (lane >= busy_count) return;
    node = ivec2(gl_WorkGroupID.xy) * 8 + ivec2(busy[lane] & 7u, busy[lane] >> 3);
    uvec2 own = node_at(node.x, node.y);
    load_patch(node);
    ivec2 best = unpack_vector(own.x);
    int best_cost = int(own.y);
    improve(neighbours_of(node, own), NEIGHBOURS, STEPS, best, best_cost);
    nodes.list[node.y * push.grid.x + node.x] = uvec2(pack_vector(best), uint(best_cost));
}
