#version 450
// propagate: every node tries its four neighbours' vectors, and refines where one of them won.
// in   source, target  u8 x4   planes of this level   codes
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
layout(std430, binding = 0) readonly buffer Source { uint words[]; } source;
layout(std430, binding = 1) readonly buffer Target { uint words[]; } target;
layout(std430, binding = 2) readonly buffer Before { uvec2 list[]; } before;
layout(std430, binding = 3) writeonly buffer Nodes { uvec2 list[]; } nodes;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 grid; // columns, rows
} push;
#define plane push.plane
#include "nodes.glsl"

const int NEIGHBOURS = 4;
const int STEPS = 2;

uvec2 node_at(int x, int y) {
    ivec2 at = clamp(ivec2(x, y), ivec2(0), push.grid - 1);
    return before.list[at.y * push.grid.x + at.x];
}

void main() {
    ivec2 node = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(node, push.grid))) return;
    uvec2 own = node_at(node.x, node.y);
    ivec2 own_vector = unpack_vector(own.x);
    ivec2 neighbours[NEIGHBOURS] = ivec2[](
        unpack_vector(node_at(node.x - 1, node.y).x), unpack_vector(node_at(node.x + 1, node.y).x),
        unpack_vector(node_at(node.x, node.y - 1).x), unpack_vector(node_at(node.x, node.y + 1).x));
    uint at = uint(node.y * push.grid.x + node.x);
    // Most nodes agree with their neighbours: nothing to load, nothing to try.
    if (is_near(own_vector, neighbours[0]) && is_near(own_vector, neighbours[1]) && is_near(own_vector, neighbours[2])
        && is_near(own_vector, neighbours[3])) {
        nodes.list[at] = own;
        return;
    }
    load_patch(node);
    ivec2 best = own_vector, vector = best, start = best;
    int best_cost = int(own.y);
    ivec2 pull;
    for (int turn = 0; turn < NEIGHBOURS + STEPS; ++turn) {
        bool stepping = turn >= NEIGHBOURS;
        if (turn == 0) vector = neighbours[0];
        if (turn == 1) vector = neighbours[1];
        if (turn == 2) vector = neighbours[2];
        if (turn == 3) vector = neighbours[3];
        if (turn == NEIGHBOURS) {
            if (best == own_vector) break;
            start = best;
            vector = best;
        }
        if (!stepping && is_near(best, vector)) continue;
        int cost = compare(vector, stepping, pull);
        if (!stepping) {
            if (cost + MARGIN < best_cost) {
                best = vector;
                best_cost = cost;
            }
            continue;
        }
        if (turn > NEIGHBOURS && cost >= best_cost) break;
        best = vector;
        best_cost = cost;
        ivec2 delta = solve(pull);
        vector -= delta;
        ivec2 moved = abs(vector - start);
        if (delta == ivec2(0) || max(moved.x, moved.y) > REACH) break;
    }
    nodes.list[at] = uvec2(pack_vector(best), uint(best_cost));
}
