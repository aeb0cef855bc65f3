// The daemon's API, asked with the key of who is signed in. Throws an Error with the sentence that the daemon answers.

const KEPT = "tweenfarm.key";

export const key = {
  get: () => sessionStorage.getItem(KEPT) ?? localStorage.getItem(KEPT),
  // Kept until the tab is closed, or on this device for as long as nobody signs out.
  set(text, stays) {
    key.forget();
    (stays ? localStorage : sessionStorage).setItem(KEPT, text);
  },
  replace: (text) => key.set(text, localStorage.getItem(KEPT) !== null),
  forget() {
    sessionStorage.removeItem(KEPT);
    localStorage.removeItem(KEPT);
  },
};

export async function call(method, path, body, headers = {}) {
  const asked = { method, headers: { ...headers } };
  if (key.get()) asked.headers.Authorization = `Bearer ${key.get()}`;
  if (body !== undefined) {
    asked.headers["Content-Type"] = "application/json";
    asked.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, asked);
  } catch {
    throw new Error("The farm does not answer: look whether this machine has a network, and try again.");
  }
  const text = await answer.text();
  let said = {};
  try {
    said = text ? JSON.parse(text) : {};
  } catch {
    // A proxy in between answers in its own words; the status says enough.
  }
  if (answer.ok) return said;
  const error = new Error(said.detail ?? `The farm answered with ${answer.status}.`);
  error.status = answer.status;
  throw error;
}

// Sends the bytes to a presigned URL; `told` hears the share that went out, from 0 to 1.
export function put(url, file, type, told) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.setRequestHeader("Content-Type", type);
    request.upload.onprogress = (event) => event.lengthComputable && told(event.loaded / event.total);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return done();
      let said = null;
      try {
        said = JSON.parse(request.responseText).detail;
      } catch {
        // An object store answers in XML.
      }
      failed(new Error(said ?? `The upload was refused with ${request.status}.`));
    };
    request.onerror = () => failed(new Error("The upload broke off: try it again."));
    request.send(file);
  });
}

// One project, one clip: what a clip became is found under its project.
export const signIn = () => call("GET", "/me");
export const presign = (file, type) =>
  call("POST", "/upload/presign", { filename: file.name, content_type: type, size_bytes: file.size });
export const estimate = (r2_key, target_fps_options) =>
  call("POST", "/pricing/estimate-video", { r2_key, target_fps_options });
export const submit = (r2_key, project_id, target_fps, once) =>
  call("POST", "/jobs", { r2_key, project_id, target_fps }, { "Idempotency-Key": once });
export const job = (id) => call("GET", `/jobs/${id}`);
export const jobs = (before) => call("GET", `/jobs?limit=50${before ? `&before=${encodeURIComponent(before)}` : ""}`);
export const projects = (before) => call("GET", `/projects?limit=200${before ? `&before=${encodeURIComponent(before)}` : ""}`);
export const project = (id) => call("GET", `/projects/${id}`);
export const shared = (token) => call("GET", `/share/${encodeURIComponent(token)}`);
export const download = (project, file) => call("GET", `/projects/${project}/files/${file}/download`);
export const share = (project) => call("POST", `/projects/${project}/share`);
export const unshare = (project) => call("DELETE", `/projects/${project}/share`);
export const newKey = () => call("POST", "/api-tokens");
