#version 450
// composite: samples both frames along the chosen flow and mixes them into codes, a vector for 2x2 luma pixels.
// in   first, second                u8 x16  full-size luma planes            codes
// in   first_chroma, second_chroma  u8 x16  U and V planes, half the size    codes
// in   choices                      u32 x2  cell rows x columns              as select.comp writes it
// in   moment                       i32     the output time in 1/16384 of the way from the first frame to the second
// in   overlays                     u32     tile rows x columns              as overlay.comp writes it
// out  made                         u8 x4   Y, U, V without borders          codes, rows padded to whole words of the chroma
// One invocation makes 8x2 luma and 4x1 pixels of each chroma plane: whole words. Bicubic with a = -0.75, 1/32 px.
// Source: Keys 1981 for the kernel; a = -0.75 was best of those measured, but moves a picture by up to 0.048 px: see
// bicubic_weights.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
const int CODE = 1;
const int CODE_MAX = 255;
#include "mixing.glsl"
#include "blocks.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer first;
layout(binding = 1) uniform usamplerBuffer second;
layout(binding = 2) uniform usamplerBuffer first_chroma;
layout(binding = 3) uniform usamplerBuffer second_chroma;
layout(binding = 4) uniform usamplerBuffer choices;
layout(std430, binding = 5) writeonly buffer Made { uint words[]; } made;
layout(std140, binding = 6) uniform Moment { int time_q14; } moment;
layout(binding = 7) uniform usamplerBuffer overlays;
layout(push_constant) uniform Push {
    Plane luma;
    Plane chroma;       // U
    uint v_first_tile;  // V lies as U does, from here
    int cell_columns;
    int luma_to_cell;   // log2 of a cell's side in luma px
    int finest;         // level of the vectors
    uint made_u_word;   // where U and V start in the made frame
    uint made_v_word;
    uint made_chroma_stride_words; // luma's is twice that
} push;

TILE_COLUMN(column4, 4, 2)

// The block as it stands, in codes.
ivec4 still_block(usamplerBuffer tiles, ivec2 pixel) {
    return block_of(texelFetch(tiles, tile_at(push.luma, pixel)), pixel);
}

// One sample of a chroma plane whose window starts at a tile, in 1/16 code.
int chroma_sample(usamplerBuffer tiles, int at, ivec2 start, ivec4 across, ivec4 down) {
    uint shift = uint(start.x & 3) * 8u;
    uint low[4] = column4(tiles, at, push.chroma.tiles_across, start.y);
    uint high[4] = column4(tiles, at + 1, push.chroma.tiles_across, start.y);
    int sum = 512;
    [[unroll]] for (int row = 0; row < 4; ++row) {
        sum += down[row] * sum4(across * bytes(bytes_from(low[row], high[row], shift)));
    }
    return sum >> 10;
}

// One sample each of U and V at `offset` in 1/32 px, in 1/16 code.
ivec2 chroma_pixel(usamplerBuffer tiles, ivec2 pixel, ivec2 offset) {
    ivec2 start = clamp_start(push.chroma, pixel + (offset >> 5) - 1);
    ivec4 across = bicubic_weights(offset.x & 31), down = bicubic_weights(offset.y & 31);
    int at = tile_at(push.chroma, start), at_v = at + int(push.v_first_tile);
    return ivec2(chroma_sample(tiles, at, start, across, down), chroma_sample(tiles, at_v, start, across, down));
}

// U and V as they stand, in codes.
ivec2 still_chroma(usamplerBuffer tiles, ivec2 pixel) {
    int at = tile_at(push.chroma, pixel), row = pixel.y & 3;
    uvec4 u = texelFetch(tiles, at), v = texelFetch(tiles, at + int(push.v_first_tile));
    uvec2 words = row == 0 ? uvec2(u.x, v.x) : row == 1 ? uvec2(u.y, v.y) : row == 2 ? uvec2(u.z, v.z) : uvec2(u.w, v.w);
    return ivec2((words >> (uint(pixel.x & 3) * 8u)) & 255u);
}

void main() {
    ivec2 block = ivec2(gl_GlobalInvocationID.xy);
    if (uint(block.x) >= push.made_chroma_stride_words || 2 * block.y >= push.luma.height_px) return;
    uvec2 upper = uvec2(0), lower = uvec2(0);
    uint u_word = 0u, v_word = 0u;
    int overlay_columns = int(push.luma.tiles_across) - 2 * PAD_TILES;
    // Rows end in whole words: what is made beyond the picture is not looked at.
    [[unroll]] for (int quad = 0; quad < 4; ++quad) {
        ivec2 pixel = ivec2(min(8 * block.x + 2 * quad, push.luma.width_px - 2), 2 * block.y);
        ivec2 cell = pixel >> push.luma_to_cell;
        uvec2 choice = texelFetch(choices, cell.y * push.cell_columns + cell.x).xy;
        ivec2 flow = unpack_vector(choice.x) << (push.finest + 1);
        ivec4 still_a = ivec4(0), still_b = ivec4(0);
        uint overlay = texelFetch(overlays, (pixel.y >> 2) * overlay_columns + (pixel.x >> 2)).x;
        bool still = overlay != 0u || (choice.y >> 16) > 0u;
        bvec4 rests = bvec4(false), overlaid = bvec4(false);
        if (still) {
            still_a = still_block(first, pixel);
            still_b = still_block(second, pixel);
            // A logo, a caption, a bar: what is the same in both frames. Of a stroke one pixel wide two of the four are.
            bvec4 same = lessThanEqual(abs(still_a - still_b), ivec4(CODE));
            rests = bvec4((overlay & 1u) != 0u && all(same));
            if ((overlay & 2u) != 0u && sum4(ivec4(same)) >= 2) overlaid = same;
        }

        ivec2 back = (flow * moment.time_q14 + 8192) >> 14;
        ivec4 a = bicubic_block(first, push.luma, pixel, -back), b = bicubic_block(second, push.luma, pixel, flow - back);
        uvec4 codes = uvec4(mixed(a, b, still_a, still_b, choice.y, rests, overlaid, moment.time_q14));
        uint place = 16u * uint(quad & 1);
        upper[quad >> 1] |= (codes.x | (codes.y << 8)) << place;
        lower[quad >> 1] |= (codes.z | (codes.w << 8)) << place;

        ivec2 place_c = pixel >> 1;
        ivec2 chroma_flow = flow >> 1;
        ivec2 chroma_back = (chroma_flow * moment.time_q14 + 8192) >> 14;
        ivec2 ca = chroma_pixel(first_chroma, place_c, -chroma_back);
        ivec2 cb = chroma_pixel(second_chroma, place_c, chroma_flow - chroma_back);
        if (still) {
            still_a.xy = still_chroma(first_chroma, place_c);
            still_b.xy = still_chroma(second_chroma, place_c);
        }
        uvec4 chroma_codes = uvec4(mixed(
            ivec4(ca, 0, 0), ivec4(cb, 0, 0), still_a, still_b, choice.y, rests, bvec4(all(overlaid)),
            moment.time_q14));
        u_word |= chroma_codes.x << (8 * quad);
        v_word |= chroma_codes.y << (8 * quad);
    }
    uint stride = push.made_chroma_stride_words;
    uint luma_at = 4u * stride * uint(block.y) + 2u * uint(block.x);
    made.words[luma_at] = upper.x;
    made.words[luma_at + 1u] = upper.y;
    made.words[luma_at + 2u * stride] = lower.x;
    made.words[luma_at + 2u * stride + 1u] = lower.y;
    uint chroma_at = stride * uint(block.y) + uint(block.x);
    made.words[push.made_u_word + chroma_at] = u_word;
    made.words[push.made_v_word + chroma_at] = v_word;
}
