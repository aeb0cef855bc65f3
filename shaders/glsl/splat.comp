#version 450
// splat: sends every cell of one frame along its vector to the output time; where several arrive, the highest priority
// stays, of equals the last in the picture. The order of work does not matter.
// in   flow        u32 x2  cell rows x columns   as densify.comp writes it
// in   priorities  u32     cell rows x columns   1..1023
// in   moment      i32     the output time in 1/16384 of the way from the first frame to the second
// out  arrived     u32     cell rows x columns   priority << 22 | index of the cell it came from; cleared to 0 before
// Source: atomic-maximum scatter of FidelityFX frame interpolation.
#extension GL_GOOGLE_include_directive : require
#include "vectors.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer flow;
layout(binding = 1) uniform usamplerBuffer priorities;
layout(std430, binding = 2) buffer Arrived { uint keys[]; } arrived;
layout(std140, binding = 3) uniform Moment { int time_q14; } moment;
layout(push_constant) uniform Push {
    ivec2 grid;      // columns, rows
    int cell_shift;  // log2 of a cell's side in px of the vectors' level
    int from_second; // 1: the vectors lead from the second frame to the first
} push;

void main() {
    ivec2 cell = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(cell, push.grid))) return;
    uint index = uint(cell.y * push.grid.x + cell.x);
    ivec2 vector = unpack_vector(texelFetch(flow, int(index)).x);
    int along_q14 = push.from_second == 1 ? 16384 - moment.time_q14 : moment.time_q14;
    int bits = 18 + push.cell_shift;
    ivec2 to = cell + ((vector * along_q14 + (1 << (bits - 1))) >> bits);
    if (any(lessThan(to, ivec2(0))) || any(greaterThanEqual(to, push.grid))) return;
    atomicMax(arrived.keys[to.y * push.grid.x + to.x], (texelFetch(priorities, int(index)).x << 22) | index);
}
