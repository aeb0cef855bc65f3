// Whole division by way of floats, which every device has in full width, made exact by looking at the remainder.

// numerator / denominator rounded down, for quotients up to 2^20; larger ones come out larger than that, not exact.
uint divide(uint numerator, uint denominator) {
    uint quotient = uint(float(numerator) / float(denominator));
    // Floats have 24 bits and the division 2.5 units of error: off by one at most.
    int rest = int(numerator - quotient * denominator);
    return rest < 0 ? quotient - 1u : rest >= int(denominator) ? quotient + 1u : quotient;
}
