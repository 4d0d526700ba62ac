/** The request of a job as one can send it oneself. */
import type { Job } from "../../api/types";
import { draftOf, wishOf } from "../create/draft";

const PATHS: Record<string, string> = { generation: "/api/v1/generations", text_to_image: "/api/v1/images", agent: "/api/v1/agents/runs" };
const TOOLS = ["analyze", "repair", "simplify", "optimize", "orient", "hollow", "convert", "texture", "render", "turntable"];
const SHOWN_ELSEWHERE = ["input_file", "stem"];

interface Sent {
  path: string;
  body: Record<string, unknown>;
}

export function sentOf(job: Job): Sent | null {
  const type = job.type ?? "";
  const path = PATHS[type] ?? (TOOLS.includes(type) ? `/api/v1/meshes/${type}` : null);
  if (!path || !job.request) return null;
  return { path, body: type === "generation" ? generation(job) : short(job.request) };
}

function generation(job: Job): Record<string, unknown> {
  const draft = draftOf(job);
  const image = (job.request as { image?: { asset_id: string } }).image;
  return { ...wishOf(draft, image?.asset_id ?? null) };
}

function short(request: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(request).filter(([name, value]) => value !== null && !SHOWN_ELSEWHERE.includes(name) && !(Array.isArray(value) && value.length === 0)));
}

/** For a shell: quotes end, an escaped one follows, and they begin again. */
const quoted = (words: string) => `'${words.replaceAll("'", "'\\''")}'`;

export function asCurl({ path, body }: Sent, job: Job): string {
  const request = `curl -s --json ${quoted(JSON.stringify(body))} \\\n  ${quoted(`${location.origin}${path}?wait=60`)}`;
  const file = job.result?.assets[0]?.filename;
  return file ? `${request}\n\ncurl -s -o ${file} ${location.origin}${job.links.result}` : request;
}

/** JSON as Python writes it. */
function literal(value: unknown, indent = ""): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map((one) => literal(one, indent)).join(", ")}]`;
  if (typeof value === "object") {
    const inner = `${indent}    `;
    const rows = Object.entries(value as object).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${literal(one, inner)},`);
    return rows.length ? `{\n${rows.join("\n")}\n${indent}}` : "{}";
  }
  return JSON.stringify(value);
}

export function asPython({ path, body }: Sent, job: Job): string {
  const lines = [
    "import requests", "",
    `server = ${JSON.stringify(location.origin)}`,
    `request = ${literal(body)}`,
    `job = requests.post(server + ${JSON.stringify(path)}, params={"wait": 60}, json=request).json()`,
  ];
  const file = job.result?.assets[0]?.filename;
  if (file) lines.push('result = requests.get(server + job["links"]["result"])', "result.raise_for_status()", `with open(${JSON.stringify(file)}, "wb") as model:`, "    model.write(result.content)");
  else lines.push('print(job["state"], job["result"])');
  return lines.join("\n");
}
