/** Whether it prints: the verdict in a sentence, the problems on the model, and what mends them. */
import { Drill, Minimize2, PackageOpen, RotateCw, Wrench } from "lucide";
import { useEffect, useState } from "preact/hooks";
import { analysisOf, rework } from "../../api/meshes";
import type { MeshSource, Tool } from "../../api/meshes";
import { presets } from "../../api/server";
import type { Analysis, AnalysisProblem, Job, Printer } from "../../api/types";
import { counted, decimal, fill, millimetres, percent, text, whole, word } from "../../texts";
import { Button } from "../../ui/button";
import { NumberField, Select } from "../../ui/fields";
import { useAction, useLoaded } from "../../ui/hooks";
import { Badge, Facts, More, Notice, ProblemNotice } from "../../ui/parts";
import type { Mark } from "../../viewer/viewer";
import { ProgressLine } from "./progress";
import type { Look } from "./stage";

const COLOURS = ["#e5484d", "#f5a524", "#7c5cff", "#0091ff", "#12a594", "#e93d82", "#8d8d8d"];

interface PrintProps {
  source: MeshSource;
  onLook: (some: Partial<Look>) => void;
  onMarks: (marks: readonly Mark[]) => void;
  onMade: (job: Job, before: MeshSource) => void;
}

export function PrintPanel({ source, onLook, onMarks, onMade }: PrintProps) {
  const { value: known } = useLoaded(presets, []);
  const [printerName, setPrinterName] = useState("halot-x1");
  const [found, setFound] = useState<Analysis | null>(null);
  const [job, setJob] = useState<Job | null>(null);
  const printer = known?.printers[printerName];

  const checking = useAction(async (name: string) => {
    const done = await rework("analyze", source, { printer: name }, setJob);
    if (done.error) throw problemOfJob(done);
    const analysis = analysisOf(done);
    setFound(analysis);
    onMarks(marksOf(analysis));
  });
  useEffect(() => {
    setFound(null);
    onMarks([]);
    checking.run(printerName);
    return () => onMarks([]);
  }, [source.asset_id]);

  useEffect(() => {
    if (printer) onLook({ limits: { overhangDeg: printer.overhang_deg, minWallMm: printer.min_wall_mm } });
  }, [printer]);

  return (
    <div class="panel">
      <Select label={text.print.printer} hint={printer && printerWords(printer)} value={printerName} choices={Object.keys(known?.printers ?? { "halot-x1": null }).map((name) => [name, word(text.printers, name)])} onChange={(name) => { setPrinterName(name); checking.run(name); }} />
      {checking.busy && <ProgressLine job={job} words={text.print.checking} />}
      {checking.problem !== null && <ProblemNotice cause={checking.problem} onRetry={() => checking.run(printerName)} />}
      {found && !checking.busy && <Verdict found={found} onLook={onLook} />}
      <Tools source={source} printer={printerName} closed={found?.is_watertight ?? null} faces={found?.face_count ?? null} onMade={onMade} />
    </div>
  );
}

export function problemOfJob(job: Job): unknown {
  return job.error ?? new Error(job.state);
}

const printerWords = ({ technology, volume_mm, min_wall_mm }: Printer) =>
  fill(text.print.printerHint, { technology: word(text.technologies, technology), volume: millimetres(volume_mm), wall: min_wall_mm });

export function marksOf(analysis: Analysis | null): Mark[] {
  return (analysis?.printability.problems ?? []).map(({ points }, index) => ({ points, colour: COLOURS[index % COLOURS.length]! })).filter(({ points }) => points.length > 0);
}

function Verdict({ found, onLook }: { found: Analysis; onLook: (some: Partial<Look>) => void }) {
  const { status, problems } = found.printability;
  const tone = { healthy: "good", warning: "warn", error: "bad" } as const;
  return (
    <section aria-label={text.print.verdict} class="verdict" aria-live="polite">
      <Notice tone={tone[status]} title={text.print.verdicts[status].title}>{problems.length ? counted(text.print.verdicts[status].text, problems.length) : text.print.noProblems}</Notice>
      {problems.length > 0 && (
        <ul class="problems">
          {problems.map((problem, index) => <ProblemRow key={problem.code} problem={problem} colour={COLOURS[index % COLOURS.length]!} onLook={onLook} />)}
        </ul>
      )}
      <Facts rows={[
        [text.print.scores.quality, `${whole(found.quality_score)} / 100`],
        [text.print.scores.printability, `${whole(found.printability_score)} / 100`],
        [text.print.size, millimetres(found.bounding_box.size)],
        [text.print.closed, found.is_watertight ? text.common.yes : text.common.no],
        [text.print.bodies, whole(found.body_count)],
        found.volume !== null && [text.print.volume, fill(text.print.cm3, { n: decimal(found.volume / 1000) })],
        found.wall_thickness.p5_mm !== null && [text.print.wall, fill(text.print.wallValue, { median: decimal(found.wall_thickness.median_mm ?? 0), thin: decimal(found.wall_thickness.p5_mm) })],
        [text.print.overhang, <button type="button" class="link" onClick={() => onLook({ mode: "overhang" })}>{percent(found.overhang_share)}</button>],
      ]} />
    </section>
  );
}

function ProblemRow({ problem, colour, onLook }: { problem: AnalysisProblem; colour: string; onLook: (some: Partial<Look>) => void }) {
  const words = (text.print.problems as Record<string, string>)[problem.code] ?? problem.code.replaceAll("_", " ");
  return (
    <li>
      <span class="dot" style={{ background: problem.points.length ? colour : "var(--control)" }} aria-hidden="true" />
      <div>
        <p>{words}{problem.count !== null && problem.count > 1 && <> <Badge>{whole(problem.count)}</Badge></>}</p>
        {problem.detail && <p class="hint">{problem.detail}</p>}
        {problem.code === "thin_walls" && <button type="button" class="link" onClick={() => onLook({ mode: "thin" })}>{text.print.showThin}</button>}
      </div>
    </li>
  );
}

interface ToolsProps {
  source: MeshSource;
  printer: string;
  closed: boolean | null;
  faces: number | null;
  onMade: (job: Job, before: MeshSource) => void;
}

function Tools({ source, printer, closed, faces, onMade }: ToolsProps) {
  const [target, setTarget] = useState<number | undefined>(undefined);
  const [wall, setWall] = useState<number | undefined>(2);
  const [size, setSize] = useState<number | undefined>(undefined);
  const [goal, setGoal] = useState("overhang");
  const [job, setJob] = useState<Job | null>(null);
  const [tool, setTool] = useState<Tool | null>(null);
  const work = useAction(async (name: Tool, options: Record<string, unknown>) => {
    setTool(name);
    setJob(null);
    const done = await rework(name, source, options, setJob);
    if (done.state !== "succeeded") throw problemOfJob(done);
    onMade(done, source);
  });
  const busy = (name: Tool) => work.busy && tool === name;
  return (
    <section aria-label={text.print.tools} class="tools">
      <h2>{text.print.tools}</h2>
      <div class="tool">
        <p>{closed === false ? text.print.repairOpen : text.print.repairHint}</p>
        <Button icon={Wrench} kind={closed === false ? "primary" : "plain"} busy={busy("repair")} onClick={() => work.run("repair", { aggressive: closed === false })}>{text.print.repair}</Button>
      </div>
      <div class="tool">
        <p>{text.print.fitHint}</p>
        <NumberField label={text.print.fitSize} unit="mm" min={1} max={1000} value={size} placeholder={text.print.keep} onChange={setSize} />
        <Button icon={PackageOpen} busy={busy("optimize")} onClick={() => work.run("optimize", { printer, ...(size ? { target_size_mm: size } : {}) })}>{text.print.fit}</Button>
      </div>
      <More title={text.print.simplify}>
        <div class="tool">
          <NumberField label={text.print.faces} min={4} step={2} value={target} placeholder={faces ? whole(faces / 2) : undefined} onChange={setTarget} />
          <Button icon={Minimize2} busy={busy("simplify")} onClick={() => work.run("simplify", target ? { target_faces: target } : { target_reduction: 0.5 })}>{text.print.simplify}</Button>
        </div>
      </More>
      <More title={text.print.orient}>
        <div class="tool">
          <Select label={text.print.goal} value={goal} choices={Object.entries(text.print.goals)} onChange={setGoal} />
          <Button icon={RotateCw} busy={busy("orient")} onClick={() => work.run("orient", { goal })}>{text.print.orient}</Button>
        </div>
      </More>
      <More title={text.print.hollow}>
        <div class="tool">
          <NumberField label={text.print.shell} unit="mm" min={0.2} max={50} step={0.1} value={wall} onChange={setWall} />
          <Button icon={Drill} busy={busy("hollow")} disabled={!wall} onClick={() => work.run("hollow", { wall_mm: wall })}>{text.print.hollow}</Button>
        </div>
      </More>
      {work.busy && <ProgressLine job={job} words={text.print.working} />}
      {work.problem !== null && <ProblemNotice cause={work.problem} />}
    </section>
  );
}

