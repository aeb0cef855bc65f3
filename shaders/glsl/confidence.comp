#version 450
// confidence: how much the vector of a cell is to be trusted, 1 to 1023.
// in   forward, backward  u32 x2  cell rows x columns   flow of this direction and of the other, as densify.comp writes it
// out  priorities         u32     cell rows x columns   1..1023
// out  facts              u32     [4] cells with a priority of 64 or more; added to what is there
// Source: the importance metric of Niklaus, Hu, Chen, "Splatting-based Synthesis", 2023 (brightness, consistency, variance).
#extension GL_GOOGLE_include_directive : require
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer forward;
layout(binding = 1) uniform usamplerBuffer backward;
layout(std430, binding = 2) writeonly buffer Priorities { uint list[]; } priorities;
layout(std430, binding = 3) buffer Facts { uint sums[]; } facts;
layout(push_constant) uniform Push {
    ivec2 grid;     // columns, rows
    int cell_shift; // log2 of a cell's side in px of the vectors' level
} push;

const int OUTSIDE = 32; // 1/16 px: what a vector that leaves the frame counts as inconsistency

// 1 / (1 + value / half_way) in 1/1024.
int trust(int half_way, int value) {
    return int(divide(uint(1024 * half_way), uint(half_way + value)));
}

// The priority of a cell inside the grid.
uint priority(ivec2 cell) {
    uvec2 own = texelFetch(forward, cell.y * push.grid.x + cell.x).xy;
    ivec2 vector = unpack_vector(own.x);
    ivec2 there = cell + ((vector + (8 << push.cell_shift)) >> (4 + push.cell_shift));
    int inconsistency = OUTSIDE;
    if (all(greaterThanEqual(there, ivec2(0))) && all(lessThan(there, push.grid))) {
        ivec2 loop = abs(vector + unpack_vector(texelFetch(backward, there.y * push.grid.x + there.x).x));
        inconsistency = max(loop.x, loop.y) + min(loop.x, loop.y) / 2;
    }
    int doubt = 3072 - trust(160, int(own.y & 0xffffu)) - trust(32, inconsistency) - trust(32, int(own.y >> 16));
    // exp(-6 doubt): 6 / ln 2 = 8864 / 1024; powers of two with straight lines between.
    int exponent = (doubt * 8864) >> 10;
    int value = ((1023 * (2048 - (exponent & 1023))) >> 11) >> min(exponent >> 10, 31);
    return uint(max(value, 1));
}

const uint TRUSTED = 64u;

shared uint trusted;

void main() {
    if (gl_LocalInvocationIndex == 0u) trusted = 0u;
    barrier();
    // Four cells an invocation, one below the other: fewer sums to join.
    uint found_trusted = 0u;
    for (int row = 0; row < 4; ++row) {
        ivec2 cell = ivec2(gl_GlobalInvocationID.xy) * ivec2(1, 4) + ivec2(0, row);
        if (any(greaterThanEqual(cell, push.grid))) break;
        uint found = priority(cell);
        priorities.list[cell.y * push.grid.x + cell.x] = found;
        found_trusted += found >= TRUSTED ? 1u : 0u;
    }
    atomicAdd(trusted, found_trusted);
    barrier();
    if (gl_LocalInvocationIndex == 0u) atomicAdd(facts.sums[4], trusted);
}
