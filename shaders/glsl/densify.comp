#version 450
// densify: one vector per cell of the flow field from the four patches that cover it, the better fitting counting more.
// in   source, target  u8 x16  planes of the finest node level   codes
// in   nodes           u32 x2  node rows x columns               vector in 1/16 px, cost
// out  flow            u32 x2  cell rows x columns               vector in 1/16 px; residual in 1/16 code and spread << 16 in 1/16 px
// A cell is one pixel of that level, or 2x2 where the finest level is the full size. One invocation makes 2x2 pixels,
// which the same four patches cover: four cells or one.
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

TILE_COLUMN(column3, 3, 2)

// Sums of weight times value are positive: the division rounds half up.
int weighted(uvec4 weights, uvec4 values, uint total) {
    uvec4 parts = weights * values;
    return int(divide(parts.x + parts.y + parts.z + parts.w + total / 2u, total));
}

// Writes a cell from its four patches' vectors and residuals.
void write(ivec2 cell, ivec4 xs, ivec4 ys, uvec4 residuals) {
    if (any(greaterThanEqual(cell, push.cell_grid))) return;
    uvec4 at_least = max(residuals, uvec4(16u));
    uvec4 weights = uvec4(
        divide(4096u, at_least.x), divide(4096u, at_least.y), divide(4096u, at_least.z), divide(4096u, at_least.w));
    uint total = weights.x + weights.y + weights.z + weights.w;
    ivec2 mean = ivec2(weighted(weights, uvec4(xs + 32768), total), weighted(weights, uvec4(ys + 32768), total)) - 32768;
    int spread = weighted(weights, uvec4(min(abs(xs - mean.x) + abs(ys - mean.y), 4095)), total);
    int residual = weighted(weights, residuals, total);
    flow.cells[cell.y * push.cell_grid.x + cell.x] = uvec2(pack_vector(mean), uint(residual) | (uint(spread) << 16));
}

void main() {
    ivec2 pixel = 2 * ivec2(gl_GlobalInvocationID.xy);
    ivec2 cell = pixel >> push.cell_shift;
    if (any(greaterThanEqual(cell, push.cell_grid))) return;
    ivec2 first_node = ((pixel + 2) >> 2) - 1;

    // Codes of the four pixels, 1/16: upper left, upper right, lower left, lower right.
    uint shift = uint(pixel.x & 3) * 8u;
    uvec4 tile = texelFetch(source, tile_at(push.plane, pixel));
    uint a0 = ((pixel.y & 2) != 0 ? tile.z : tile.x) >> shift, a1 = ((pixel.y & 2) != 0 ? tile.w : tile.y) >> shift;
    ivec4 codes = ivec4(a0 & 255u, (a0 >> 8) & 255u, a1 & 255u, (a1 >> 8) & 255u) << 4;

    ivec4 xs, ys;
    uvec4 residuals[4]; // by corner, then by pixel
    [[unroll]] for (int corner = 0; corner < 4; ++corner) {
        ivec2 node = clamp(first_node + ivec2(corner & 1, corner >> 1), ivec2(0), push.node_grid - 1);
        ivec2 vector = unpack_vector(texelFetch(nodes, node.y * push.node_grid.x + node.x).x);
        ivec2 position = 16 * pixel + vector;
        ivec2 whole = position >> 4, part = position & 15;
        ivec2 start = clamp_start(push.plane, whole);
        uint start_shift = uint(start.x & 3) * 8u;
        int at = tile_at(push.plane, start);
        uint low[3] = column3(target, at, push.plane.tiles_across, start.y);
        uint high[3] = column3(target, at + 1, push.plane.tiles_across, start.y);
        ivec2 across[3];
        [[unroll]] for (int row = 0; row < 3; ++row) {
            uint bytes = bytes_from(low[row], high[row], start_shift);
            ivec3 p = ivec3(byte_of(bytes, 0), byte_of(bytes, 1), byte_of(bytes, 2));
            across[row] = (p.xy << 4) + part.x * (p.yz - p.xy);
        }
        ivec2 upper = (across[0] << 4) + part.y * (across[1] - across[0]);
        ivec2 lower = (across[1] << 4) + part.y * (across[2] - across[1]);
        residuals[corner] = uvec4(abs((ivec4(upper, lower) >> 4) - codes));
        xs[corner] = vector.x;
        ys[corner] = vector.y;
    }
    // By pixel, then by corner.
    uvec4 of0 = uvec4(residuals[0].x, residuals[1].x, residuals[2].x, residuals[3].x);
    uvec4 of1 = uvec4(residuals[0].y, residuals[1].y, residuals[2].y, residuals[3].y);
    uvec4 of2 = uvec4(residuals[0].z, residuals[1].z, residuals[2].z, residuals[3].z);
    uvec4 of3 = uvec4(residuals[0].w, residuals[1].w, residuals[2].w, residuals[3].w);
    if (push.cell_shift == 1) {
        write(cell, xs, ys, (of0 + of1 + of2 + of3) >> 2);
    } else {
        write(cell, xs, ys, of0);
        write(cell + ivec2(1, 0), xs, ys, of1);
        write(cell + ivec2(0, 1), xs, ys, of2);
        write(cell + ivec2(1, 1), xs, ys, of3);
    }
}
