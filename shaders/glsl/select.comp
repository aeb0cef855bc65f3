#version 450
// select: picks a candidate per cell by the disagreement in the 5x5 cells around it, and how to mix the frames there.
// in   projected  u32 x4  cell rows x columns   as errors.comp leaves it
// in   errors     u32     cell rows x columns   as errors.comp writes it
// in   moment     i32     the output time in 1/16384 of the way from the first frame to the second
// out  choices    u32 x2  cell rows x columns   vector in 1/16 px of the finest node level; visible, unmoved << 10, share << 20, each 0..256
// One invocation makes 2x4 cells, so that most of a window is read once.
// Source: own; the visibility weights follow SplatSyn's, used only where the frames disagree.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer projected;
layout(binding = 1) uniform usamplerBuffer errors;
layout(std430, binding = 2) writeonly buffer Choices { uvec2 cells[]; } choices;
layout(std140, binding = 3) uniform Moment { int time_q14; } moment;
layout(push_constant) uniform Push {
    ivec2 grid; // columns, rows
} push;

const uint MARGIN = 12u; // half a code a pixel over 5x5

int index_at(int x, int y) {
    ivec2 at = clamp(ivec2(x, y), ivec2(0), push.grid - 1);
    return at.y * push.grid.x + at.x;
}

// (1-t) va / ((1-t) va + t vb), v being coverage over a quarter of what is possible, within 0.02..1; in 1/256.
uint share_of_first(ivec2 cell) {
    uvec2 covered = uvec2(0);
    for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
            uint trust = texelFetch(projected, index_at(cell.x + dx, cell.y + dy)).w;
            covered += uvec2(trust & 0xffffu, trust >> 16);
        }
    }
    // A quarter of 9 cells at 1023 is 2302; 46 is 2 % of it.
    covered = clamp(covered, uvec2(46u), uvec2(2302u));
    uint one = (covered.x * (uint(16384 - moment.time_q14) >> 4)) >> 4;
    uint other = (covered.y * (uint(moment.time_q14) >> 4)) >> 4;
    return min((256u * one + 1u) / (one + other + 1u), 256u);
}

void choose(ivec2 cell, uint sums) {
    if (any(greaterThanEqual(cell, push.grid))) return;
    int at = cell.y * push.grid.x + cell.x;
    uvec4 own = texelFetch(projected, at);
    uint flow = own.x, sum = sums & 1023u;
    uint of_first = (sums >> 10) & 1023u, of_second = sums >> 20;
    if (of_first + MARGIN < sum) {
        flow = own.y;
        sum = of_first;
    }
    if (of_second + MARGIN < sum) {
        flow = own.z;
        sum = of_second;
    }
    // 131/128 = 256/250: from 5 codes a pixel on, all at 15; then from 12 on, all at 32.
    uint visible = uint(clamp(((int(sum) - 125) * 131) >> 7, 0, 256));
    uint unmoved = uint(clamp(((int(sum) - 300) * 131) >> 8, 0, 256));
    uint share = visible > 0u ? share_of_first(cell) : 0u;
    choices.cells[at] = uvec2(flow, visible | (unmoved << 10) | (share << 20));
}

void main() {
    ivec2 corner = ivec2(gl_GlobalInvocationID.xy) * ivec2(2, 4);
    if (any(greaterThanEqual(corner, push.grid))) return;
    // Three fields of at most 25 * 40 = 1000 each: a word adds them all at once.
    uvec2 rows[8];
    [[unroll]] for (int row = 0; row < 8; ++row) {
        uint window[6];
        [[unroll]] for (int column = 0; column < 6; ++column) {
            window[column] = texelFetch(errors, index_at(corner.x - 2 + column, corner.y - 2 + row)).x;
        }
        uint middle = window[1] + window[2] + window[3] + window[4];
        rows[row] = uvec2(window[0] + middle, middle + window[5]);
    }
    for (int row = 0; row < 4; ++row) {
        uvec2 sums = uvec2(0);
        [[unroll]] for (int part = 0; part < 8; ++part) {
            if (part >= row && part < row + 5) sums += rows[part];
        }
        choose(corner + ivec2(0, row), sums.x);
        choose(corner + ivec2(1, row), sums.y);
    }
}
