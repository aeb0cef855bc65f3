// One whole flow with the client that openapi-typescript generates: what the types promise is what the daemon does.

import createClient from "openapi-fetch";
import { readFile } from "node:fs/promises";
import type { components, paths } from "./api.js";

const [url, key, clip] = process.argv.slice(2);
if (!url || !key || !clip) throw new Error("usage: flow.js URL KEY CLIP");
const api = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

/** The answer, or the refusal's sentence as an error. */
function good<T>(answer: { data?: T; error?: components["schemas"]["Error"]; response: Response }): T {
  if (answer.data === undefined) throw new Error(`${answer.response.status}: ${answer.error?.detail}`);
  return answer.data;
}

function expect(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what}: ${found}, not ${expected}`);
}

const before = good(await api.GET("/me")).balance_xeconds;
const file = { filename: "toy.mp4", content_type: "video/mp4" };
const upload = good(await api.POST("/upload/presign", { body: file }));
const bytes = new Uint8Array(await readFile(clip));
const put = await fetch(upload.upload_url, { method: "PUT", body: bytes, headers: { "Content-Type": "video/mp4" } });
expect("PUT", put.status, 200);
const wanted = { r2_key: upload.key, target_fps_options: [60, 120] };
const { metadata, estimates } = good(await api.POST("/pricing/estimate-video", { body: wanted }));
expect("size", metadata.size_bytes, bytes.length);
const submission = { r2_key: upload.key, target_fps: 60 };
const submitted = good(await api.POST("/jobs", { body: submission }));
expect("price", submitted.xeconds_charged, estimates[0]?.charged_xeconds);
expect("balance", submitted.balance_after, before - submitted.xeconds_charged);
const job = good(await api.GET("/jobs/{job}", { params: { path: { job: submitted.job_id } } }));
expect("live_status", job.live_status, "no_workers");
const at = { params: { path: { project: upload.project_id } } };
const share = good(await api.POST("/projects/{project}/share", at));
const seen = good(await api.GET("/share/{token}", { params: { path: { token: share.share_token ?? "" } } }));
expect("key in the share", seen.files[0]?.key, null);
expect("deleted", good(await api.DELETE("/projects/{project}", at)).deleted, true);
expect("balance in the end", good(await api.GET("/me")).balance_xeconds, before);
const refused = await api.GET("/projects/{project}", at);
expect("status", refused.response.status, 404);
console.log("TypeScript: the flow is as its types say");
