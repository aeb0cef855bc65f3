// Vectors in 1/16 px, x right, y down, two 16-bit halves to a word.

ivec2 unpack_vector(uint word) {
    return ivec2(bitfieldExtract(int(word), 0, 16), int(word) >> 16);
}

uint pack_vector(ivec2 vector) {
    return (uint(vector.x) & 0xffffu) | (uint(vector.y) << 16);
}
