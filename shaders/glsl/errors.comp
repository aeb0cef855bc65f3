#version 450
// errors: fills holes from the means, and measures for each candidate of a cell how far the two frames disagree along it.
// in       first, second  u8 x4   as quads.comp writes them          codes, 2x2
// in, out  projected      u32 x4  cell rows x columns                as resolve.comp writes it; holes get a vector
// in       means          u32 x2  all levels, one after the other    as pull.comp writes them
// in       moment         i32     the output time in 1/16384 of the way from the first frame to the second
// out      errors         u32     cell rows x columns                three disagreements of at most 40 codes, 10 bits each
// Source: own; candidates per cell as in FidelityFX and MVTools' masks.
#extension GL_GOOGLE_include_directive : require
#include "vectors.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer first;
layout(binding = 1) uniform usamplerBuffer second;
layout(std430, binding = 2) buffer Projected { uvec4 cells[]; } projected;
layout(binding = 3) uniform usamplerBuffer means;
layout(std430, binding = 4) writeonly buffer Errors { uint list[]; } errors;
layout(std140, binding = 5) uniform Moment { int time_q14; } moment;
layout(push_constant) uniform Push {
    ivec2 grid;      // columns, rows
    int cell_shift;  // log2 of a cell's side in px of the vectors' level
    int fill_levels; // coarser levels of means
} push;

int bilinear_q8(usamplerBuffer quads, ivec2 position) {
    // Farther outside there is the edge only.
    ivec2 start = clamp(position >> 4, ivec2(-1), push.grid - 1) + 1, part = position & 15;
    uint quad = texelFetch(quads, start.y * (push.grid.x + 1) + start.x).x;
    ivec4 codes = ivec4(quad, quad >> 8, quad >> 16, quad >> 24) & 255;
    ivec2 rows = (codes.xz << 4) + part.x * (codes.yw - codes.xz);
    return (rows.x << 4) + part.y * (rows.y - rows.x);
}

uint disagreement(ivec2 cell, ivec2 vector) {
    ivec2 near = (vector * moment.time_q14 + (1 << (13 + push.cell_shift))) >> (14 + push.cell_shift);
    ivec2 whole = (vector + push.cell_shift) >> push.cell_shift;
    ivec2 a = 16 * cell - near, b = a + whole;
    int one = bilinear_q8(first, a), other = bilinear_q8(second, b);
    return uint(min((abs(one - other) + 128) >> 8, 40));
}

// Candidates within 1/8 px are not told apart.
bool is_close(uint one, uint other) {
    return all(lessThanEqual(abs(unpack_vector(one) - unpack_vector(other)), ivec2(2)));
}

void main() {
    ivec2 cell = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(cell, push.grid))) return;
    uint at = uint(cell.y * push.grid.x + cell.x);
    uvec4 own = projected.cells[at];
    if (own.w == 0u) {
        uint filled = 0u, first_mean = 0u;
        ivec2 grid = push.grid;
        for (int level = 0; level <= push.fill_levels; ++level) {
            uvec2 mean = texelFetch(means, int(first_mean) + (cell.y >> level) * grid.x + (cell.x >> level)).xy;
            if (mean.y > 0u) {
                filled = mean.x;
                break;
            }
            first_mean += uint(grid.x * grid.y);
            grid = (grid + 1) >> 1;
        }
        own = uvec4(uvec3(filled), 0u);
        projected.cells[at] = own;
    }
    uint merged = disagreement(cell, unpack_vector(own.x));
    uint of_first = is_close(own.y, own.x) ? merged : disagreement(cell, unpack_vector(own.y));
    uint of_second = is_close(own.z, own.x) ? merged : disagreement(cell, unpack_vector(own.z));
    errors.list[at] = merged | (of_first << 10) | (of_second << 20);
}
