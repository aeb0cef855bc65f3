#version 450
// pyramid: one level of the luma pyramid from the level above it. Separable [1 3 3 1]/8, edges clamped, rounded once.
// in   tiles  u8 x16  plane above   codes
// out  tiles  u8 x16  plane below   codes, half the size rounded up, border included
// One invocation writes one tile, border tiles included.
// Source: binomial pyramid; FidelityFX optical flow uses the same 8-bit luma levels.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(std430, binding = 0) buffer Luma { uvec4 tiles[]; } luma;
layout(push_constant) uniform Push { Plane above; Plane below; } push;

// Four rows of a tile, each summed up [1 3 3 1] around pairs of its own and its neighbours' pixels: two results a tile.
void across(int at, out ivec4 sums[4]) {
    uvec4 left = luma.tiles[at - 1], middle = luma.tiles[at], right = luma.tiles[at + 1], last = luma.tiles[at + 2];
    [[unroll]] for (int row = 0; row < 4; ++row) {
        uint w0 = left[row], w1 = middle[row], w2 = right[row], w3 = last[row];
        ivec4 near = ivec4(byte_of(w1, 0), byte_of(w1, 2), byte_of(w2, 0), byte_of(w2, 2));
        ivec4 far = ivec4(byte_of(w1, 1), byte_of(w1, 3), byte_of(w2, 1), byte_of(w2, 3));
        sums[row] = ivec4(byte_of(w0, 3), far.xyz) + ivec4(near.yzw, byte_of(w3, 0)) + 3 * (near + far);
    }
}

uint packed(ivec4 one, ivec4 two, ivec4 three, ivec4 four) {
    uvec4 codes = uvec4((one + 3 * (two + three) + four + 32) >> 6);
    return codes.x | (codes.y << 8) | (codes.z << 16) | (codes.w << 24);
}

uint chosen(uvec4 rows, int row) {
    return row == 0 ? rows.x : row == 1 ? rows.y : row == 2 ? rows.z : rows.w;
}

void main() {
    ivec2 place = ivec2(gl_GlobalInvocationID.xy);
    ivec2 last = ivec2(push.below.width_px, push.below.height_px) - 1;
    ivec2 tiles = (last >> 2) + 1 + 2 * PAD_TILES;
    if (any(greaterThanEqual(place, tiles))) return;
    // Tiles of the border repeat pixels of the tile at the edge: make that one and spread it.
    ivec2 corner = 4 * (place - PAD_TILES);
    ivec2 from = clamp(corner, ivec2(0), last & ~3);
    int at = tile_at(push.above, 2 * from), stride = int(push.above.tiles_across);
    ivec4 a[4], b[4], c[4], d[4];
    across(at - stride, a);
    across(at, b);
    across(at + stride, c);
    across(at + 2 * stride, d);
    uvec4 made = uvec4(packed(a[3], b[0], b[1], b[2]), packed(b[1], b[2], b[3], c[0]),
                       packed(b[3], c[0], c[1], c[2]), packed(c[1], c[2], c[3], d[0]));
    uvec4 spread = uvec4(0u);
    [[unroll]] for (int row = 0; row < 4; ++row) {
        uint word = chosen(made, clamp(corner.y + row, 0, last.y) - from.y);
        [[unroll]] for (int lane = 0; lane < 4; ++lane) {
            uint shift = uint(clamp(corner.x + lane, 0, last.x) - from.x) * 8u;
            spread[row] |= ((word >> shift) & 255u) << (8 * lane);
        }
    }
    luma.tiles[push.below.first_tile + uint(place.y) * push.below.tiles_across + uint(place.x)] = spread;
}
