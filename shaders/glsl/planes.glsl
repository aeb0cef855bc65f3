// Planes of 8-bit codes, four to a word, least significant byte first, with 16 repeated edge pixels on the left and at
// least as many on the right. A reader clamps where a window starts, never a single pixel; rows it clamps one by one.

struct Plane {
    uint first_word;   // where the border of row 0 starts
    uint stride_words; // from one row to the next
    int width_px;
    int height_px;
};

const int PAD_WORDS = 4;

// A window that starts more than 12 px outside shows the edge only: moving its start does not change it.
int clamp_start(Plane plane, int x) {
    return clamp(x, -12, plane.width_px);
}

// The word of row y that holds pixel x; x within the border, y anywhere.
uint word_at(Plane plane, int x, int y) {
    int row = clamp(y, 0, plane.height_px - 1);
    return plane.first_word + uint(row) * plane.stride_words + uint((x >> 2) + PAD_WORDS);
}

// Four bytes from `shift` bits on (0, 8, 16 or 24) of two words.
uint bytes_from(uint low, uint high, uint shift) {
    return (low >> shift) | ((high << 1) << (31u - shift));
}

int byte_of(uint word, int index) {
    return int((word >> (8 * index)) & 255u);
}
