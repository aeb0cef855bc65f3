// Two players of the same moment, one over the other: left of the line the source, right of it the result.

import { make } from "./page.js";

// Further apart than this and the source is put where the result is; half a frame at 30 a second.
const APART_MAX = 1 / 60;
const SPEEDS = [1, 0.5, 0.25, 0.1];

// `after` leads: it has the more frames, so that steps go by its frames.
export function compare(before, after, fps) {
  const source = make("video", { src: before, muted: true, playsinline: true, loop: true, preload: "auto", "aria-label": "Source" });
  const result = make("video", { src: after, class: "after", playsinline: true, loop: true, preload: "auto", "aria-label": "Result" });
  source.muted = true;
  const stage = make("div", { class: "stage" }, source, result, make("div", { class: "edge" }),
    make("span", { class: "tag left" }, "before"), make("span", { class: "tag right" }, "after"));
  const split = make("input", { type: "range", min: 0, max: 100, value: 50, step: 1, "aria-label": "Line between before and after" });
  const setSplit = () => stage.style.setProperty("--split", `${split.value}%`);
  split.addEventListener("input", setSplit);
  stage.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons === 0) return;
    const box = stage.getBoundingClientRect();
    split.value = Math.round(((event.clientX - box.left) / box.width) * 100);
    setSplit();
  });

  const play = make("button", { type: "button" }, "Play");
  const meet = () => {
    if (Math.abs(source.currentTime - result.currentTime) > APART_MAX) source.currentTime = result.currentTime;
  };
  const toggle = async () => {
    if (result.paused) {
      source.currentTime = result.currentTime;
      await Promise.all([result.play(), source.play()]).catch(() => {});
    } else {
      result.pause();
      source.pause();
      meet();
    }
  };
  play.addEventListener("click", toggle);
  result.addEventListener("play", () => (play.textContent = "Pause"));
  result.addEventListener("pause", () => (play.textContent = "Play"));
  result.addEventListener("timeupdate", meet);
  result.addEventListener("seeked", () => result.paused && meet());

  const speed = make("select", { "aria-label": "Speed" },
    ...SPEEDS.map((times) => make("option", { value: times }, times === 1 ? "Full speed" : `${times}× slow motion`)));
  speed.addEventListener("change", () => {
    source.playbackRate = result.playbackRate = Number(speed.value);
  });
  const step = (frames) => {
    result.pause();
    source.pause();
    result.currentTime = Math.max(0, Math.min(result.duration || 0, result.currentTime + frames / fps));
  };
  const back = make("button", { type: "button", "aria-label": "One frame back", onclick: () => step(-1) }, "◀ frame");
  const on = make("button", { type: "button", "aria-label": "One frame on", onclick: () => step(1) }, "frame ▶");

  const whole = make("section", { tabindex: 0, "aria-label": "Before and after" }, stage, split,
    make("div", { class: "row" }, play, back, on, speed),
    make("p", { class: "note" }, "Space plays, ← and → move the line, , and . step by one frame of the result."));
  whole.addEventListener("keydown", (event) => {
    if (event.target !== whole && event.target !== stage) return;
    const moves = { ArrowLeft: -2, ArrowRight: 2 };
    if (event.key === " ") toggle();
    else if (event.key === ",") step(-1);
    else if (event.key === ".") step(1);
    else if (event.key in moves) {
      split.value = Number(split.value) + moves[event.key];
      setSplit();
    } else return;
    event.preventDefault();
  });
  return whole;
}
