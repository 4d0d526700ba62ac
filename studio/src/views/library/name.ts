/** What a job is called: its words, its file, or what kind of job it is. */
import { pictureName } from "../../api/meshes";
import type { Job } from "../../api/types";
import { text, word } from "../../texts";
import { useLoaded } from "../../ui/hooks";

interface Asked {
  prompt?: string;
  input_file?: string;
  image?: { asset_id?: string };
  images?: { front?: { asset_id?: string } };
}

export function givenName(job: Job): string | null {
  const asked = job.request as Asked | null;
  return asked?.prompt ?? asked?.input_file ?? null;
}

const pictureOf = (job: Job): string | undefined => {
  const asked = job.request as Asked | null;
  return asked?.image?.asset_id ?? asked?.images?.front?.asset_id;
};

export function useName(job: Job): string {
  const picture = pictureOf(job);
  const { value } = useLoaded(async () => (picture ? await pictureName(picture) : null), [picture]);
  const file = value?.replace(/\.[a-z0-9]+$/i, "").replace(/[_-]+/g, " ");
  return givenName(job) ?? (file || word(text.types, job.type ?? "pending"));
}
