#version 450
// resolve: turns what arrived from both frames into three flow candidates per cell at the output time.
// in   from_first, from_second  u32     cell rows x columns   as splat.comp writes it
// in   forward, backward        u32 x2  cell rows x columns   as densify.comp writes it
// out  projected                u32 x4  cell rows x columns   merged, first's and second's vector; priorities, second's << 16
// out  means                    u32 x2  cell rows x columns   merged vector, 1 where anything arrived, else 0
// Source: both-sided projection with priorities as in FidelityFX frame interpolation and SoftSplat's importance.
#extension GL_GOOGLE_include_directive : require
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer from_first;
layout(binding = 1) uniform usamplerBuffer from_second;
layout(binding = 2) uniform usamplerBuffer forward;
layout(binding = 3) uniform usamplerBuffer backward;
layout(std430, binding = 4) writeonly buffer Projected { uvec4 cells[]; } projected;
layout(std430, binding = 5) writeonly buffer Means { uvec2 list[]; } means;
layout(push_constant) uniform Push { ivec2 grid; } push; // columns, rows

const uint VOICE = 20u; // 2 % of the highest priority: neither is quite without a voice

void main() {
    ivec2 cell = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(cell, push.grid))) return;
    uint at = uint(cell.y * push.grid.x + cell.x);
    uint key_a = texelFetch(from_first, int(at)).x, key_b = texelFetch(from_second, int(at)).x;
    uvec2 trust = uvec2(key_a, key_b) >> 22;
    ivec2 merged = ivec2(0), first = ivec2(0), second = ivec2(0);
    if (trust.x > 0u) first = unpack_vector(texelFetch(forward, int(key_a & 0x3fffffu)).x);
    if (trust.y > 0u) second = -unpack_vector(texelFetch(backward, int(key_b & 0x3fffffu)).x);
    if (trust.x > 0u && trust.y > 0u) {
        uint one = trust.x + VOICE, other = trust.y + VOICE;
        uvec2 sum = one * uvec2(first + 32768) + other * uvec2(second + 32768);
        uint total = one + other;
        merged = ivec2(divide(sum.x + total / 2u, total), divide(sum.y + total / 2u, total)) - 32768;
    } else if (trust.x > 0u) {
        merged = first;
        second = first;
    } else if (trust.y > 0u) {
        merged = second;
        first = second;
    }
    uint merged_word = pack_vector(merged);
    projected.cells[at] = uvec4(merged_word, pack_vector(first), pack_vector(second), trust.x | (trust.y << 16));
    means.list[at] = uvec2(merged_word, trust == uvec2(0) ? 0u : 1u);
}
