/** The files: every format with its size, pictures, and the request as code. */
import { Clapperboard, Download, Image as ImageIcon } from "lucide";
import { useEffect, useState } from "preact/hooks";
import { create, send } from "../../api/client";
import { finished } from "../../api/follow";
import { recordOf } from "../../api/jobs";
import type { MeshSource } from "../../api/meshes";
import { capabilities } from "../../api/server";
import type { FormatInfo, Job, View } from "../../api/types";
import { fill, size, text, word } from "../../texts";
import { Button } from "../../ui/button";
import { Select, Segmented } from "../../ui/fields";
import { Icon } from "../../ui/icon";
import { useAction, useLoaded } from "../../ui/hooks";
import { Code, More, ProblemNotice, Skeleton } from "../../ui/parts";
import type { Viewer } from "../../viewer/viewer";
import { asCurl, asPython, sentOf } from "./code";
import { ProgressLine } from "./progress";
import { problemOfJob } from "./print-panel";

/** Above this, a format is written when it is asked for, not to know its size. */
const SIZES_UP_TO_BYTES = 5_000_000;

export function ExportPanel({ source, job, viewer }: { source: MeshSource; job: Job | null; viewer: Viewer | null }) {
  const { value: server, problem } = useLoaded(capabilities, []);
  const record = useLoaded(async (signal) => (job ? await recordOf(job.id, signal) : null), [job?.id, job?.state]);
  const written = server?.formats.filter(({ write, available }) => write && available).sort((one, other) => rank(one, source) - rank(other, source)) ?? [];
  const absent = server?.formats.filter(({ available }) => !available) ?? [];
  const made = job?.result?.assets.filter(({ role }) => role === "model") ?? [];
  const base = record.value?.download_url?.replace(/\.[^.]+(\.zip)?$/, "");
  const named = base && job?.type === "generation" ? (format: string) => `${base}.${format}` : null;
  const address = (format: string) => named?.(format) ?? `/api/v1/assets/${source.asset_id}/content?${format === source.format ? "" : `format=${format}&`}download=1`;
  const small = (made[0]?.size_bytes ?? 0) < SIZES_UP_TO_BYTES;
  const addresses = written.map(({ format }) => address(format));
  const sizes = useSizes(addresses, Object.fromEntries(made.map(({ format, size_bytes }) => [address(format), size_bytes])), small && (!job || record.value !== null));
  if (problem) return <ProblemNotice cause={problem} />;
  if (!server) return <Skeleton lines={6} />;
  return (
    <div class="panel">
      <section aria-label={text.export.title}>
        <h2>{text.export.title}</h2>
        <ul class="downloads">
          {written.map((info) => <DownloadRow key={info.format} info={info} href={address(info.format)} bytes={sizes[address(info.format)]} pending={small} />)}
        </ul>
        {absent.length > 0 && <More title={text.export.absent}><ul class="plain-list">{absent.map(({ format, reason }) => <li key={format}><b>{format}</b> {reason}</li>)}</ul></More>}
      </section>
      <Pictures source={source} job={job} viewer={viewer} />
      {job && <AsCode job={job} />}
    </div>
  );
}

const rank = ({ format }: FormatInfo, source: MeshSource) => (format === source.format ? -1 : ["glb", "stl", "3mf", "obj", "ply", "gltf", "off", "dae"].indexOf(format));

function DownloadRow({ info, href, bytes, pending }: { info: FormatInfo; href: string; bytes: number | undefined; pending: boolean }) {
  return (
    <li>
      <a href={href} download class="download">
        <Icon of={Download} size={16} />
        <b>{info.format}</b>
        <span class="quiet">{word(text.export.formats, info.format)}</span>
        <span class="download-size">{bytes ? size(bytes) : pending ? "…" : text.export.onDemand}</span>
      </a>
    </li>
  );
}

/** Sizes of the files by address: those that are known, and the others one after the other, as each is written for it. */
function useSizes(addresses: readonly string[], known: Record<string, number>, wanted: boolean): Record<string, number> {
  const [found, setFound] = useState<Record<string, number>>({});
  useEffect(() => {
    const stop = new AbortController();
    async function measure(): Promise<void> {
      for (const address of addresses) {
        if (known[address] || stop.signal.aborted) continue;
        const answer = await send(address, { method: "HEAD", signal: stop.signal });
        const bytes = Number(answer.headers.get("Content-Length"));
        setFound((now) => ({ ...now, [address]: bytes }));
      }
    }
    if (wanted) measure().catch(() => {}); // without its size a file can still be fetched
    return () => stop.abort();
  }, [addresses.join(), wanted]);
  return { ...found, ...known };
}

/** A picture or a turntable of the view on the screen, drawn by the server. */
function Pictures({ source, job, viewer }: { source: MeshSource; job: Job | null; viewer: Viewer | null }) {
  const [background, setBackground] = useState("transparent");
  const [made, setMade] = useState<{ url: string; name: string } | null>(null);
  const [now, setNow] = useState<Job | null>(null);
  const drawing = useAction(async (kind: "render" | "turntable") => {
    setNow(null);
    if (kind === "turntable" && job?.type === "generation") return setMade({ url: `/api/preview-output/${job.id}/turntable.gif`, name: "turntable.gif" });
    const view: View | undefined = viewer?.view;
    const json = { input: { asset_id: source.asset_id }, background, ...(kind === "render" ? { ...(view ? { camera: view } : {}), width: 1024, height: 1024 } : { width: 320, height: 320 }) };
    const done = await finished(await create<Job>(`/api/v1/meshes/${kind}`, { json }), setNow);
    const asset = done.result?.assets[0];
    if (!asset) throw problemOfJob(done);
    setMade({ url: asset.url, name: asset.filename });
  });
  return (
    <section aria-label={text.export.pictures}>
      <h2>{text.export.pictures}</h2>
      <Select label={text.export.background} value={background} choices={Object.entries(text.export.backgrounds)} onChange={setBackground} />
      <div class="row wrap">
        <Button small icon={ImageIcon} busy={drawing.busy} onClick={() => drawing.run("render")}>{text.export.picture}</Button>
        <Button small icon={Clapperboard} busy={drawing.busy} onClick={() => drawing.run("turntable")}>{text.export.turntable}</Button>
      </div>
      {drawing.busy && <ProgressLine job={now} words={text.export.drawing} />}
      {drawing.problem !== null && <ProblemNotice cause={drawing.problem} />}
      {made && (
        <figure class="made">
          <img src={made.url} alt={text.export.madePicture} />
          <figcaption><a href={made.url} download={made.name}>{fill(text.export.save, { name: made.name })}</a></figcaption>
        </figure>
      )}
    </section>
  );
}

export function AsCode({ job }: { job: Job }) {
  const [language, setLanguage] = useState("curl");
  const sent = sentOf(job);
  if (!sent) return null;
  return (
    <section aria-label={text.export.code}>
      <h2>{text.export.code}</h2>
      <Segmented label={text.export.language} hideLabel value={language} choices={[["curl", "curl"], ["python", "Python"]]} onChange={setLanguage} />
      <Code title={language === "curl" ? "curl" : "Python"}>{language === "curl" ? asCurl(sent, job) : asPython(sent, job)}</Code>
    </section>
  );
}
