//! `composite.comp`, `composite_tile.comp` and `composite10.comp`: samples both frames along the chosen flow and mixes them into codes.

use super::push::{DeepPush, PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::{DeepLayout, Plan};
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `composite.comp` and `composite_tile.comp`.
    CompositePush {
        luma: PlanePush,
        /// U.
        chroma: PlanePush,
        /// V lies as U does, from here.
        v_first_tile: u32,
        cell_columns: u32,
        /// log2 of a cell's side in luma px.
        luma_to_cell: u32,
        /// Level of the vectors.
        finest: u32,
        made_u_word: u32,
        made_v_word: u32,
        made_chroma_stride_words: u32,
    }
}
const _: () = assert!(size_of::<CompositePush>() == 60 && offset_of!(CompositePush, v_first_tile) == 32);

push_block! {
    /// Push constants of `composite10.comp`.
    Composite10Push {
        luma: DeepPush,
        /// U.
        chroma: DeepPush,
        /// V lies as U does, from here.
        v_first_texel: u32,
        cell_columns: u32,
        /// log2 of a cell's side in luma px.
        luma_to_cell: u32,
        /// Level of the vectors.
        finest: u32,
        made_u_word: u32,
        made_v_word: u32,
        made_chroma_stride_words: u32,
    }
}
const _: () = assert!(size_of::<Composite10Push>() == 60 && offset_of!(Composite10Push, v_first_texel) == 32);

/// One invocation makes 8x2 luma pixels, or 8x4 where cells are that large.
pub fn composite(plan: &Plan) -> Dispatch {
    let made = plan.made;
    if let Some(deep) = plan.deep {
        return composite10(plan, &deep);
    }
    let (shader, rows_px) = if plan.cells >= 2 { (Shader::CompositeTile, 4) } else { (Shader::Composite, 2) };
    Dispatch {
        shader,
        buffers: vec![
            Slot::Luma(Side::First),
            Slot::Luma(Side::Second),
            Slot::Chroma(Side::First),
            Slot::Chroma(Side::Second),
            Slot::Choices,
            Slot::Made,
            Slot::Moment,
            Slot::Overlays,
        ],
        push: CompositePush {
            luma: plan.levels[0].into(),
            chroma: plan.chroma.u.into(),
            v_first_tile: plan.chroma.v.first_tile,
            cell_columns: plan.cell_grid().columns,
            luma_to_cell: plan.cells as u32,
            finest: plan.finest as u32,
            made_u_word: made.u_word,
            made_v_word: made.v_word,
            made_chroma_stride_words: made.chroma_stride_words,
        }
        .words(),
        groups: groups(made.chroma_stride_words, plan.size.height_px.div_ceil(rows_px)),
    }
}

fn composite10(plan: &Plan, deep: &DeepLayout) -> Dispatch {
    let (made, [y, u, v]) = (plan.made, deep.planes);
    Dispatch {
        shader: Shader::Composite10,
        buffers: vec![
            Slot::Deep(Side::First),
            Slot::Deep(Side::Second),
            Slot::Choices,
            Slot::Made,
            Slot::Moment,
            Slot::Overlays,
        ],
        push: Composite10Push {
            luma: y.into(),
            chroma: u.into(),
            v_first_texel: v.first_texel,
            cell_columns: plan.cell_grid().columns,
            luma_to_cell: plan.cells as u32,
            finest: plan.finest as u32,
            made_u_word: made.u_word,
            made_v_word: made.v_word,
            made_chroma_stride_words: made.chroma_stride_words,
        }
        .words(),
        groups: groups(plan.size.width_px.div_ceil(8), plan.size.height_px / 2),
    }
}
