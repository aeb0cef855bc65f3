// Sampling weights and the mixture of both frames' samples, whatever the bits of a code. Before it is included:
// CODE, a code of 8 bits in the codes at hand, and CODE_MAX, the largest of them.

// What an outer tap takes away, in 1/128: Keys' kernel of a = -0.75, its phase bent so that its centre is where it should be.
int outer(int p, int rest) {
    return (p * rest * rest * (1024 + 80 * p - 3 * p * p) + (1 << 18)) >> 19;
}

// The four weights of a phase in 1/32 px, in 1/128; they sum to 128, and their centre is the phase exactly.
ivec4 bicubic_weights(int phase) {
    int rest = 32 - phase;
    int left = outer(phase, rest), right = outer(rest, phase);
    return ivec4(-left, 4 * rest + 2 * left - right, 4 * phase + 2 * right - left, -right);
}

int sum4(ivec4 v) { return v.x + v.y + v.z + v.w; }

const int FAINT = 6 * 16 * CODE; // in 1/16 of the codes at hand

// Mixes samples in 1/16 code as the cell's choice says; `still_a` and `still_b` are the codes as they stand. What rests is shown
// unmoved where the motion would change it by more than a code of 8 bits and one of the samples is what stands there, or both
// nearly: something that passes over it is in both. What is overlaid is shown unmoved whatever the samples.
ivec4 mixed(ivec4 a, ivec4 b, ivec4 still_a, ivec4 still_b, uint how, bvec4 rests, bvec4 overlaid, int time) {
    int of_first = int(how & 0xffffu), unmoved = int(how >> 16);
    ivec4 moved = b + ((of_first * (a - b) + 8192) >> 14);
    ivec4 still = (still_a << 4) + ((time * (still_b - still_a) + 512) >> 10);
    ivec4 mix_q4 = moved + ((unmoved * (still - moved) + 128) >> 8);
    ivec4 codes = clamp((mix_q4 + 8) >> 4, 0, CODE_MAX), still_codes = (still + 8) >> 4;
    if (!any(rests) && !any(overlaid)) return codes;
    ivec4 off_a = abs(a - still), off_b = abs(b - still);
    ivec4 least = min(off_a, off_b), most = max(off_a, off_b);
    ivec4 one_sided = ivec4(lessThanEqual(4 * least, most)) | ivec4(lessThanEqual(most, ivec4(FAINT)));
    ivec4 stays = ivec4(overlaid) | (ivec4(rests) & one_sided);
    ivec4 far = ivec4(greaterThan(abs(codes - still_codes), ivec4(CODE)));
    return mix(codes, still_codes, notEqual(stays & far, ivec4(0)));
}
