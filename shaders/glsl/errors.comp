#version 450
// errors: fills holes from the means, and measures for each candidate of a cell how far the two frames disagree along it.
// in       first, second  u8 x4   planes of the cell level           codes
// in, out  projected      u32 x4  cell rows x columns                as resolve.comp writes it; holes get a vector
// in       means          u32 x2  all levels, one after the other    as pull.comp writes them
// out      errors         u32     cell rows x columns                three disagreements of at most 40 codes, 10 bits each
// Source: own; candidates per cell as in FidelityFX and MVTools' masks.
#extension GL_GOOGLE_include_directive : require
#include "planes.glsl"
#include "vectors.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(std430, binding = 0) readonly buffer First { uint words[]; } first;
layout(std430, binding = 1) readonly buffer Second { uint words[]; } second;
layout(std430, binding = 2) buffer Projected { uvec4 cells[]; } projected;
layout(std430, binding = 3) readonly buffer Means { uvec2 list[]; } means;
layout(std430, binding = 4) writeonly buffer Errors { uint list[]; } errors;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 grid;      // columns, rows
    int cell_shift;  // log2 of a cell's side in px of the vectors' level
    int time_q14;
    int fill_levels; // coarser levels of means
} push;

int bilinear_q8(uvec4 words, uint shift, ivec2 part) {
    uint upper = bytes_from(words.x, words.y, shift), lower = bytes_from(words.z, words.w, shift);
    int a = byte_of(upper, 0), b = byte_of(upper, 1), c = byte_of(lower, 0), d = byte_of(lower, 1);
    int above = (a << 4) + part.x * (b - a), below = (c << 4) + part.x * (d - c);
    return (above << 4) + part.y * (below - above);
}

uint disagreement(ivec2 cell, ivec2 vector) {
    ivec2 near = (vector * push.time_q14 + (1 << (13 + push.cell_shift))) >> (14 + push.cell_shift);
    ivec2 whole = (vector + push.cell_shift) >> push.cell_shift;
    ivec2 a = 16 * cell - near, b = a + whole;
    int start_a = clamp_start(push.plane, a.x >> 4), start_b = clamp_start(push.plane, b.x >> 4);
    uint a0 = word_at(push.plane, start_a, a.y >> 4), a1 = word_at(push.plane, start_a, (a.y >> 4) + 1);
    uint b0 = word_at(push.plane, start_b, b.y >> 4), b1 = word_at(push.plane, start_b, (b.y >> 4) + 1);
    uvec4 words_a = uvec4(first.words[a0], first.words[a0 + 1], first.words[a1], first.words[a1 + 1]);
    uvec4 words_b = uvec4(second.words[b0], second.words[b0 + 1], second.words[b1], second.words[b1 + 1]);
    int one = bilinear_q8(words_a, uint(start_a & 3) * 8u, a & 15);
    int other = bilinear_q8(words_b, uint(start_b & 3) * 8u, b & 15);
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
            uvec2 mean = means.list[first_mean + uint((cell.y >> level) * grid.x + (cell.x >> level))];
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
