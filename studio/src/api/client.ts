/** Requests to the server: JSON in and out, and every refusal as a Problem. */

export interface ProblemBody {
  code: string;
  title?: string;
  detail?: string;
  status?: number;
  retryable?: boolean;
  retry_after?: number;
  request_id?: string;
  errors?: { pointer: string; detail: string; code: string }[];
  near?: Record<string, string[]>;
  unrecognized_words?: string[];
  [member: string]: unknown;
}

/** A refusal or failure. `unreachable` is the studio's own code: nobody answered. */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly body: ProblemBody;

  constructor(body: ProblemBody) {
    super(body.detail ?? body.title ?? body.code);
    this.name = "Problem";
    this.code = body.code;
    this.status = body.status ?? 0;
    this.body = body;
  }

  static of(cause: unknown): Problem {
    if (cause instanceof Problem) return cause;
    return new Problem({ code: "studio", detail: cause instanceof Error ? cause.message : String(cause) });
  }
}

export interface Asked {
  method?: string;
  json?: unknown;
  form?: FormData;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

type Listener = (reachable: boolean) => void;
const listeners = new Set<Listener>();
let reachable = true;
const AGAIN_MS = 2000;

/** Tells whether the server answers; called at once and on each change. */
export function onReachable(listener: Listener): () => void {
  listeners.add(listener);
  listener(reachable);
  return () => listeners.delete(listener);
}

export function noteReachable(now: boolean): void {
  if (now === reachable) return;
  reachable = now;
  for (const listener of listeners) listener(now);
  if (!now) setTimeout(() => void knock(), AGAIN_MS);
}

/** Asks until somebody answers, so that a page that waits for nothing notices as well. */
async function knock(): Promise<void> {
  if (reachable) return;
  const answered = await fetch("/health").then(({ ok }) => ok, () => false);
  if (answered) noteReachable(true);
  else setTimeout(() => void knock(), AGAIN_MS);
}

export async function send(path: string, asked: Asked = {}): Promise<Response> {
  const headers = new Headers(asked.headers);
  let body: BodyInit | undefined = asked.form;
  if (asked.json !== undefined) {
    headers.set("Content-Type", "application/json");
    body = JSON.stringify(asked.json);
  }
  const method = asked.method ?? (body === undefined ? "GET" : "POST");
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body, signal: asked.signal });
  } catch (cause) {
    if (asked.signal?.aborted) throw cause;
    noteReachable(false);
    throw new Problem({ code: "unreachable" });
  }
  noteReachable(true);
  if (!response.ok) throw await problemOf(response);
  return response;
}

export async function call<T>(path: string, asked: Asked = {}): Promise<T> {
  const response = await send(path, asked);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** A creation on v1: should the answer get lost, the same request is sent again under the same key and made once. */
export async function create<T>(path: string, asked: Asked): Promise<T> {
  const headers = { ...asked.headers, "Idempotency-Key": newKey() };
  try {
    return await call<T>(path, { ...asked, method: "POST", headers });
  } catch (cause) {
    if (!(cause instanceof Problem) || cause.code !== "unreachable") throw cause;
    await new Promise((resolve) => setTimeout(resolve, 800));
    return await call<T>(path, { ...asked, method: "POST", headers });
  }
}

function newKey(): string {
  // randomUUID exists on https and loopback only.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function problemOf(response: Response): Promise<Problem> {
  const found: unknown = await response.json().catch(() => null);
  if (found !== null && typeof found === "object" && "code" in found) {
    return new Problem({ ...(found as ProblemBody), status: response.status });
  }
  return new Problem({ code: "unreachable", status: response.status });
}
