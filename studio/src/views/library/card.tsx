/** A job as a picture with a name. */
import { Bot, Box, FileSearch, Image as ImageIcon } from "lucide";
import { useState } from "preact/hooks";
import { recordOf } from "../../api/jobs";
import type { Job } from "../../api/types";
import { ago, text, word } from "../../texts";
import { useLoaded } from "../../ui/hooks";
import { Icon } from "../../ui/icon";
import { StateBadge } from "../../ui/parts";
import { useName } from "./name";

const ICONS = { text_to_image: ImageIcon, analyze: FileSearch, agent: Bot } as const;

/** The picture of a job: what was drawn of it, else its model, else what it was made of. */
function pictureOf(job: Job, size: number): string | null {
  const assets = job.result?.assets ?? [];
  const drawn = assets.find(({ role, media_type }) => role === "preview" && media_type.startsWith("image/")) ?? assets.find(({ media_type }) => media_type.startsWith("image/"));
  const model = assets.find(({ role }) => role === "model");
  const request = job.request as { image?: { asset_id?: string }; input?: { asset_id?: string } } | null;
  const found = drawn?.asset_id ?? model?.asset_id ?? request?.image?.asset_id ?? request?.input?.asset_id;
  return found ? `/api/v1/assets/${found}/preview?size=${size}` : null;
}

export function JobCard({ job, size = 256 }: { job: Job; size?: number }) {
  const [broken, setBroken] = useState(false);
  const name = useName(job);
  const kept = useLoaded(async (signal) => (job.state === "pending" ? ((await recordOf(job.id, signal)).preview_url ?? null) : null), [job.id, job.state]);
  const picture = kept.value ?? pictureOf(job, size);
  const icon = ICONS[job.type as keyof typeof ICONS] ?? Box;
  return (
    <li class="job-card">
      <a href={`#/jobs/${job.id}`}>
        <span class="thumb">
          {picture && !broken ? <img src={picture} alt="" loading="lazy" decoding="async" onError={() => setBroken(true)} /> : <Icon of={icon} size={34} />}
          {job.state !== "succeeded" && <StateBadge state={job.state} />}
        </span>
        <span class="job-name">{name}</span>
        <span class="job-meta">{word(text.types, job.type ?? "pending")} · {ago(job.created_at)}</span>
      </a>
    </li>
  );
}
