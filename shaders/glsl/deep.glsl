// Planes of codes of more than 8 bits: rows of texels, four codes of 16 bits each, the first one lowest. Three texels of
// repeated edge codes lie left and right of every row; above and below there is nothing, a reader clamps its rows.

struct DeepPlane {
    uint first_texel;   // of the border of the first row
    uint texels_across; // border included
    int width_px;
    int height_px;
};

const int PAD_TEXELS = 3;

// The texel that holds a pixel of the row nearest to `pixel.y`; a window that starts more than 12 px outside shows the
// edge only, as in planes.glsl.
int texel_at(DeepPlane plane, ivec2 pixel) {
    int x = clamp(pixel.x, -12, plane.width_px), y = clamp(pixel.y, 0, plane.height_px - 1);
    return int(plane.first_texel) + y * int(plane.texels_across) + (x >> 2) + PAD_TEXELS;
}

ivec4 codes_of(uvec2 texel) {
    return ivec4(texel.x & 0xffffu, texel.x >> 16, texel.y & 0xffffu, texel.y >> 16);
}
