/** Print check of a mesh of one's own. */
import { ArrowLeft, Ruler } from "lucide";
import { useRef, useState } from "preact/hooks";
import { listJobs } from "../api/jobs";
import { assetOf } from "../api/meshes";
import { upload } from "../api/generation";
import { go } from "../router";
import type { Route } from "../router";
import { text } from "../texts";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { useAction, useLoaded } from "../ui/hooks";
import { ProblemNotice, Skeleton } from "../ui/parts";
import { JobCard } from "./library/card";
import { Workbench } from "./model/workbench";

export default function Check({ route }: { route: Route }) {
  return route.id ? <CheckOf id={route.id} /> : <Choose />;
}

function CheckOf({ id }: { id: string }) {
  const { value, problem, reload } = useLoaded(() => assetOf(id), [id]);
  if (problem) return <div class="page narrow"><h1>{text.views.check.title}</h1><ProblemNotice cause={problem} onRetry={reload} /></div>;
  if (!value) return <div class="page"><Skeleton lines={6} /></div>;
  return (
    <Workbench
      key={id}
      title={<><a class="back" href="#/check"><Icon of={ArrowLeft} size={16} />{text.views.check.title}</a><h1>{value.filename}</h1></>}
      source={{ asset_id: value.id, format: value.format, up_axis: value.up_axis }}
      job={null}
      first="print"
    />
  );
}

function Choose() {
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const recent = useLoaded((signal) => listJobs({ limit: 30, type: "generation", state: "succeeded" }, signal), []);
  const sending = useAction(async (file: File) => go(`#/check/${(await upload(file)).id}`));
  const take = (files: FileList | null | undefined) => files?.[0] && sending.run(files[0]);
  return (
    <div class="page">
      <header class="page-head"><div><h1>{text.views.check.title}</h1><p class="lead">{text.views.check.lead}</p></div></header>
      <div class={`drop wide${over ? " over" : ""}`} onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={(event) => { event.preventDefault(); setOver(false); take(event.dataTransfer?.files); }}>
        <span class="drop-icon"><Icon of={Ruler} size={30} /></span>
        <p class="drop-title">{text.check.drop}</p>
        <p class="quiet">{text.check.dropHint}</p>
        <Button busy={sending.busy} onClick={() => input.current?.click()}>{text.check.choose}</Button>
        <input ref={input} id="mesh" hidden type="file" accept=".stl,.obj,.ply,.off,.glb,.gltf,.3mf,.dae" onChange={(event) => { take(event.currentTarget.files); event.currentTarget.value = ""; }} />
      </div>
      {sending.problem !== null && <ProblemNotice cause={sending.problem} />}
      {(recent.value?.items.length ?? 0) > 0 && (
        <section class="recent" aria-labelledby="made">
          <div class="section-head"><h2 id="made">{text.check.made}</h2></div>
          <ul class="grid">{recent.value!.items.slice(0, 6).map((job) => <JobCard key={job.id} job={job} />)}</ul>
        </section>
      )}
    </div>
  );
}
