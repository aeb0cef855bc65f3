#version 450
// densify: one vector per cell of the flow field from the four patches that cover it, the better fitting counting more.
// in   source, target  u8 x16  planes of the finest node level   codes
// in   nodes           u32 x2  node rows x columns               vector in 1/16 px, cost
// out  flow            u32 x2  cell rows x columns               vector in 1/16 px; residual in 1/16 code and spread << 16 in 1/16 px
// A cell is one pixel of that level, or 2x2 where the finest level is the full size. One invocation makes the 4x4 pixels
// that the same four patches cover: sixteen cells or four.
// Source: densification of Kroeger 2016, section 2.2, weights 1 / max(1, |difference|).
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer source;
layout(binding = 1) uniform usamplerBuffer target;
layout(binding = 2) uniform usamplerBuffer nodes;
layout(std430, binding = 3) writeonly buffer Flow { uvec2 cells[]; } flow;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 node_grid; // columns, rows
    ivec2 cell_grid; // columns, rows
    int cell_shift;  // log2 of a cell's side in px: 0 or 1
} push;

TILE_COLUMN(column5, 5, 2)

// Sums of weight times value are positive: the division rounds half up.
int weighted(uvec4 weights, uvec4 values, uint total) {
    uvec4 parts = weights * values;
    return int(divide(parts.x + parts.y + parts.z + parts.w + total / 2u, total));
}

// Writes a cell from its four patches' vectors and residuals.
void write(ivec2 cell, ivec4 xs, ivec4 ys, uvec4 residuals) {
    if (any(lessThan(cell, ivec2(0))) || any(greaterThanEqual(cell, push.cell_grid))) return;
    uvec4 at_least = max(residuals, uvec4(16u));
    uvec4 weights = uvec4(
        divide(4096u, at_least.x), divide(4096u, at_least.y), divide(4096u, at_least.z), divide(4096u, at_least.w));
    uint total = weights.x + weights.y + weights.z + weights.w;
    ivec2 mean = ivec2(weighted(weights, uvec4(xs + 32768), total), weighted(weights, uvec4(ys + 32768), total)) - 32768;
    int spread = weighted(weights, uvec4(min(abs(xs - mean.x) + abs(ys - mean.y), 4095)), total);
    int residual = weighted(weights, residuals, total);
    flow.cells[cell.y * push.cell_grid.x + cell.x] = uvec2(pack_vector(mean), uint(residual) | (uint(spread) << 16));
}

// Two pixels to a lane: (0, 2) and (1, 3).
uvec2 pairs(uint word) { return uvec2(word, word >> 8) & 0x00ff00ffu; }

void main() {
    ivec2 first_node = ivec2(gl_GlobalInvocationID.xy) - 1;
    ivec2 pixel = 4 * first_node + 2; // of the upper left one
    if (any(greaterThanEqual(pixel >> push.cell_shift, push.cell_grid))) return;

    // Codes, two to a lane: the block lies across four tiles.
    int own_at = tile_at(push.plane, pixel), stride = int(push.plane.tiles_across);
    uvec4 upper_left = texelFetch(source, own_at), upper_right = texelFetch(source, own_at + 1);
    uvec4 lower_left = texelFetch(source, own_at + stride), lower_right = texelFetch(source, own_at + stride + 1);
    uvec4 left = uvec4(upper_left.zw, lower_left.xy), right = uvec4(upper_right.zw, lower_right.xy);
    uvec4 codes = (left >> 16) | (right << 16); // rows

    ivec4 xs, ys;
    uvec2 residuals[4][4]; // by corner, then by row: two pixels to a lane
    [[unroll]] for (int corner = 0; corner < 4; ++corner) {
        ivec2 node = clamp(first_node + ivec2(corner & 1, corner >> 1), ivec2(0), push.node_grid - 1);
        ivec2 vector = unpack_vector(texelFetch(nodes, node.y * push.node_grid.x + node.x).x);
        ivec2 position = 16 * pixel + vector;
        uvec2 part = uvec2(position & 15);
        ivec2 start = clamp_start(push.plane, position >> 4);
        uint shift = uint(start.x & 3) * 8u;
        int at = tile_at(push.plane, start);
        uint low[5] = column5(target, at, push.plane.tiles_across, start.y);
        uint high[5] = column5(target, at + 1, push.plane.tiles_across, start.y);
        uvec2 above = uvec2(0);
        [[unroll]] for (int row = 0; row < 5; ++row) {
            uvec2 here = pairs(bytes_from(low[row], high[row], shift));
            uvec2 next = uvec2(here.y, (here.x >> 16) | (((high[row] >> shift) & 255u) << 16));
            // Differences may borrow between the halves of a lane; the sums, which are positive, give it back.
            uvec2 across = (here << 4) + part.x * (next - here);
            if (row > 0) {
                uvec2 seen = (((above << 4) + part.y * (across - above)) >> 4) & 0x0fff0fffu;
                uvec2 own = pairs(codes[row - 1]) << 4;
                ivec2 one = abs(ivec2(seen & 0xffffu) - ivec2(own & 0xffffu));
                ivec2 other = abs(ivec2(seen >> 16) - ivec2(own >> 16));
                residuals[corner][row - 1] = uvec2(one | (other << 16));
            }
            above = across;
        }
        xs[corner] = vector.x;
        ys[corner] = vector.y;
    }
    ivec2 cell = pixel >> push.cell_shift;
    uvec4 above_rows = uvec4(0);
    [[unroll]] for (int row = 0; row < 4; ++row) {
        // Lanes (0, 2) and (1, 3) of the four corners.
        uvec4 even = uvec4(residuals[0][row].x, residuals[1][row].x, residuals[2][row].x, residuals[3][row].x);
        uvec4 odd = uvec4(residuals[0][row].y, residuals[1][row].y, residuals[2][row].y, residuals[3][row].y);
        if (push.cell_shift == 0) {
            write(cell + ivec2(0, row), xs, ys, even & 0xffffu);
            write(cell + ivec2(1, row), xs, ys, odd & 0xffffu);
            write(cell + ivec2(2, row), xs, ys, even >> 16);
            write(cell + ivec2(3, row), xs, ys, odd >> 16);
        } else if ((row & 1) == 1) {
            // Four residuals of at most 4080 fit a half of a lane.
            uvec4 sums = even + odd + above_rows;
            write(cell + ivec2(0, row >> 1), xs, ys, (sums & 0xffffu) >> 2);
            write(cell + ivec2(1, row >> 1), xs, ys, sums >> 18);
        } else {
            above_rows = even + odd;
        }
    }
}
