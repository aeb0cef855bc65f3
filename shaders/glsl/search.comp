#version 450
// search: the nodes of one level from those of the level above it: five candidates, then steps of the inverse search.
// in   source, target  u8 x4   planes of this level       codes
// in   parents         u32 x2  parent rows x columns      vector in 1/16 px of their level, cost in 1/1024 code
// out  nodes           u32 x2  rows x columns             the same of this level
// One invocation a node: 28 words of the target at a time, no shared memory.
// Source: nodes.glsl; the four parents' choice is FidelityFX optical flow's, the margins favour smooth fields as in 3DRS.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(std430, binding = 0) readonly buffer Source { uint words[]; } source;
layout(std430, binding = 1) readonly buffer Target { uint words[]; } target;
layout(std430, binding = 2) readonly buffer Parents { uvec2 list[]; } parents;
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

const int CANDIDATES = 5;

ivec2 parent(int x, int y) {
    ivec2 at = clamp(ivec2(x, y), ivec2(0), push.parent_grid - 1);
    return push.scale * unpack_vector(parents.list[at.y * push.parent_grid.x + at.x].x);
}

void main() {
    ivec2 node = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(node, push.grid))) return;
    load_patch(node);
    ivec2 own = push.scale == 2 ? node >> 1 : node;
    ivec2 other = own + 2 * (node & 1) - 1;

    ivec2 best = ivec2(0);
    int best_cost = 0;
    ivec2 vector = parent(own.x, own.y), start = vector;
    ivec2 pull;
    // Candidates and steps are one loop, so that the long comparison is compiled once.
    for (int turn = 0; turn < CANDIDATES + push.steps; ++turn) {
        bool stepping = turn >= CANDIDATES;
        if (turn == 1) vector = parent(other.x, own.y);
        if (turn == 2) vector = parent(own.x, other.y);
        if (turn == 3) vector = parent(other.x, other.y);
        if (turn == 4) vector = ivec2(0);
        if (turn == CANDIDATES) {
            start = best;
            vector = best;
        }
        if (!stepping && turn > 0 && is_near(best, vector)) continue;
        int cost = compare(vector, stepping, pull);
        if (!stepping) {
            if (turn == 0 || cost + MARGIN < best_cost) {
                best = vector;
                best_cost = cost;
            }
            continue;
        }
        if (turn > CANDIDATES && cost >= best_cost) break;
        best = vector;
        best_cost = cost;
        ivec2 delta = solve(pull);
        vector -= delta;
        ivec2 moved = abs(vector - start);
        if (delta == ivec2(0) || max(moved.x, moved.y) > REACH) break;
    }
    nodes.list[node.y * push.grid.x + node.x] = uvec2(pack_vector(best), uint(best_cost));
}
