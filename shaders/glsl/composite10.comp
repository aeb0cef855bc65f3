#version 450
// composite10: composite.comp for frames of 10 bits: the same samples, the same mixture, four times as fine.
// in   first, second  u16 x4  Y, U and V planes, rows with a border  codes of 10 bits
// in   choices        u32 x2  cell rows x columns                    as select.comp writes it
// in   moment         s32     time of the output in 1/16384 of the way
// in   overlays       u32     tile rows x columns                    as overlay.comp writes it
// out  made           u16 x2  Y, U, V without borders                codes, rows padded to whole invocations
// One invocation makes 8x2 luma and 4x1 pixels of each chroma plane.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "vectors.glsl"
#include "deep.glsl"
const int CODE = 4;
const int CODE_MAX = 1023;
#include "mixing.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer first;
layout(binding = 1) uniform usamplerBuffer second;
layout(binding = 2) uniform usamplerBuffer choices;
layout(std430, binding = 3) writeonly buffer Made { uint words[]; } made;
layout(std140, binding = 4) uniform Moment { int time_q14; } moment;
layout(binding = 5) uniform usamplerBuffer overlays;
layout(push_constant) uniform Push {
    DeepPlane luma;
    DeepPlane chroma;    // U
    uint v_first_texel;  // V lies as U does, from here
    int cell_columns;
    int luma_to_cell;    // log2 of a cell's side in luma px
    int finest;          // level of the vectors
    uint made_u_word;    // where U and V start in the made frame
    uint made_v_word;
    uint made_chroma_stride_words; // luma's is twice that
} push;

// Five codes of a row from a pixel on; the last of them in `fifth`.
ivec4 five(usamplerBuffer planes, int at, int x, out int fifth) {
    uvec2 low = texelFetch(planes, at).xy, high = texelFetch(planes, at + 1).xy;
    bool two = (x & 2) != 0, one = (x & 1) != 0;
    uint a = two ? low.y : low.x, b = two ? high.x : low.y, c = two ? high.y : high.x;
    fifth = int(one ? c >> 16 : c & 0xffffu);
    return codes_of(one ? uvec2((a >> 16) | (b << 16), (b >> 16) | (c << 16)) : uvec2(a, b));
}

// Four samples of a 2x2 block at `offset` in 1/32 px, in 1/16 code: upper left, upper right, lower left, lower right.
ivec4 luma_block(usamplerBuffer planes, ivec2 pixel, ivec2 offset) {
    ivec2 start = pixel + (offset >> 5) - 1;
    int x = clamp(start.x, -12, push.luma.width_px);
    ivec4 across = bicubic_weights(offset.x & 31), down = bicubic_weights(offset.y & 31);
    ivec4 sums = ivec4(512);
    [[unroll]] for (int row = 0; row < 5; ++row) {
        int fifth;
        ivec4 left = five(planes, texel_at(push.luma, start + ivec2(0, row)), x, fifth);
        ivec2 part = ivec2(sum4(across * left), sum4(across * ivec4(left.yzw, fifth)));
        if (row < 4) sums.xy += down[row] * part;
        if (row > 0) sums.zw += down[row - 1] * part;
    }
    return sums >> 10;
}

// Codes of an even pixel and its right neighbour.
ivec2 two_codes(usamplerBuffer planes, DeepPlane plane, ivec2 pixel) {
    ivec4 codes = codes_of(texelFetch(planes, texel_at(plane, pixel)).xy);
    return (pixel.x & 2) != 0 ? codes.zw : codes.xy;
}

// The block as it stands, in codes.
ivec4 still_block(usamplerBuffer planes, ivec2 pixel) {
    return ivec4(two_codes(planes, push.luma, pixel), two_codes(planes, push.luma, pixel + ivec2(0, 1)));
}

DeepPlane v_plane() {
    DeepPlane plane = push.chroma;
    plane.first_texel = push.v_first_texel;
    return plane;
}

// One sample of a chroma plane at `offset` in 1/32 px, in 1/16 code.
int chroma_sample(usamplerBuffer planes, DeepPlane plane, ivec2 pixel, ivec2 offset) {
    ivec2 start = pixel + (offset >> 5) - 1;
    int x = clamp(start.x, -12, plane.width_px);
    ivec4 across = bicubic_weights(offset.x & 31), down = bicubic_weights(offset.y & 31);
    int sum = 512, fifth;
    [[unroll]] for (int row = 0; row < 4; ++row) {
        sum += down[row] * sum4(across * five(planes, texel_at(plane, start + ivec2(0, row)), x, fifth));
    }
    return sum >> 10;
}

// U and V as they stand, in codes.
ivec2 still_chroma(usamplerBuffer planes, ivec2 pixel) {
    ivec2 u = two_codes(planes, push.chroma, pixel), v = two_codes(planes, v_plane(), pixel);
    return (pixel.x & 1) != 0 ? ivec2(u.y, v.y) : ivec2(u.x, v.x);
}

void main() {
    ivec2 block = ivec2(gl_GlobalInvocationID.xy);
    if (2u * uint(block.x) >= push.made_chroma_stride_words || 2 * block.y >= push.luma.height_px) return;
    uint stride = push.made_chroma_stride_words;
    uint luma_at = 4u * stride * uint(block.y) + 4u * uint(block.x);
    uint chroma_at = stride * uint(block.y) + 2u * uint(block.x);
    uvec2 u_words = uvec2(0), v_words = uvec2(0);
    int overlay_columns = (push.luma.width_px + 3) >> 2;
    for (int quad = 0; quad < 4; ++quad) {
        ivec2 pixel = ivec2(8 * block.x + 2 * quad, 2 * block.y);
        if (pixel.x >= push.luma.width_px) break;
        ivec2 cell = pixel >> push.luma_to_cell;
        uvec2 choice = texelFetch(choices, cell.y * push.cell_columns + cell.x).xy;
        ivec2 flow = unpack_vector(choice.x) << (push.finest + 1);
        ivec4 still_a = still_block(first, pixel), still_b = still_block(second, pixel);
        uint overlay = texelFetch(overlays, (pixel.y >> 2) * overlay_columns + (pixel.x >> 2)).x;
        // A logo, a caption, a bar: what is the same in both frames. Of a stroke one pixel wide two of the four are.
        bvec4 same = lessThanEqual(abs(still_a - still_b), ivec4(CODE));
        bvec4 rests = bvec4((overlay & 1u) != 0u && all(same));
        bvec4 overlaid = (overlay & 2u) != 0u && sum4(ivec4(same)) >= 2 ? same : bvec4(false);

        ivec2 back = (flow * moment.time_q14 + 8192) >> 14;
        ivec4 a = luma_block(first, pixel, -back), b = luma_block(second, pixel, flow - back);
        uvec4 codes = uvec4(mixed(a, b, still_a, still_b, choice.y, rests, overlaid, moment.time_q14));
        made.words[luma_at + uint(quad)] = codes.x | (codes.y << 16);
        made.words[luma_at + 2u * stride + uint(quad)] = codes.z | (codes.w << 16);

        ivec2 place = pixel >> 1;
        ivec2 chroma_flow = flow >> 1;
        ivec2 chroma_back = (chroma_flow * moment.time_q14 + 8192) >> 14;
        ivec4 ca = ivec4(chroma_sample(first, push.chroma, place, -chroma_back),
                         chroma_sample(first, v_plane(), place, -chroma_back), 0, 0);
        ivec4 cb = ivec4(chroma_sample(second, push.chroma, place, chroma_flow - chroma_back),
                         chroma_sample(second, v_plane(), place, chroma_flow - chroma_back), 0, 0);
        ivec4 still_ca = ivec4(still_chroma(first, place), 0, 0), still_cb = ivec4(still_chroma(second, place), 0, 0);
        uvec4 chroma = uvec4(mixed(
            ca, cb, still_ca, still_cb, choice.y, rests, bvec4(all(overlaid)), moment.time_q14));
        u_words[quad >> 1] |= chroma.x << (16 * (quad & 1));
        v_words[quad >> 1] |= chroma.y << (16 * (quad & 1));
    }
    made.words[push.made_u_word + chroma_at] = u_words.x;
    made.words[push.made_u_word + chroma_at + 1u] = u_words.y;
    made.words[push.made_v_word + chroma_at] = v_words.x;
    made.words[push.made_v_word + chroma_at + 1u] = v_words.y;
}
