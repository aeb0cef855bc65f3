#version 450
// densify: one vector per cell of the flow field from the four patches that cover it, the better fitting counting more.
// in   source, target  u8 x4   planes of the finest node level   codes
// in   nodes           u32 x2  node rows x columns               vector in 1/16 px, cost
// out  flow            u32 x2  cell rows x columns               vector in 1/16 px; residual in 1/16 code and spread << 16 in 1/16 px
// A cell is one pixel of that level, or 2x2 where the finest level is the full size.
// Source: densification of Kroeger 2016, section 2.2, weights 1 / max(1, |difference|).
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(std430, binding = 0) readonly buffer Source { uint words[]; } source;
layout(std430, binding = 1) readonly buffer Target { uint words[]; } target;
layout(std430, binding = 2) readonly buffer Nodes { uvec2 list[]; } nodes;
layout(std430, binding = 3) writeonly buffer Flow { uvec2 cells[]; } flow;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 node_grid; // columns, rows
    ivec2 cell_grid; // columns, rows
    int cell_shift;  // log2 of a cell's side in px: 0 or 1
} push;

// Sums of weight times value are positive: the division rounds half up.
int weighted(ivec4 weights, uvec4 values, uint total) {
    uvec4 parts = uvec4(weights) * values;
    return int((parts.x + parts.y + parts.z + parts.w + total / 2u) / total);
}

void main() {
    ivec2 cell = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(cell, push.cell_grid))) return;
    ivec2 pixel = cell << push.cell_shift;
    ivec2 first_node = ((pixel + 2) >> 2) - 1;

    // Codes of the cell's pixels, 1/16: the second row and column count only where a cell has them.
    uint shift = uint(pixel.x & 3) * 8u;
    uint at0 = word_at(push.plane, pixel.x, pixel.y), at1 = word_at(push.plane, pixel.x, pixel.y + 1);
    uint a0 = source.words[at0] >> shift, a1 = source.words[at1] >> shift;
    ivec4 codes = ivec4(a0 & 255u, (a0 >> 8) & 255u, a1 & 255u, (a1 >> 8) & 255u) << 4;

    ivec4 xs, ys, weights, residuals;
    [[unroll]] for (int corner = 0; corner < 4; ++corner) {
        ivec2 node = clamp(first_node + ivec2(corner & 1, corner >> 1), ivec2(0), push.node_grid - 1);
        ivec2 vector = unpack_vector(nodes.list[node.y * push.node_grid.x + node.x].x);
        ivec2 position = 16 * pixel + vector;
        ivec2 whole = position >> 4, part = position & 15;
        int start = clamp_start(push.plane, whole.x);
        uint start_shift = uint(start & 3) * 8u;
        ivec2 across[3];
        [[unroll]] for (int row = 0; row < 3; ++row) {
            if (row == 2 && push.cell_shift == 0) {
                across[row] = ivec2(0);
                continue;
            }
            uint at = word_at(push.plane, start, whole.y + row);
            uint bytes = bytes_from(target.words[at], target.words[at + 1], start_shift);
            ivec3 p = ivec3(byte_of(bytes, 0), byte_of(bytes, 1), byte_of(bytes, 2));
            across[row] = (p.xy << 4) + part.x * (p.yz - p.xy);
        }
        ivec2 upper = (across[0] << 4) + part.y * (across[1] - across[0]);
        ivec2 lower = (across[1] << 4) + part.y * (across[2] - across[1]);
        ivec4 differences = abs((ivec4(upper, lower) >> 4) - codes);
        int residual = push.cell_shift == 0
            ? differences.x
            : (differences.x + differences.y + differences.z + differences.w) >> 2;
        xs[corner] = vector.x;
        ys[corner] = vector.y;
        residuals[corner] = residual;
        weights[corner] = 4096 / max(residual, 16);
    }
    uint total = uint(weights.x + weights.y + weights.z + weights.w);
    ivec2 mean = ivec2(weighted(weights, uvec4(xs + 32768), total), weighted(weights, uvec4(ys + 32768), total)) - 32768;
    int spread = weighted(weights, uvec4(min(abs(xs - mean.x) + abs(ys - mean.y), 4095)), total);
    int residual = weighted(weights, uvec4(residuals), total);
    flow.cells[cell.y * push.cell_grid.x + cell.x] = uvec2(pack_vector(mean), uint(residual) | (uint(spread) << 16));
}
