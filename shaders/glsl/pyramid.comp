#version 450
// pyramid: one level of the luma pyramid from the level above it. Separable [1 3 3 1]/8, edges clamped, rounded once.
// in   words  u8 x4  plane above   codes
// out  words  u8 x4  plane below   codes, half the size rounded up, border included
// One invocation writes one word, border words included.
// Source: binomial pyramid; FidelityFX optical flow uses the same 8-bit luma levels.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(std430, binding = 0) buffer Luma { uint words[]; } luma;
layout(push_constant) uniform Push { Plane above; Plane below; } push;

void main() {
    if (gl_GlobalInvocationID.x >= push.below.stride_words || int(gl_GlobalInvocationID.y) >= push.below.height_px) return;
    int y = int(gl_GlobalInvocationID.y);
    int x = 4 * (int(gl_GlobalInvocationID.x) - PAD_WORDS);
    // Words of the border repeat a pixel of the word at the edge: make that one and spread it.
    int last = push.below.width_px - 1;
    int from = clamp(x, 0, last & ~3);
    ivec4 sums = ivec4(32);
    [[unroll]] for (int row = 0; row < 4; ++row) {
        uint at = word_at(push.above, 2 * from - 4, 2 * y - 1 + row);
        uint w0 = luma.words[at], w1 = luma.words[at + 1], w2 = luma.words[at + 2], w3 = luma.words[at + 3];
        int p0 = byte_of(w0, 3), p9 = byte_of(w3, 0);
        ivec4 left = ivec4(byte_of(w1, 0), byte_of(w1, 2), byte_of(w2, 0), byte_of(w2, 2));
        ivec4 right = ivec4(byte_of(w1, 1), byte_of(w1, 3), byte_of(w2, 1), byte_of(w2, 3));
        ivec4 outer = ivec4(p0, right.xyz) + ivec4(left.yzw, p9);
        sums += (row == 0 || row == 3 ? 1 : 3) * (outer + 3 * (left + right));
    }
    ivec4 codes = sums >> 6;
    uint word = 0;
    [[unroll]] for (int lane = 0; lane < 4; ++lane) {
        int pixel = clamp(x + lane, 0, last) - from;
        int code = pixel == 0 ? codes.x : pixel == 1 ? codes.y : pixel == 2 ? codes.z : codes.w;
        word |= uint(code) << (8 * lane);
    }
    luma.words[push.below.first_word + uint(y) * push.below.stride_words + gl_GlobalInvocationID.x] = word;
}
