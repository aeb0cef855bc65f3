#version 450
// select: picks a candidate per cell by the disagreement in the 5x5 or 3x3 cells around it, and how to mix the frames there.
// in   projected  u32 x4  cell rows x columns   as errors.comp leaves it
// in   errors     u32     cell rows x columns   as errors.comp writes it
// in   moment     i32     the output time in 1/16384 of the way from the first frame to the second
// out  choices    u32 x2  cell rows x columns   vector in 1/16 px of the finest node level; the first frame's share of what moves 0..16384, what is shown unmoved << 16, 0..256
// One invocation makes 2x4 cells, so that most of a window is read once.
// Source: own; the visibility weights follow SplatSyn's, used only where the frames disagree.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer projected;
layout(binding = 1) uniform usamplerBuffer errors;
layout(std430, binding = 2) writeonly buffer Choices { uvec2 cells[]; } choices;
layout(std140, binding = 3) uniform Moment { int time_q14; } moment;
layout(push_constant) uniform Push {
    ivec2 grid; // columns, rows
    int window; // cells to every side that are looked at: 1 or 2
} push;

const uint MARGIN = 12u; // half a code a pixel over 5x5

int index_at(int x, int y) {
    ivec2 at = clamp(ivec2(x, y), ivec2(0), push.grid - 1);
    return at.y * push.grid.x + at.x;
}

// The first frame's share, in 1/16384: by time, and as far as only one frame shows the place by
// (1-t) va / ((1-t) va + t vb), v being coverage over a quarter of what is possible, within 0.02..1.
uint share_of_first(uint covered, uint visible) {
    // A quarter of 9 cells at 1023 is 2302; 46 is 2 % of it.
    uvec2 v = clamp(uvec2(covered & 0xffffu, covered >> 16), uvec2(46u), uvec2(2302u));
    int by_time = 16384 - moment.time_q14;
    uint one = (v.x * (uint(by_time) >> 4)) >> 4, other = (v.y * (uint(moment.time_q14) >> 4)) >> 4;
    int by_place = int(min(divide(256u * one + 1u, one + other + 1u), 256u)) << 6;
    return uint(by_time + ((int(visible) * (by_place - by_time) + 128) >> 8));
}

void choose(ivec2 cell, uint sums, uint covered) {
    if (any(greaterThanEqual(cell, push.grid))) return;
    int at = cell.y * push.grid.x + cell.x;
    uvec4 own = texelFetch(projected, at);
    uvec3 fields = uvec3(sums, sums >> 10, sums >> 20) & 1023u;
    // Nine cells count as 25 do: 25/9 = 89/32.
    if (push.window == 1) fields = (fields * 89u) >> 5;
    uint flow = own.x, sum = fields.x;
    if (fields.y + MARGIN < sum) {
        flow = own.y;
        sum = fields.y;
    }
    if (fields.z + MARGIN < sum) {
        flow = own.z;
        sum = fields.z;
    }
    // 131/128 = 256/250: from 5 codes a pixel on, all at 15; then from 12 on, all at 32.
    uint visible = uint(clamp(((int(sum) - 125) * 131) >> 7, 0, 256));
    uint unmoved = uint(clamp(((int(sum) - 300) * 131) >> 8, 0, 256));
    choices.cells[at] = uvec2(flow, share_of_first(covered, visible) | (unmoved << 16));
}

void main() {
    ivec2 corner = ivec2(gl_GlobalInvocationID.xy) * ivec2(2, 4);
    if (any(greaterThanEqual(corner, push.grid))) return;
    // Three fields of at most 25 * 40 = 1000 each, and two of at most 9 * 1023: a word adds them all at once.
    uvec2 rows[8], trust[6];
    bool wide = push.window == 2;
    [[unroll]] for (int row = 0; row < 8; ++row) {
        rows[row] = uvec2(0);
        bool inner = row > 0 && row < 7;
        if (!wide && !inner) continue;
        uint window[6], covered[4];
        [[unroll]] for (int column = 0; column < 6; ++column) {
            window[column] = 0u;
            bool central = column > 0 && column < 5;
            if (!wide && !central) continue;
            int at = index_at(corner.x - 2 + column, corner.y - 2 + row);
            window[column] = texelFetch(errors, at).x;
            if (inner && central) covered[column - 1] = texelFetch(projected, at).w;
        }
        uint middle = window[2] + window[3];
        rows[row] = middle + uvec2(window[1], window[4]);
        if (wide) rows[row] += uvec2(window[0] + window[4], window[1] + window[5]);
        if (inner) trust[row - 1] = covered[1] + covered[2] + uvec2(covered[0], covered[3]);
    }
    [[unroll]] for (int row = 0; row < 4; ++row) {
        uvec2 sums = rows[row + 1] + rows[row + 2] + rows[row + 3];
        if (wide) sums += rows[row] + rows[row + 4];
        uvec2 covered = trust[row] + trust[row + 1] + trust[row + 2];
        choose(corner + ivec2(0, row), sums.x, covered.x);
        choose(corner + ivec2(1, row), sums.y, covered.y);
    }
}
