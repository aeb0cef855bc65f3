// Planes of 8-bit codes in tiles of 4x4: a texel of four words, a word for each row, its least significant byte on the left.
// Three tiles of repeated edge pixels lie on every side. A reader clamps where a window starts, never a single pixel.
// Readers see a plane as a texel buffer: one read brings 16 pixels.

struct Plane {
    uint first_tile;   // the upper left one of the border
    uint tiles_across; // border included
    int width_px;
    int height_px;
};

const int PAD_TILES = 3;

// A window of up to 9 px that starts more than 12 px outside shows the edge only: moving its start does not change it.
ivec2 clamp_start(Plane plane, ivec2 pixel) {
    return clamp(pixel, ivec2(-12), ivec2(plane.width_px, plane.height_px));
}

// The tile that holds a pixel within the border.
int tile_at(Plane plane, ivec2 pixel) {
    ivec2 tile = (pixel >> 2) + PAD_TILES;
    return int(plane.first_tile) + tile.y * int(plane.tiles_across) + tile.x;
}

// Words of consecutive rows, the first of them row y & 3 of the tile `at`, from tiles that lie below each other.
#define TILE_COLUMN(name, ROWS, TILES)                                         \
    uint[ROWS] name(usamplerBuffer tiles, int at, uint tiles_across, int y) {  \
        uint rows[4 * TILES];                                                  \
        [[unroll]] for (int tile = 0; tile < TILES; ++tile) {                  \
            uvec4 four = texelFetch(tiles, at + tile * int(tiles_across));     \
            rows[4 * tile] = four.x;                                           \
            rows[4 * tile + 1] = four.y;                                       \
            rows[4 * tile + 2] = four.z;                                       \
            rows[4 * tile + 3] = four.w;                                       \
        }                                                                      \
        bool two = (y & 2) != 0, one = (y & 1) != 0;                           \
        uint found[ROWS];                                                      \
        [[unroll]] for (int row = 0; row < ROWS; ++row) {                      \
            uint even = two ? rows[row + 2] : rows[row];                       \
            uint odd = two ? rows[row + 3] : rows[row + 1];                    \
            found[row] = one ? odd : even;                                     \
        }                                                                      \
        return found;                                                          \
    }

// Four bytes from `shift` bits on (0, 8, 16 or 24) of two words.
uint bytes_from(uint low, uint high, uint shift) {
    return (low >> shift) | ((high << 1) << (31u - shift));
}

int byte_of(uint word, int index) {
    return int((word >> (8 * index)) & 255u);
}

// The 2x2 codes at an even pixel of its tile: upper left, upper right, lower left, lower right.
ivec4 block_of(uvec4 tile, ivec2 pixel) {
    bool lower = (pixel.y & 2) != 0;
    uint shift = uint(pixel.x & 2) * 8u;
    uint one = (lower ? tile.z : tile.x) >> shift, two = (lower ? tile.w : tile.y) >> shift;
    return ivec4(one & 255u, (one >> 8) & 255u, two & 255u, (two >> 8) & 255u);
}
