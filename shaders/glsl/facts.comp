#version 450
// facts: counts the nodes whose patch is found nowhere, and adds up the residuals.
// in   nodes  u32 x2  node rows x columns   vector, cost in 1/1024 code
// out  facts  u32     [0] bad nodes, [1] sum of residuals in 1/16 code; added to what is there
// Source: the share of bad blocks as a sign of a scene cut is MVTools' thSCD.
layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer Nodes { uvec2 list[]; } nodes;
layout(std430, binding = 1) buffer Facts { uint sums[]; } facts;
layout(push_constant) uniform Push { uint count; } push;

const uint BAD = 12u * 1024u;

shared uint bad_nodes;
shared uint residual;

void main() {
    if (gl_LocalInvocationID.x == 0u) {
        bad_nodes = 0u;
        residual = 0u;
    }
    barrier();
    uint own_bad = 0u, own_residual = 0u;
    // Four nodes an invocation: fewer sums to join.
    for (uint turn = 0u; turn < 4u; ++turn) {
        uint index = gl_WorkGroupID.x * 256u + turn * 64u + gl_LocalInvocationID.x;
        if (index < push.count) {
            uint cost = nodes.list[index].y;
            own_bad += cost > BAD ? 1u : 0u;
            own_residual += cost >> 6;
        }
    }
    atomicAdd(bad_nodes, own_bad);
    atomicAdd(residual, own_residual);
    barrier();
    if (gl_LocalInvocationID.x == 0u) {
        atomicAdd(facts.sums[0], bad_nodes);
        atomicAdd(facts.sums[1], residual);
    }
}
