// The one way to the proxy. The key lives in this tab: sessionStorage, so that a reload keeps it, and nowhere else.

const KEY = "tier-router-key";
const SIGNS_OF_A_BAD_KEY = new Set(["auth_error", "expired_key", "token_not_found_in_db", "no_db_connection", "key_model_access_denied"]);
const DEADLINE_MS = 60_000;

let held = null;
let onRefused = () => {};

export class ApiError extends Error {
  constructor(status, message, refused = false, body = null) {
    super(message);
    this.status = status;
    this.refused = refused;
    this.body = body;
  }
}

/** Calls `listener(message)` when the proxy no longer takes the key. */
export function whenRefused(listener) {
  onRefused = listener;
}

export function key() {
  if (held === null) {
    try {
      held = sessionStorage.getItem(KEY);
    } catch {
      held = null; // storage forbidden: the key lives until the tab is reloaded
    }
  }
  return held;
}

export function setKey(value) {
  held = value;
  try {
    if (value === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
  } catch {
    // as above
  }
}

/** A request with the tab's key. Paths are relative to /router/. Throws ApiError. */
export async function send(path, { method = "GET", body, signal, headers = {} } = {}) {
  const options = { method, signal, cache: "no-store", credentials: "omit", headers: { ...headers, Authorization: `Bearer ${key()}` } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError" || error.name === "TimeoutError") throw error;
    throw new ApiError(0, "The proxy does not answer. It may be restarting, or the network is down.");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

async function failure(response) {
  const body = await response.json().catch(() => null);
  const told = body?.error ?? body?.detail ?? null;
  const message = typeof told === "string" ? told : Array.isArray(told) ? told.map(validation).join("; ") : told?.message ?? `The proxy answered ${response.status}.`;
  const refused = response.status === 401 || SIGNS_OF_A_BAD_KEY.has(told?.type);
  const error = new ApiError(response.status, message, refused, body);
  if (refused) onRefused(error);
  return error;
}

const validation = (problem) => `${(problem.loc ?? []).slice(1).join(".")}: ${problem.msg}`;

/** JSON of a route; `query` leaves out what is empty. */
export async function get(path, query = {}, signal) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") given.set(name, value);
  }
  const text = given.toString();
  const timeout = AbortSignal.timeout(DEADLINE_MS);
  const response = await send(text ? `${path}?${text}` : path, { signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
  return response.json();
}

export async function post(path, body, signal) {
  return (await send(path, { method: "POST", body, signal })).json();
}

/** Events of a text/event-stream answer, as {event, data}. Ends when the stream does; throws ApiError. */
export async function* events(path, { method, body, signal } = {}) {
  yield* eventsOf(await send(path, { method, body, signal, headers: { Accept: "text/event-stream" } }));
}

/** The same of an answer that has begun. */
export async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting += value.replaceAll("\r\n", "\n");
    let end;
    while ((end = waiting.indexOf("\n\n")) >= 0) {
      const event = { event: "message", data: "" };
      for (const line of waiting.slice(0, end).split("\n")) {
        if (line.startsWith("event:")) event.event = line.slice(6).trim();
        else if (line.startsWith("data:")) event.data += line.slice(5).trimStart();
      }
      waiting = waiting.slice(end + 2);
      if (event.data) yield event;
    }
  }
}
