// The calls of the console, and the token that they need.
//
// The token comes in the fragment of an address (#token=…), which a browser sends to nobody. It is
// kept for this tab only and taken out of the address bar.

const KEPT = "juno-snap token";

// What the server refused, in its words.
export class Refusal extends Error {
  constructor(status, { code, detail, meta }) {
    super(meta?.hint ? `${detail}. ${meta.hint}.` : `${detail}.`);
    this.status = status;
    this.code = code;
  }
}

// The fragment of the address as names and values, without the token, which is kept.
export function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  const token = said.get("token");
  if (token) {
    keepToken(token);
    said.delete("token");
    history.replaceState(null, "", said.size ? `/#${said}` : "/");
  }
  return said;
}

// Keep a token, or the line of console.header, whose last word it is.
export function keepToken(text) {
  sessionStorage.setItem(KEPT, text.trim().split(/\s+/).at(-1));
}

export function forgetToken() {
  sessionStorage.removeItem(KEPT);
}

export function hasToken() {
  return sessionStorage.getItem(KEPT) !== null;
}

export async function listFlows() {
  return (await ask("GET", "/v2/flows")).document.data;
}

// The step snapshots of a flow, and the version of them all.
export async function listSnapshots(flow) {
  const { document, version } = await ask("GET", pathOf(flow));
  return { snapshots: document.data, version };
}

export async function readSnapshot(flow, step) {
  return (await ask("GET", pathOf(flow, step))).document.data;
}

// Store JSON text as it is: what is written here must not pass through JavaScript's numbers.
// Without a version the step must have no snapshot.
export function store(flow, step, text, version) {
  const id = JSON.stringify(step);
  const body = `{"data":{"type":"snapshot","id":${id},"attributes":{"snapshot":${text}}}}`;
  return version === null
    ? ask("POST", pathOf(flow), { body })
    : ask("PATCH", pathOf(flow, step), { body, version });
}

export function resetStep(flow, step, version) {
  return ask("DELETE", pathOf(flow, step), { version });
}

export function resetFlow(flow, version) {
  return ask("DELETE", pathOf(flow), { version });
}

export function undo(flow, version) {
  return ask("POST", `/v2/flows/${encodeURIComponent(flow)}/undo`, { version });
}

function pathOf(flow, step) {
  const all = `/v2/flows/${encodeURIComponent(flow)}/snapshots`;
  return step === undefined ? all : `${all}/${encodeURIComponent(step)}`;
}

async function ask(method, path, { body, version } = {}) {
  const headers = { authorization: `Bearer ${sessionStorage.getItem(KEPT)}` };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
  }
  if (version !== undefined) {
    headers["if-match"] = `"${version}"`;
  }
  const said = { method, headers, body, cache: "no-store", credentials: "omit", redirect: "error" };
  const answer = await fetch(path, said);
  const text = await answer.text();
  const document = text ? JSON.parse(text) : null;
  if (!answer.ok) {
    throw new Refusal(answer.status, document.errors[0]);
  }
  return { document, version: answer.headers.get("etag")?.slice(1, -1) };
}
