// The studio: which view is shown, and what each of them does.

import * as api from "./api.js";
import { compare } from "./compare.js";
import { busy, make, rate, say, size, when } from "./page.js";

// What people ask for; the farm leaves out those that are not above the source's rate.
const USUAL_RATES = [48, 50, 60, 90, 120, 144, 240];
const POLL_EVERY = 3000;
const STATES = {
  pending: "accepted", queued: "waiting for its turn", no_workers: "waiting for a free worker",
  cold_start: "a worker starts", processing: "making frames", done: "done", failed: "failed",
};
const main = document.getElementById("main");
const nav = document.getElementById("nav");
const balance = document.getElementById("balance");

// Sources of this visit, by job: shown beside the result without a download.
const sources = new Map();
// A view that was left does not write into the one that is shown.
let shown = 0;

function show(...children) {
  shown += 1;
  main.replaceChildren(...children);
  main.querySelector("h2")?.setAttribute("tabindex", "-1");
  main.querySelector("h2")?.focus();
  return shown;
}

async function refreshBalance() {
  const me = await api.signIn();
  balance.textContent = `${me.balance_xeconds} xeconds`;
  nav.hidden = false;
  return me;
}

function askForKey() {
  nav.hidden = true;
  const field = make("input", { type: "password", id: "key", autocomplete: "current-password", required: true, size: 50, placeholder: "rfx_live_…" });
  const stays = make("input", { type: "checkbox", id: "stays" });
  const enter = make("button", { class: "main" }, "Sign in");
  const form = make("form", {}, make("label", { for: "key" }, "API key"), field,
    make("p", {}, stays, make("label", { for: "stays", style: null }, "Keep me signed in on this device")), enter);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(enter, async () => {
      api.key.set(field.value.trim(), stays.checked);
      try {
        await refreshBalance();
      } catch (error) {
        api.key.forget();
        throw error;
      }
      location.hash = "#new";
      route();
    });
  });
  show(make("h2", {}, "Sign in"), make("p", {}, "The farm's operator gives you a key. It stays in this browser."), form);
  field.focus();
}

function newClip() {
  const input = make("input", { type: "file", accept: "video/*" });
  const drop = make("label", { class: "drop" }, "Drop a clip here, or choose one", input);
  const after = make("div");
  const take = (file) => file && receive(file, after);
  input.addEventListener("change", () => take(input.files[0]));
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files[0]);
    });
  }
  show(make("h2", {}, "New clip"), drop,
    make("p", { class: "note" }, "Up to 2 minutes and 250 MiB. The result has exactly the rate you choose, and the same duration and sound."), after);
}

async function receive(file, place) {
  say("");
  const bar = make("progress", { max: 1, value: 0, "aria-label": "Upload" });
  place.replaceChildren(make("h2", {}, file.name), make("p", {}, `Uploading ${size(file.size)}`), bar);
  try {
    const type = file.type.startsWith("video/") ? file.type : "video/mp4";
    const upload = await api.presign(file, type);
    await api.put(upload.upload_url, file, type, (share) => (bar.value = share));
    place.replaceChildren(make("h2", {}, file.name), make("p", {}, "Looking into the clip…"));
    await offer(file, upload, place, USUAL_RATES);
  } catch (error) {
    place.replaceChildren();
    say(error.message, "bad");
  }
}

async function offer(file, upload, place, rates) {
  const [{ metadata, estimates }, me] = await Promise.all([api.estimate(upload.key, rates), refreshBalance()]);
  const affords = (estimate) => estimate.charged_xeconds <= me.balance_xeconds;
  // The rate that was just asked for, else what most screens show, else the first that can be paid.
  const preferred = [rates[0] === USUAL_RATES[0] ? 60 : rates[0], ...rates];
  const chosen = preferred.find((fps) => estimates.some((estimate) => estimate.target_fps === fps && affords(estimate)));
  const choices = estimates.map((estimate) => {
    const affordable = affords(estimate);
    const radio = make("input", { type: "radio", name: "rate", value: estimate.target_fps, disabled: !affordable, checked: estimate.target_fps === chosen });
    return make("label", { class: "rate" }, radio, make("strong", {}, `${estimate.target_fps} fps`),
      make("span", {}, `${estimate.charged_xeconds} xeconds`),
      make("span", { class: "note" }, affordable ? `${me.balance_xeconds - estimate.charged_xeconds} left` : "more than your balance"));
  });
  const other = make("input", { type: "number", min: 24, max: 240, step: 1, id: "other", inputmode: "numeric" });
  const add = make("button", { type: "button" }, "Estimate");
  add.addEventListener("click", () => busy(add, async () => {
    const wanted = Number(other.value);
    if (!Number.isInteger(wanted) || wanted < 24 || wanted > 240) throw new Error("A rate is a whole number from 24 to 240.");
    await offer(file, upload, place, [wanted, ...rates.filter((known) => known !== wanted)]);
  }));
  const start = make("button", { class: "main", disabled: chosen === undefined }, "Start");
  const form = make("form", {}, make("fieldset", { class: "rates" }, make("legend", {}, "Target rate"), ...choices),
    make("label", { for: "other" }, "Another rate"), make("div", { class: "row" }, other, add), make("p", {}, start));
  // Pressed twice or sent again after a break, it is one job.
  const once = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = form.querySelector("input[name=rate]:checked");
    if (!chosen) return say("Choose a rate.", "bad");
    busy(start, async () => {
      const target = Number(chosen.value);
      const accepted = await api.submit(upload.key, upload.project_id, target, `${once}-${target}`);
      sources.set(accepted.job_id, URL.createObjectURL(file));
      balance.textContent = `${accepted.balance_after} xeconds`;
      location.hash = `#job/${accepted.job_id}`;
    });
  });
  const { width, height, fps, duration_sec, codec, size_bytes } = metadata;
  const facts = `${width}×${height}, ${rate(fps)}, ${duration_sec.toFixed(1)} s, ${codec}, ${size(size_bytes)}`;
  const none = choices.length ? null : make("p", { class: "bad" }, "None of these rates is above the clip's own: choose a higher one.");
  place.replaceChildren(make("h2", {}, file.name), make("p", {}, facts), none ?? "", form);
}

async function follow(id) {
  const state = make("p", { "aria-live": "polite" }, "…");
  const bar = make("progress", { max: 100, value: 0, "aria-label": "Progress" });
  const place = make("div");
  const title = make("h2", {}, "Your clip");
  const mine = show(title, state, bar, place);
  let missed = 0;
  let named = false;
  while (mine === shown) {
    try {
      const job = await api.job(id);
      if (mine !== shown) return;
      missed = 0;
      if (!named) {
        named = true;
        api.project(job.project_id).then((project) => (title.textContent = project.name), () => {});
      }
      bar.value = job.progress;
      const ahead = job.live_status === "queued" || job.live_status === "no_workers" ? `, ${job.queue_depth} before it at most` : "";
      state.textContent = `${rate(job.fps_in)} to ${job.target_fps} fps: ${STATES[job.live_status] ?? job.live_status}${ahead}, ${job.progress} %`;
      if (job.live_status === "done") return finished(job, bar, place);
      if (job.live_status === "failed") {
        bar.hidden = true;
        state.className = "bad";
        state.textContent = `Failed: ${job.error} ${job.xeconds_refunded} xeconds are back.`;
        await refreshBalance();
        return;
      }
    } catch (error) {
      if (error.status === 401) return askForKey();
      if (error.status === 403 || error.status === 404) return say(error.message, "bad");
      // The farm goes on; whoever looks is told how long ago this was true.
      missed += 1;
      if (mine === shown) say(`${error.message} (${missed} tries)`, "bad");
    }
    await new Promise((wake) => setTimeout(wake, POLL_EVERY));
  }
}

async function finished(job, bar, place) {
  bar.hidden = true;
  say("");
  const parts = [];
  if (job.output_url === null) parts.push(make("p", {}, "Its time is over: the file has been deleted."));
  else {
    const project = await api.project(job.project_id);
    const input = project.files.find((file) => file.key === job.input_key);
    const output = project.files.find((file) => file.key === job.output_key);
    const before = sources.get(job.id) ?? (input && (await api.download(project.id, input.id)).url);
    if (before) parts.push(compare(before, job.output_url, job.target_fps));
    else parts.push(make("video", { src: job.output_url, controls: true, playsinline: true }));
    const facts = [`${job.xeconds_charged} xeconds`, output ? size(output.size_bytes) : null, job.watermarked ? "marked, as all of the trial" : null,
      output ? `kept until ${when(output.expires_at)}` : null];
    parts.push(make("p", {}, facts.filter(Boolean).join(", ")));
    parts.push(make("div", { class: "row" }, make("a", { class: "button", href: job.output_url, download: `${job.target_fps}fps.mp4` }, "Download"), sharing(project)));
  }
  place.replaceChildren(...parts);
}

function sharing(project) {
  const place = make("span", { class: "row" });
  const draw = (token) => {
    if (!token) {
      const button = make("button", { type: "button" }, "Share by a link");
      button.addEventListener("click", () => busy(button, async () => draw((await api.share(project.id)).share_token)));
      return place.replaceChildren(button);
    }
    const link = `${location.origin}/app#share/${token}`;
    const copy = make("button", { type: "button" }, "Copy");
    copy.addEventListener("click", () => busy(copy, async () => {
      await navigator.clipboard.writeText(link);
      say("The link is copied: whoever has it sees this clip.", "good");
    }));
    const stop = make("button", { type: "button" }, "Stop sharing");
    stop.addEventListener("click", () => busy(stop, async () => {
      await api.unshare(project.id);
      draw(null);
    }));
    place.replaceChildren(make("code", {}, link), copy, stop);
  };
  draw(project.share_enabled ? project.share_token : null);
  return place;
}

async function guest(token) {
  const mine = show(make("h2", {}, "A shared clip"));
  try {
    const project = await api.shared(token);
    if (mine !== shown) return;
    for (const output of project.files.filter((file) => file.kind === "output" && file.download_url)) {
      main.append(make("video", { src: output.download_url, controls: true, playsinline: true, loop: true, style: null, width: "100%" }),
        make("p", {}, make("a", { class: "button", href: output.download_url, download: output.filename }, "Download"), ` ${size(output.size_bytes)}`));
    }
  } catch (error) {
    say(error.status === 404 ? "This link is not shared any more." : error.message, "bad");
  }
}

// What the clips of jobs are called: a project is named after its file. Those that were deleted, and those of the other API, are
// not listed and have no name here.
function clipNames() {
  const names = new Map();
  let last = null;
  let more = true;
  return async (jobs) => {
    while (more && jobs.some((job) => !names.has(job.project_id))) {
      const { projects } = await api.projects(last);
      for (const project of projects) names.set(project.id, project.name);
      last = projects.at(-1)?.id ?? last;
      more = projects.length === 200;
    }
    return names;
  };
}

async function history() {
  const rows = make("tbody");
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...["Clip", "When", "Rate", "State", "Price", ""].map((name) => make("th", { scope: "col" }, name)))), rows);
  const more = make("button", { type: "button", hidden: true }, "Older ones");
  const mine = show(make("h2", {}, "History"), table, more);
  let last = null;
  const clips = clipNames();
  const load = async () => {
    const { jobs } = await api.jobs(last);
    const names = await clips(jobs);
    if (mine !== shown) return;
    rows.append(...jobs.map((job) => make("tr", {},
      make("td", { "data-name": "Clip" }, names.get(job.project_id) ?? "–"),
      make("td", { "data-name": "When" }, when(job.created_at)),
      make("td", { "data-name": "Rate" }, `${rate(job.fps_in)} to ${job.target_fps} fps`),
      make("td", { "data-name": "State", class: job.status === "failed" ? "bad" : "" }, job.status === "failed" ? `failed: ${job.error}` : STATES[job.status] ?? job.status),
      make("td", { "data-name": "Price" }, `${job.xeconds_charged - (job.xeconds_refunded ?? 0)} xeconds`),
      make("td", {}, make("a", { href: `#job/${job.id}` }, "Open")))));
    last = jobs.at(-1)?.id ?? last;
    more.hidden = jobs.length < 50;
    if (!rows.childElementCount) table.replaceWith(make("p", {}, "No clip yet."));
  };
  more.addEventListener("click", () => busy(more, load));
  await load();
}

async function account() {
  const me = await refreshBalance();
  const rotate = make("button", { type: "button" }, "Make a new key");
  const fresh = make("p");
  rotate.addEventListener("click", () => {
    if (!confirm("The key you have now stops working at once, everywhere. Make a new one?")) return;
    busy(rotate, async () => {
      const { api_key } = await api.newKey();
      api.key.replace(api_key);
      fresh.replaceChildren("Shown this once, store it now: ", make("code", { id: "new-key" }, api_key));
    });
  });
  const leave = make("button", { type: "button" }, "Sign out");
  leave.addEventListener("click", () => {
    api.key.forget();
    route();
  });
  show(make("h2", {}, "Account"), make("p", {}, me.email ?? me.id), make("p", {}, `${me.balance_xeconds} xeconds`),
    make("h2", {}, "API key"), make("p", { class: "note" }, "For programs, and for signing in here. The reference is at ", make("a", { href: "/docs" }, "/docs"), "."), rotate, fresh,
    make("h2", {}, "This device"), leave);
}

async function route() {
  say("");
  const [view, id] = location.hash.slice(1).split("/");
  if (view === "share" && id) return guest(id);
  if (!api.key.get()) return askForKey();
  try {
    if (nav.hidden) await refreshBalance();
    if (view === "job" && id) return await follow(id);
    if (view === "history") return await history();
    if (view === "account") return await account();
    newClip();
  } catch (error) {
    if (error.status !== 401) return say(error.message, "bad");
    api.key.forget();
    askForKey();
    say("This key is not valid any more: sign in again.", "bad");
  }
}

addEventListener("hashchange", route);
route();
