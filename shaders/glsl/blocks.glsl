// Bicubic samples of blocks of 8-bit codes that move along one vector. After planes.glsl and mixing.glsl.

TILE_COLUMN(column5, 5, 2)

ivec4 bytes(uint word) { return ivec4(word, word >> 8, word >> 16, word >> 24) & 255; }

// Four samples of a 2x2 block at `offset` in 1/32 px, in 1/16 code: upper left, upper right, lower left, lower right.
ivec4 bicubic_block(usamplerBuffer tiles, Plane plane, ivec2 pixel, ivec2 offset) {
    ivec2 start = clamp_start(plane, pixel + (offset >> 5) - 1);
    ivec4 across = bicubic_weights(offset.x & 31), down = bicubic_weights(offset.y & 31);
    uint shift = uint(start.x & 3) * 8u;
    int at = tile_at(plane, start);
    uint low[5] = column5(tiles, at, plane.tiles_across, start.y);
    uint high[5] = column5(tiles, at + 1, plane.tiles_across, start.y);
    ivec4 sums = ivec4(512);
    [[unroll]] for (int row = 0; row < 5; ++row) {
        ivec4 left = bytes(bytes_from(low[row], high[row], shift));
        ivec4 right = ivec4(left.yzw, (high[row] >> shift) & 255u);
        ivec2 part = ivec2(sum4(across * left), sum4(across * right));
        if (row < 4) sums.xy += down[row] * part;
        if (row > 0) sums.zw += down[row - 1] * part;
    }
    return sums >> 10;
}
