/** A model with everything one does with it: the viewer, and beside it details, look, print check and files. */
import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import type { MeshSource } from "../../api/meshes";
import type { Job } from "../../api/types";
import { counted, text, whole, word } from "../../texts";
import { Button } from "../../ui/button";
import { Notice, Tabs } from "../../ui/parts";
import type { Mark, Viewer } from "../../viewer/viewer";
import { DetailsPanel } from "./details-panel";
import { ExportPanel } from "./export-panel";
import { LookPanel } from "./look-panel";
import { PrintPanel } from "./print-panel";
import { PLAIN, Stage } from "./stage";
import type { Look } from "./stage";

export interface Source extends MeshSource {
  up_axis: string | null;
}

export const glbOf = ({ asset_id, format }: MeshSource) => `/api/v1/assets/${asset_id}/content${format === "glb" ? "" : "?format=glb"}`;

interface WorkbenchProps {
  title: ComponentChildren;
  source: Source;
  job: Job | null;
  before?: MeshSource | null;
  first?: string;
  poster?: string | null;
}

export function Workbench({ title, source: given, job: first, before: givenBefore = null, first: tab = "details", poster }: WorkbenchProps) {
  const [look, setLook] = useState<Look>(PLAIN);
  const [viewer, setViewer] = useState<Viewer | null>(null);
  const [marks, setMarks] = useState<readonly Mark[]>([]);
  const [shown, setShown] = useState(first ? tab : tab === "details" ? "print" : tab);
  const [steps, setSteps] = useState<{ source: Source; job: Job | null; before: MeshSource | null }[]>([{ source: given, job: first, before: givenBefore }]);
  const { source, job, before } = steps.at(-1)!;
  const change = (some: Partial<Look>) => setLook((now) => ({ ...now, ...some }));

  function made(done: Job, from: MeshSource): void {
    const asset = done.result?.assets.find(({ role }) => role === "model");
    if (!asset) return;
    const comparable = done.type === "repair" || done.type === "simplify" || done.type === "hollow";
    setSteps([...steps, { source: { asset_id: asset.asset_id, format: asset.format, up_axis: asset.up_axis }, job: done, before: comparable ? from : null }]);
    change({ mode: "own" });
  }

  const tabs = [
    ...(job ? [["details", text.tabs.details] as const] : []),
    ["look", text.tabs.look] as const, ["print", text.tabs.print] as const, ["files", text.tabs.files] as const,
  ];
  return (
    <div class="workbench">
      <Stage url={glbOf(source)} compare={before && glbOf(before)} look={look} onLook={change} marks={marks} upAxis={source.up_axis} onViewer={setViewer} poster={poster} />
      <aside class="side" aria-label={text.tabs.label}>
        <header class="side-head">{title}</header>
        {steps.length > 1 && <Outcome job={job!} onUndo={() => setSteps(steps.slice(0, -1))} />}
        <Tabs label={text.tabs.label} tabs={tabs} value={shown} onChange={(next) => { setShown(next); if (next !== "print") setMarks([]); }}>
          {shown === "details" && job && <DetailsPanel job={job} />}
          {shown === "look" && <LookPanel look={look} onLook={change} viewer={viewer} />}
          {shown === "print" && <PrintPanel source={source} onLook={change} onMarks={setMarks} onMade={made} />}
          {shown === "files" && <ExportPanel source={source} job={job} viewer={viewer} />}
        </Tabs>
      </aside>
    </div>
  );
}

/** What the last tool did, and the way back. */
function Outcome({ job, onUndo }: { job: Job; onUndo: () => void }) {
  const { result } = job;
  const facts = [
    result?.operations?.length ? counted(text.print.operations, result.operations.length) : null,
    result?.final_faces !== undefined && result.initial_faces !== undefined ? `${whole(result.initial_faces)} → ${whole(result.final_faces)}` : null,
  ].filter(Boolean);
  return (
    <Notice tone="good" title={word(text.print.done, job.type ?? "")} live>
      <p>{[...facts, ...job.warnings].join(" · ")}</p>
      <p class="row wrap">
        <Button small onClick={onUndo}>{text.print.undo}</Button>
        <a href={`#/jobs/${job.id}`}>{text.print.open}</a>
      </p>
    </Notice>
  );
}
