#version 450
// standing: what of a tile of 4x4 full-size pixels is the same in both frames, and which edges stand where they stood.
// in   first, second  u8 x16  full-size luma planes   codes
// out  standing       u32     tile rows x columns     2x2 blocks that are the same 0..4; edges kept << 8 and touched << 16, 0..32 each; pixels that are the same << 24, 0..16
// out  facts          u32     [75] edges of the first frame, [76] those of them where nothing changed; added to what is there
// An edge is two neighbouring pixels 12 codes apart; one touches a place at rest if one of the two is the same in both
// frames, and is kept if both frames have it. The edges to the right of and below a tile are its own.
// Source: own.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer first;
layout(binding = 1) uniform usamplerBuffer second;
layout(std430, binding = 2) writeonly buffer Standing { uint tiles[]; } standing;
layout(std430, binding = 3) buffer Facts { uint sums[]; } facts;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 grid; // columns, rows of tiles
} push;

const int EDGE = 12;
const uint ALL_EDGES = 75u, UNCHANGED_EDGES = 76u;

shared uint edges[2];

// Five codes of five rows: a tile, and the pixels to its right and below.
void load(usamplerBuffer tiles, int at, out int codes[25]) {
    uvec4 own = texelFetch(tiles, at), right = texelFetch(tiles, at + 1);
    uint below = texelFetch(tiles, at + int(push.plane.tiles_across)).x;
    [[unroll]] for (int row = 0; row < 4; ++row) {
        [[unroll]] for (int column = 0; column < 4; ++column) codes[5 * row + column] = byte_of(own[row], column);
        codes[5 * row + 4] = byte_of(right[row], 0);
    }
    [[unroll]] for (int column = 0; column < 4; ++column) codes[20 + column] = byte_of(below, column);
    codes[24] = 0;
}

void main() {
    if (gl_LocalInvocationIndex < 2u) edges[gl_LocalInvocationIndex] = 0u;
    barrier();
    ivec2 tile = ivec2(gl_GlobalInvocationID.xy);
    if (all(lessThan(tile, push.grid))) {
        int at = tile_at(push.plane, 4 * tile);
        int a[25], b[25];
        load(first, at, a);
        load(second, at, b);
        bool same[25];
        [[unroll]] for (int place = 0; place < 25; ++place) same[place] = abs(a[place] - b[place]) <= 1;
        uint blocks = 0u, pixels = 0u, kept = 0u, touched = 0u, found = 0u, unchanged = 0u;
        [[unroll]] for (int row = 0; row < 4; ++row) {
            [[unroll]] for (int column = 0; column < 4; ++column) {
                int one = 5 * row + column;
                pixels += same[one] ? 1u : 0u;
                if ((row & 1) == 0 && (column & 1) == 0) {
                    blocks += same[one] && same[one + 1] && same[one + 5] && same[one + 6] ? 1u : 0u;
                }
                [[unroll]] for (int turn = 0; turn < 2; ++turn) {
                    int other = turn == 0 ? one + 1 : one + 5;
                    int in_a = a[other] - a[one], in_b = b[other] - b[one];
                    bool edge_a = abs(in_a) >= EDGE, edge_b = abs(in_b) >= EDGE;
                    found += edge_a ? 1u : 0u;
                    unchanged += edge_a && same[one] && same[other] ? 1u : 0u;
                    bool touches = (same[one] || same[other]) && (edge_a || edge_b);
                    touched += touches ? 1u : 0u;
                    kept += touches && edge_a && edge_b && (in_a < 0) == (in_b < 0) ? 1u : 0u;
                }
            }
        }
        standing.tiles[tile.y * push.grid.x + tile.x] = blocks | (kept << 8) | (touched << 16) | (pixels << 24);
        if (found > 0u) atomicAdd(edges[0], found);
        if (unchanged > 0u) atomicAdd(edges[1], unchanged);
    }
    barrier();
    if (gl_LocalInvocationIndex < 2u && edges[gl_LocalInvocationIndex] > 0u) {
        atomicAdd(facts.sums[ALL_EDGES + gl_LocalInvocationIndex], edges[gl_LocalInvocationIndex]);
    }
}
