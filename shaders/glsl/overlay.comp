#version 450
// overlay: where something lies over the picture and does not move with it: a logo, a caption, a bar.
// in   standing  u32  tile rows x columns   as standing.comp writes it
// in   facts     u32  [75], [76]            as standing.comp adds them up
// out  overlays  u32  tile rows x columns   bit 0: the place rests, much of it is the same in both frames; bit 1: it is overlaid
// Judged from the 3x3 tiles around. An edge that stands still says most: behind a light that crosses a dark wall there is
// none. Where the picture as a whole stands still, what moves is in front of it, and nothing is overlaid.
// Source: own.
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer standing;
layout(std430, binding = 1) readonly buffer Facts { uint sums[]; } facts;
layout(std430, binding = 2) writeonly buffer Overlays { uint tiles[]; } overlays;
layout(push_constant) uniform Push { ivec2 grid; } push; // columns, rows of tiles

const uint UNMOVED_BLOCKS = 12u; // of 36
const uint STANDING_EDGES = 8u;
const uint SAME_PIXELS = 16u; // of 144
const uint ALL_EDGES = 75u, UNCHANGED_EDGES = 76u;

void main() {
    ivec2 tile = ivec2(gl_GlobalInvocationID.xy);
    if (any(greaterThanEqual(tile, push.grid))) return;
    uint blocks = 0u, pixels = 0u, kept = 0u, touched = 0u;
    for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
            ivec2 at = clamp(tile + ivec2(dx, dy), ivec2(0), push.grid - 1);
            uint word = texelFetch(standing, at.y * push.grid.x + at.x).x;
            blocks += word & 255u;
            kept += (word >> 8) & 255u;
            touched += (word >> 16) & 255u;
            pixels += word >> 24;
        }
    }
    bool moves = 2u * facts.sums[UNCHANGED_EDGES] < facts.sums[ALL_EDGES];
    bool overlaid = moves && pixels >= SAME_PIXELS && kept >= STANDING_EDGES && 5u * kept >= 3u * touched;
    overlays.tiles[tile.y * push.grid.x + tile.x] = (blocks >= UNMOVED_BLOCKS ? 1u : 0u) | (overlaid ? 2u : 0u);
}
