// What search.comp and propagate.comp share: their patch of the source frame, the cost of a vector, a step to a better one.
// Included after the texel buffers `source` and `target` (planes) and `plane` are declared.
// Source: inverse search of Kroeger, Timofte, Dai, Van Gool, "Fast Optical Flow using Dense Inverse Search", 2016, section 2.1,
// on patches with their mean removed.

const int COST_PER_CODE = 1024; // a code of mean difference over the 64 pixels, in units of cost
const int MARGIN = 307;         // what a challenger has to win by: 0.3 codes
const int NEAR = 8;             // 1/16 px: nearer vectors are not tried, steps find them
const int REACH = 64;           // 1/16 px: how far steps may lead from where they began
const int DAMPING = 256;        // one squared code a pixel, for doubled gradients

TILE_COLUMN(column9, 9, 3)

// Rows of the patch and one above and below, three words each: from two pixels left of the patch to two right of it.
uint patch_words[30];
ivec2 patch_origin;
ivec2 gradient_sum;
ivec3 hessian; // xx, xy, yy; mean removed

// Eight pixels as four pairs: lanes hold (0, 2), (1, 3), (4, 6), (5, 7).
uvec4 pairs(uint low, uint high) {
    return uvec4(low, low >> 8, high, high >> 8) & 0x00ff00ffu;
}
ivec4 low_half(uvec4 pair) { return ivec4(pair & 0xffffu); }
ivec4 high_half(uvec4 pair) { return ivec4(pair >> 16); }
int sum4(ivec4 v) { return v.x + v.y + v.z + v.w; }

uvec4 patch_codes(int row) {
    uint left = patch_words[3 * row], middle = patch_words[3 * row + 1], right = patch_words[3 * row + 2];
    return pairs((left >> 16) | (middle << 16), (middle >> 16) | (right << 16));
}
uvec4 patch_codes_left(int row) {
    uint left = patch_words[3 * row], middle = patch_words[3 * row + 1], right = patch_words[3 * row + 2];
    return pairs((left >> 8) | (middle << 24), (middle >> 8) | (right << 24));
}
uvec4 patch_codes_right(int row) {
    uint left = patch_words[3 * row], middle = patch_words[3 * row + 1], right = patch_words[3 * row + 2];
    return pairs((left >> 24) | (middle << 8), (middle >> 24) | (right << 8));
}

void load_patch(ivec2 node) {
    patch_origin = 4 * node - 2;
    // One pixel beyond the patch on every side lies in the three by three tiles around the node.
    int at = tile_at(plane, 4 * node - 4);
    [[unroll]] for (int column = 0; column < 3; ++column) {
        [[unroll]] for (int tile = 0; tile < 3; ++tile) {
            uvec4 rows = texelFetch(source, at + tile * int(plane.tiles_across) + column);
            [[unroll]] for (int row = 0; row < 4; ++row) {
                // Bounds and places known when this is compiled: the patch stays in registers.
                int place = 4 * tile + row - 1;
                if (place >= 0 && place < 10) patch_words[3 * place + column] = rows[row];
            }
        }
    }
    gradient_sum = ivec2(0);
    hessian = ivec3(0);
    [[unroll]] for (int row = 1; row < 9; ++row) {
        uvec4 left = patch_codes_left(row), right = patch_codes_right(row);
        uvec4 above = patch_codes(row - 1), below = patch_codes(row + 1);
        ivec4 x0 = low_half(right) - low_half(left), x1 = high_half(right) - high_half(left);
        ivec4 y0 = low_half(below) - low_half(above), y1 = high_half(below) - high_half(above);
        gradient_sum += ivec2(sum4(x0 + x1), sum4(y0 + y1));
        hessian += ivec3(sum4(x0 * x0 + x1 * x1), sum4(x0 * y0 + x1 * y1), sum4(y0 * y0 + y1 * y1));
    }
    ivec2 g = gradient_sum;
    hessian += ivec3(DAMPING - ((g.x * g.x) >> 6), -((g.x * g.y) >> 6), DAMPING - ((g.y * g.y) >> 6));
}

// Cost of a vector; and gradient times residual, the mean of both removed.
int compare(ivec2 vector, out ivec2 pull) {
    ivec2 position = 16 * patch_origin + vector;
    ivec2 whole = position >> 4;
    uint fx = uint(position.x & 15), fy = uint(position.y & 15);
    ivec2 start = clamp_start(plane, whole);
    uint shift = uint(start.x & 3) * 8u;
    int at = tile_at(plane, start);
    uint w0[9] = column9(target, at, plane.tiles_across, start.y);
    uint w1[9] = column9(target, at + 1, plane.tiles_across, start.y);
    uint w2[9] = column9(target, at + 2, plane.tiles_across, start.y);

    uvec4 samples[8]; // Q8, two pixels to a lane, as in pairs()
    uvec4 above = uvec4(0);
    [[unroll]] for (int row = 0; row < 9; ++row) {
        uint low = bytes_from(w0[row], w1[row], shift), high = bytes_from(w1[row], w2[row], shift);
        uint last = (w2[row] >> shift) & 255u;
        uvec4 here = pairs(low, high);
        uvec4 next = uvec4(here.y, ((low >> 16) & 255u) | ((high & 255u) << 16), here.w, ((high >> 16) & 255u) | (last << 16));
        // Differences may borrow between the halves of a lane; the sums, which are positive, give it back.
        uvec4 across = (here << 4) + fx * (next - here);
        if (row > 0) samples[row - 1] = (above << 4) + fy * (across - above);
        above = across;
    }

    int sum = 0, clipped_sum = 0;
    pull = ivec2(0);
    [[unroll]] for (int row = 0; row < 8; ++row) {
        uvec4 codes = patch_codes(row + 1);
        ivec4 r0 = (low_half(samples[row]) >> 4) - (low_half(codes) << 4);
        ivec4 r1 = (high_half(samples[row]) >> 4) - (high_half(codes) << 4);
        sum += sum4(r0 + r1);
        r0 = clamp(r0, -1024, 1024);
        r1 = clamp(r1, -1024, 1024);
        clipped_sum += sum4(r0 + r1);
        uvec4 left = patch_codes_left(row + 1), right = patch_codes_right(row + 1);
        uvec4 up = patch_codes(row), down = patch_codes(row + 2);
        pull.x += sum4((low_half(right) - low_half(left)) * r0 + (high_half(right) - high_half(left)) * r1);
        pull.y += sum4((low_half(down) - low_half(up)) * r0 + (high_half(down) - high_half(up)) * r1);
    }
    pull -= (gradient_sum * clipped_sum) >> 6;

    int mean = clamp(sum >> 6, -192, 192);
    int cost = 10 * abs(mean);
    [[unroll]] for (int row = 0; row < 8; ++row) {
        uvec4 codes = patch_codes(row + 1);
        ivec4 r0 = (low_half(samples[row]) >> 4) - (low_half(codes) << 4) - mean;
        ivec4 r1 = (high_half(samples[row]) >> 4) - (high_half(codes) << 4) - mean;
        cost += sum4(min(abs(r0), 640) + min(abs(r1), 640));
    }
    ivec2 centre = whole + 4;
    if (any(lessThan(centre, ivec2(0))) || centre.x >= plane.width_px || centre.y >= plane.height_px) {
        cost += 8 * COST_PER_CODE;
    }
    return cost;
}

// numerator / denominator * 2^exponent, rounded, at most REACH either way.
int ratio(int numerator, int denominator, int exponent) {
    uint above = uint(abs(numerator)) >> clamp(-exponent, 0, 31);
    uint below = max(uint(denominator) >> clamp(exponent, 0, 31), 1u);
    int rounded = int(min(divide(above + below / 2u, below), uint(REACH)));
    return numerator < 0 ? -rounded : rounded;
}

// The step in 1/16 px: Hessian^-1 times pull in 32-bit integers, both cut to 14 and 15 bits first.
ivec2 solve(ivec2 pull) {
    int cut = max(findMSB(max(hessian.x, hessian.z)) + 1 - 14, 0);
    ivec3 h = hessian >> cut;
    int pull_cut = max(findMSB(max(abs(pull.x), abs(pull.y))) + 1 - 15, 0);
    ivec2 b = pull >> pull_cut;
    int determinant = max(h.x * h.z - h.y * h.y, h.x + h.z);
    int exponent = 1 + pull_cut - cut;
    return ivec2(ratio(h.z * b.x - h.y * b.y, determinant, exponent), ratio(h.x * b.y - h.y * b.x, determinant, exponent));
}

bool is_near(ivec2 one, ivec2 other) {
    return all(lessThan(abs(one - other), ivec2(NEAR)));
}

const int CANDIDATES = 5;
const int NOTHING_YET = 1 << 29; // a cost that everything beats

// Tries the first `count` candidates and, if one of them is taken, goes on from the best in steps: each looks at the
// target once more. A candidate's look also serves the first step, and every invocation goes on to its own next look,
// so that those of a group seldom wait for each other.
void improve(ivec2 candidates[CANDIDATES], int count, int steps, inout ivec2 best, inout int best_cost) {
    bool found = best_cost < NOTHING_YET, stepping = false, taken = false;
    ivec2 vector, best_pull, start;
    int turn = -1, looked = 1;
    while (true) {
        if (!stepping) {
            do {
                ++turn;
                vector = turn == 0   ? candidates[0]
                         : turn == 1 ? candidates[1]
                         : turn == 2 ? candidates[2]
                         : turn == 3 ? candidates[3]
                                     : candidates[4];
            } while (turn < count && found && is_near(best, vector));
            if (turn >= count) {
                if (!taken) break;
                stepping = true;
                start = best;
            }
        }
        if (stepping) {
            if (looked >= steps) break;
            ++looked;
            ivec2 delta = solve(best_pull);
            vector = best - delta;
            ivec2 moved = abs(vector - start);
            if (delta == ivec2(0) || max(moved.x, moved.y) > REACH) break;
        }
        ivec2 pull;
        int cost = compare(vector, pull);
        if (stepping ? cost < best_cost : cost + MARGIN < best_cost) {
            best = vector;
            best_cost = cost;
            best_pull = pull;
            found = true;
            taken = true;
        } else if (stepping) {
            break;
        }
    }
}
