#version 450
// composite_tile: composite.comp where a cell is a tile of 4x4 luma pixels or more: a tile has one vector, so its windows are
// read once, and its weights found once.
// in   first, second                u8 x16  full-size luma planes            codes
// in   first_chroma, second_chroma  u8 x16  U and V planes, half the size    codes
// in   choices                      u32 x2  cell rows x columns              as select.comp writes it
// in   moment                       i32     the output time in 1/16384 of the way from the first frame to the second
// in   overlays                     u32     tile rows x columns              as overlay.comp writes it
// out  made                         u8 x4   Y, U, V without borders          codes, rows padded to whole words of the chroma
// One invocation makes 8x4 luma and 4x2 pixels of each chroma plane: whole words.
// Source: as composite.comp.
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
    int luma_to_cell;   // log2 of a cell's side in luma px: 2 or more
    int finest;         // level of the vectors
    uint made_u_word;   // where U and V start in the made frame
    uint made_v_word;
    uint made_chroma_stride_words; // luma's is twice that
} push;

TILE_COLUMN(column7, 7, 3)

// The samples of a tile, row by row, at `offset` in 1/32 px, in 1/16 code.
void luma_tile(usamplerBuffer tiles, ivec2 pixel, ivec2 offset, out ivec4 samples[4]) {
    ivec2 start = clamp_start(push.luma, pixel + (offset >> 5) - 1);
    ivec4 across = bicubic_weights(offset.x & 31), down = bicubic_weights(offset.y & 31);
    uint shift = uint(start.x & 3) * 8u;
    int at = tile_at(push.luma, start);
    uint w0[7] = column7(tiles, at, push.luma.tiles_across, start.y);
    uint w1[7] = column7(tiles, at + 1, push.luma.tiles_across, start.y);
    uint w2[7] = column7(tiles, at + 2, push.luma.tiles_across, start.y);
    [[unroll]] for (int row = 0; row < 4; ++row) samples[row] = ivec4(512);
    [[unroll]] for (int row = 0; row < 7; ++row) {
        ivec4 left = bytes(bytes_from(w0[row], w1[row], shift)), right = bytes(bytes_from(w1[row], w2[row], shift));
        ivec4 part = across.x * left + across.y * ivec4(left.yzw, right.x) + across.z * ivec4(left.zw, right.xy)
                     + across.w * ivec4(left.w, right.xyz);
        [[unroll]] for (int tap = 0; tap < 4; ++tap) {
            int made_row = row - tap;
            if (made_row >= 0 && made_row < 4) samples[made_row] += down[tap] * part;
        }
    }
    [[unroll]] for (int row = 0; row < 4; ++row) samples[row] >>= 10;
}

uint packed(ivec4 codes) {
    uvec4 c = uvec4(codes);
    return c.x | (c.y << 8) | (c.z << 16) | (c.w << 24);
}

// A 2x2 block of a chroma plane as it stands, for an even pixel.
ivec4 still_chroma(usamplerBuffer tiles, Plane plane, ivec2 pixel) {
    return block_of(texelFetch(tiles, tile_at(plane, pixel)), pixel);
}

void main() {
    ivec2 block = ivec2(gl_GlobalInvocationID.xy);
    uint stride = push.made_chroma_stride_words;
    if (uint(block.x) >= stride || 4 * block.y >= push.luma.height_px) return;
    int overlay_columns = int(push.luma.tiles_across) - 2 * PAD_TILES;
    // The picture may end after two rows of the tile.
    bool whole = 4 * block.y + 2 < push.luma.height_px;
    Plane v_plane = push.chroma;
    v_plane.first_tile = push.v_first_tile;
    uvec2 u_words = uvec2(0), v_words = uvec2(0);
    [[unroll]] for (int half_block = 0; half_block < 2; ++half_block) {
        // Rows end in whole words: what is made beyond the picture is not looked at.
        ivec2 tile = ivec2(min(2 * block.x + half_block, overlay_columns - 1), block.y);
        ivec2 pixel = 4 * tile, cell = pixel >> push.luma_to_cell;
        uvec2 choice = texelFetch(choices, cell.y * push.cell_columns + cell.x).xy;
        ivec2 flow = unpack_vector(choice.x) << (push.finest + 1);
        uint overlay = texelFetch(overlays, tile.y * overlay_columns + tile.x).x;
        bool still = overlay != 0u || (choice.y >> 16) > 0u;
        uvec4 still_a = uvec4(0), still_b = uvec4(0); // rows of four codes
        ivec4 same[4];                                // by row; 1 where both frames have the same code
        ivec4 counts = ivec4(0);                      // of the same pixels in the tile's four blocks
        [[unroll]] for (int row = 0; row < 4; ++row) same[row] = ivec4(0);
        if (still) {
            // A logo, a caption, a bar: what is the same in both frames. Of a stroke one pixel wide two of a block's four are.
            still_a = texelFetch(first, tile_at(push.luma, pixel));
            still_b = texelFetch(second, tile_at(push.luma, pixel));
            [[unroll]] for (int row = 0; row < 4; ++row) {
                same[row] = ivec4(lessThanEqual(abs(bytes(still_a[row]) - bytes(still_b[row])), ivec4(CODE)));
            }
            ivec4 upper = same[0] + same[1], lower = same[2] + same[3];
            counts = ivec4(upper.xz, lower.xz) + ivec4(upper.yw, lower.yw);
        }
        bvec4 rest = bvec4(ivec4(equal(counts, ivec4(4))) * int(overlay & 1u));
        ivec4 strokes = ivec4(greaterThanEqual(counts, ivec4(2))) * int(overlay >> 1);

        ivec2 back = (flow * moment.time_q14 + 8192) >> 14;
        ivec4 a[4], b[4];
        luma_tile(first, pixel, -back, a);
        luma_tile(second, pixel, flow - back, b);
        uint at = 8u * stride * uint(block.y) + 2u * uint(block.x) + uint(half_block);
        [[unroll]] for (int row = 0; row < 4; ++row) {
            bool upper = row < 2;
            bvec4 rests = upper ? rest.xxyy : rest.zzww;
            bvec4 overlaid = bvec4(same[row] * (upper ? strokes.xxyy : strokes.zzww));
            ivec4 codes = mixed(a[row], b[row], bytes(still_a[row]), bytes(still_b[row]), choice.y, rests, overlaid,
                                moment.time_q14);
            if (upper || whole) made.words[at + uint(row) * 2u * stride] = packed(codes);
        }

        ivec2 place = pixel >> 1;
        ivec2 chroma_flow = flow >> 1;
        ivec2 chroma_back = (chroma_flow * moment.time_q14 + 8192) >> 14;
        bvec4 overlaid = bvec4(ivec4(equal(counts, ivec4(4))) * int(overlay >> 1));
        [[unroll]] for (int turn = 0; turn < 2; ++turn) {
            Plane plane = push.chroma;
            if (turn == 1) plane = v_plane;
            ivec4 ca = bicubic_block(first_chroma, plane, place, -chroma_back);
            ivec4 cb = bicubic_block(second_chroma, plane, place, chroma_flow - chroma_back);
            ivec4 still_ca = ivec4(0), still_cb = ivec4(0);
            if (still) {
                still_ca = still_chroma(first_chroma, plane, place);
                still_cb = still_chroma(second_chroma, plane, place);
            }
            uvec4 codes = uvec4(mixed(ca, cb, still_ca, still_cb, choice.y, rest, overlaid, moment.time_q14));
            uvec2 made_rows = (codes.xz | (codes.yw << 8)) << (16 * half_block);
            if (turn == 0) u_words |= made_rows;
            else v_words |= made_rows;
        }
    }
    uint at = 2u * stride * uint(block.y) + uint(block.x);
    made.words[push.made_u_word + at] = u_words.x;
    made.words[push.made_v_word + at] = v_words.x;
    if (whole) {
        made.words[push.made_u_word + at + stride] = u_words.y;
        made.words[push.made_v_word + at + stride] = v_words.y;
    }
}
