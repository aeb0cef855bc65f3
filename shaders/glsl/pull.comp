#version 450
// pull: means of the valid cells over blocks twice as wide.
// in, out  means  u32 x2  all levels, one after the other   vector, how many cells it stands for (at most 255)
// Source: the pull half of push-pull (Gortler et al. 1996), in whole numbers.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(std430, binding = 0) buffer Means { uvec2 list[]; } means;
layout(push_constant) uniform Push {
    ivec2 below_grid;  // columns, rows of the finer level
    ivec2 above_grid;  // columns, rows of the coarser level
    uint below_first;  // where the finer level starts
    uint above_first;  // where the coarser level starts
} push;

void main() {
    ivec2 block = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(block, push.above_grid))) return;
    uvec2 sum = uvec2(0);
    uint count = 0u;
    [[unroll]] for (int corner = 0; corner < 4; ++corner) {
        ivec2 child = 2 * block + ivec2(corner & 1, corner >> 1);
        if (any(greaterThanEqual(child, push.below_grid))) continue;
        uvec2 mean = means.list[push.below_first + uint(child.y * push.below_grid.x + child.x)];
        count += mean.y;
        sum += mean.y * uvec2(unpack_vector(mean.x) + 32768);
    }
    uvec2 result = uvec2(0);
    if (count > 0u) {
        ivec2 vector = ivec2(divide(sum.x + count / 2u, count), divide(sum.y + count / 2u, count)) - 32768;
        result = uvec2(pack_vector(vector), min(count, 255u));
    }
    means.list[push.above_first + uint(block.y * push.above_grid.x + block.x)] = result;
}
