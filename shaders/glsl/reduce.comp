#version 450
// reduce: what motion is searched on, of a frame of 10 bits: its luma in 8, rounded, in tiles with their border.
// in   planes  u16 x4  rows with a border  codes of 10 bits
// out  tiles   u8 x16  full-size plane     codes of 8 bits: (code + 2) / 4
// One invocation writes one tile, border tiles included.
// Source: own; the search needs no more than 8 bits, the made frame is sampled from all 10.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "deep.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer planes;
layout(std430, binding = 1) writeonly buffer Luma { uvec4 tiles[]; } luma;
layout(push_constant) uniform Push { DeepPlane deep; Plane reduced; } push;

void main() {
    ivec2 place = ivec2(gl_GlobalInvocationID.xy);
    ivec2 last = ivec2(push.reduced.width_px, push.reduced.height_px) - 1;
    ivec2 tiles = (last >> 2) + 1 + 2 * PAD_TILES;
    if (any(greaterThanEqual(place, tiles))) return;
    ivec2 corner = 4 * (place - PAD_TILES);
    uvec4 made = uvec4(0u);
    [[unroll]] for (int row = 0; row < 4; ++row) {
        // Borders of rows are as wide as those of tiles.
        int y = clamp(corner.y + row, 0, last.y);
        int at = int(push.deep.first_texel) + y * int(push.deep.texels_across) + place.x;
        uvec4 codes = uvec4(min((codes_of(texelFetch(planes, at).xy) + 2) >> 2, 255));
        made[row] = codes.x | (codes.y << 8) | (codes.z << 16) | (codes.w << 24);
    }
    luma.tiles[push.reduced.first_tile + uint(place.y) * push.reduced.tiles_across + uint(place.x)] = made;
}
