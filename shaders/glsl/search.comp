#version 450
// search: the nodes of one level from those of the level above it: five candidates, then steps of the inverse search.
// in   source, target  u8 x16  planes of this level       codes
// in   parents         u32 x2  parent rows x columns      vector in 1/16 px of their level, cost in 1/1024 code
// out  nodes           u32 x2  rows x columns             the same of this level
// One invocation a node: nine tiles of the target at a time, no shared memory.
// Source: nodes.glsl; the four parents' choice is FidelityFX optical flow's, the margins favour smooth fields as in 3DRS.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer source;
layout(binding = 1) uniform usamplerBuffer target;
layout(binding = 2) uniform usamplerBuffer parents;
layout(std430, binding = 3) writeonly buffer Nodes { uvec2 list[]; } nodes;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 grid;        // columns, rows
    ivec2 parent_grid; // columns, rows
    int scale;         // 2: parents of the next coarser level; 1: of this level
    int steps;
} push;
#define plane push.plane
#include "nodes.glsl"

ivec2 parent(int x, int y) {
    ivec2 at = clamp(ivec2(x, y), ivec2(0), push.parent_grid - 1);
    return push.scale * unpack_vector(texelFetch(parents, at.y * push.parent_grid.x + at.x).x);
}

void main() {
    ivec2 node = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(node, push.grid))) return;
    load_patch(node);
    ivec2 own = push.scale == 2 ? node >> 1 : node;
    ivec2 other = own + 2 * (node & 1) - 1;

    ivec2 vectors[CANDIDATES] = ivec2[](
        parent(own.x, own.y), parent(other.x, own.y), parent(own.x, other.y), parent(other.x, other.y), ivec2(0));
    ivec2 best;
    int best_cost = NOTHING_YET;
    improve(vectors, CANDIDATES, push.steps, best, best_cost);
    nodes.list[node.y * push.grid.x + node.x] = uvec2(pack_vector(best), uint(best_cost));
}
