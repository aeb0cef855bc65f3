#version 450
// quads: the 2x2 codes that begin at every pixel of the cells' plane, so that a bilinear sample is one read.
// in   tiles  u8 x16  plane of the cell level                codes
// out  quads  u8 x4   (height + 1) rows x (width + 1) columns  codes: upper left, upper right, lower left, lower right
// The first row and column begin one pixel outside. One invocation makes 4x4 of them.
// Source: own.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer tiles;
layout(std430, binding = 1) writeonly buffer Quads { uint list[]; } quads;
layout(push_constant) uniform Push { Plane plane; } push;

void main() {
    ivec2 first = 4 * ivec2(gl_GlobalInvocationID.xy), grid = ivec2(push.plane.width_px, push.plane.height_px) + 1;
    if (any(greaterThanEqual(first, grid))) return;
    // Five rows and columns of pixels, from the last ones of the tiles to the left and above on.
    int at = tile_at(push.plane, first - 4), stride = int(push.plane.tiles_across);
    uint left[5], right[5];
    left[0] = texelFetch(tiles, at).w;
    right[0] = texelFetch(tiles, at + 1).w;
    uvec4 lower_left = texelFetch(tiles, at + stride), lower_right = texelFetch(tiles, at + stride + 1);
    [[unroll]] for (int row = 0; row < 4; ++row) {
        left[row + 1] = lower_left[row];
        right[row + 1] = lower_right[row];
    }
    [[unroll]] for (int row = 0; row < 4; ++row) {
        [[unroll]] for (int column = 0; column < 4; ++column) {
            uint upper, lower; // two codes each
            if (column == 0) {
                upper = (left[row] >> 24) | (right[row] << 8);
                lower = (left[row + 1] >> 24) | (right[row + 1] << 8);
            } else {
                upper = right[row] >> (8 * column - 8);
                lower = right[row + 1] >> (8 * column - 8);
            }
            ivec2 quad = first + ivec2(column, row);
            if (all(lessThan(quad, grid))) quads.list[quad.y * grid.x + quad.x] = (upper & 0xffffu) | (lower << 16);
        }
    }
}
