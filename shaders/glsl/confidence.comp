#version 450
// confidence: how much the vector of a cell is to be trusted, 1 to 1023.
// in   forward, backward  u32 x2  cell rows x columns     flow of this direction and of the other, as densify.comp writes it
// in   here, there        u8 x16  planes of the cell level  codes, of this direction's frame and of the other
// out  priorities         u32     cell rows x columns     1..1023
// out  facts              u32     [4] cells with a priority of 64 or more, [77] cells that changed in place, [78] those of them
//                                 that lead astray; added to what is there
// Source: the importance metric of Niklaus, Hu, Chen, "Splatting-based Synthesis", 2023 (brightness, consistency, variance).
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "planes.glsl"
#include "vectors.glsl"
#include "divide.glsl"
layout(local_size_x = 8, local_size_y = 8) in;
layout(binding = 0) uniform usamplerBuffer forward;
layout(binding = 1) uniform usamplerBuffer backward;
layout(binding = 2) uniform usamplerBuffer here;
layout(binding = 3) uniform usamplerBuffer there;
layout(std430, binding = 4) writeonly buffer Priorities { uint list[]; } priorities;
layout(std430, binding = 5) buffer Facts { uint sums[]; } facts;
layout(push_constant) uniform Push {
    Plane plane;
    ivec2 grid;     // columns, rows
    int cell_shift; // log2 of a cell's side in px of the vectors' level
} push;

const int OUTSIDE = 32;      // 1/16 px: what a vector that leaves the frame counts as inconsistency
const int UNLIKE = 12 * 16;  // 1/16 code
// A way back that ends farther from its cell leads to something else: of what is unlike anyway, and of everything.
const int MISSED_CELLS = 2, FAR_CELLS = 4;

// 1 / (1 + value / half_way) in 1/1024.
int trust(int half_way, int value) {
    return int(divide(uint(1024 * half_way), uint(half_way + value)));
}

// The priority of a cell inside the grid, and whether its vector leads astray.
uint priority(ivec2 cell, out bool astray) {
    uvec2 own = texelFetch(forward, cell.y * push.grid.x + cell.x).xy;
    ivec2 vector = unpack_vector(own.x);
    ivec2 to = cell + ((vector + (8 << push.cell_shift)) >> (4 + push.cell_shift));
    int inconsistency = OUTSIDE;
    if (all(greaterThanEqual(to, ivec2(0))) && all(lessThan(to, push.grid))) {
        ivec2 loop = abs(vector + unpack_vector(texelFetch(backward, to.y * push.grid.x + to.x).x));
        inconsistency = max(loop.x, loop.y) + min(loop.x, loop.y) / 2;
    }
    int residual = int(own.y & 0xffffu);
    int missed = inconsistency >> (4 + push.cell_shift);
    astray = missed >= (residual > UNLIKE ? MISSED_CELLS : FAR_CELLS);
    int doubt = 3072 - trust(160, residual) - trust(32, inconsistency) - trust(32, int(own.y >> 16));
    // exp(-6 doubt): 6 / ln 2 = 8864 / 1024; powers of two with straight lines between.
    int exponent = (doubt * 8864) >> 10;
    int value = ((1023 * (2048 - (exponent & 1023))) >> 11) >> min(exponent >> 10, 31);
    return uint(max(value, 1));
}

const uint TRUSTED = 64u;
const int CHANGED = 10; // codes

shared uint found; // trusted cells, changed ones << 10, strayed ones << 20: at most 256 each

void main() {
    if (gl_LocalInvocationIndex == 0u) found = 0u;
    barrier();
    // Four cells an invocation, one below the other: one tile of each plane, and fewer sums to join.
    ivec2 top = ivec2(gl_GlobalInvocationID.xy) * ivec2(1, 4);
    uint own_found = 0u;
    if (all(lessThan(top, push.grid))) {
        int tile = tile_at(push.plane, top);
        uvec4 codes = texelFetch(here, tile), others = texelFetch(there, tile);
        for (int row = 0; row < 4; ++row) {
            ivec2 cell = top + ivec2(0, row);
            if (cell.y >= push.grid.y) break;
            bool astray;
            uint trust = priority(cell, astray);
            priorities.list[cell.y * push.grid.x + cell.x] = trust;
            if (trust >= TRUSTED) own_found += 1u;
            if (abs(byte_of(codes.x, top.x & 3) - byte_of(others.x, top.x & 3)) > CHANGED) {
                own_found += astray ? (1u << 20) + (1u << 10) : 1u << 10;
            }
            codes = codes.yzwx;
            others = others.yzwx;
        }
    }
    atomicAdd(found, own_found);
    barrier();
    if (gl_LocalInvocationIndex == 0u) {
        atomicAdd(facts.sums[4], found & 1023u);
        atomicAdd(facts.sums[77], (found >> 10) & 1023u);
        atomicAdd(facts.sums[78], found >> 20);
    }
}
