/** The viewer in the page: it is fetched when the first model is shown, and steered by what is chosen beside it. */
import { Box, Expand, Grid3x3, Home, Pause, Play, Scan, Camera as CameraIcon } from "lucide";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { cameraPath, lights } from "../../api/look";
import type { LightPreset, MaterialPreset } from "../../api/types";
import { fill, millimetres, text, whole } from "../../texts";
import { IconButton } from "../../ui/button";
import { Segmented } from "../../ui/fields";
import { Icon } from "../../ui/icon";
import { ProblemNotice } from "../../ui/parts";
import type { Limits, Mode } from "../../viewer/shading";
import type { Mark, Viewer } from "../../viewer/viewer";

export interface Look {
  mode: Mode;
  material: MaterialPreset | null;
  light: LightPreset | null;
  background: boolean;
  limits: Limits;
  path: "turntable" | "orbital";
}

export const PLAIN: Look = { mode: "own", material: null, light: null, background: false, limits: { overhangDeg: 45, minWallMm: 1 }, path: "turntable" };

interface StageProps {
  /** A glb of this server; null while there is none. */
  url: string | null;
  compare?: string | null;
  look: Look;
  onLook: (some: Partial<Look>) => void;
  marks?: readonly Mark[];
  upAxis?: string | null;
  onViewer?: (viewer: Viewer | null) => void;
  poster?: string | null;
  children?: ComponentChildren;
}

interface Shown {
  size: [number, number, number];
  faces: number;
}

const STEP = Math.PI / 24;
const KEYS: Record<string, [number, number, number?]> = {
  ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP], "+": [0, 0, 0.9], "=": [0, 0, 0.9], "-": [0, 0, 1.1],
};

/** The middle of the slider's thumb, which stays inside its track. */
const THUMB_PX = 20;
const edge = (split: number) => `calc(${THUMB_PX / 2}px + (100% - ${THUMB_PX}px) * ${split / 100})`;
const share = (split: number, width: number) => (THUMB_PX / 2 + ((width - THUMB_PX) * split) / 100) / width;

export function Stage({ url, compare = null, look, onLook, marks, upAxis = "y", onViewer, poster, children }: StageProps) {
  const host = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [viewer, setViewer] = useState<Viewer | null>(null);
  const [broken, setBroken] = useState(false);
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [step, setStep] = useState(10);
  const [grid, setGrid] = useState(true);
  const [playing, setPlaying] = useState(false);
  const [split, setSplit] = useState(50);
  const [painting, setPainting] = useState(false);

  useEffect(() => {
    if (!url || !host.current) return;
    let made: Viewer | null = null;
    let here = true;
    void import("../../viewer/viewer").then(({ Viewer: Made }) => {
      if (!here || !host.current) return;
      try {
        made = new Made(host.current);
      } catch {
        setBroken(true); // this browser draws no WebGL
        return;
      }
      made.onGrid = setStep;
      setViewer(made);
      onViewer?.(made);
      box.current?.dispatchEvent(new CustomEvent("viewer", { detail: made, bubbles: true }));
    });
    return () => {
      here = false;
      made?.dispose();
      onViewer?.(null);
      setViewer(null);
    };
  }, [url !== null]);

  useEffect(() => {
    if (!viewer || !url) return;
    const stop = new AbortController();
    setProblem(null);
    viewer.show(url, stop.signal).then(
      (model) => setShown({ size: model.size.toArray(), faces: model.faces }),
      (cause: unknown) => stop.signal.aborted || setProblem(cause),
    );
    return () => stop.abort();
  }, [viewer, url]);

  useEffect(() => {
    const stop = new AbortController();
    setSplit(50);
    viewer?.compare(compare, stop.signal).catch((cause: unknown) => stop.signal.aborted || setProblem(cause));
    return () => stop.abort();
  }, [viewer, compare]);

  useEffect(() => {
    if (!viewer) return;
    setPainting(look.mode === "thin");
    void viewer.setMode(look.mode, look.limits).then(() => setPainting(false));
  }, [viewer, look.mode, look.limits.minWallMm, look.limits.overhangDeg]);
  useEffect(() => void viewer?.setMaterial(look.material), [viewer, look.material]);
  useEffect(() => {
    if (viewer && !look.light) void lights().then(({ studio }) => studio && onLook({ light: studio }), () => {});
  }, [viewer]);
  useEffect(() => {
    if (look.light) viewer?.setLight(look.light, look.background);
  }, [viewer, look.light, look.background, shown]);
  useEffect(() => viewer?.setGrid(grid), [viewer, grid]);
  useEffect(() => viewer?.mark(marks ?? [], upAxis), [viewer, marks, upAxis, shown]);

  async function turn(): Promise<void> {
    if (!viewer) return;
    if (viewer.playing) {
      viewer.stop();
      return setPlaying(false);
    }
    const members = look.path === "turntable" ? { distance: 10, height: 3.5, duration: 8, frames: 120 } : { radius: 10, height_variation: 3, duration: 10, frames: 120 };
    viewer.play(await cameraPath(look.path, members));
    setPlaying(true);
  }

  function keys(event: KeyboardEvent): void {
    const found = KEYS[event.key];
    if (!found || !viewer) return;
    event.preventDefault();
    viewer.nudge(...found);
    setPlaying(false);
  }

  async function save(): Promise<void> {
    const blob = await viewer?.picture();
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "model.png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const label = shown ? fill(text.viewer.label, { size: millimetres(shown.size), faces: whole(shown.faces) }) : text.viewer.empty;
  return (
    <div class="stage" ref={box}>
      {url && !broken ? (
        <div class="stage-canvas" ref={host} role="application" aria-roledescription={text.viewer.role} aria-label={`${label}. ${text.viewer.keys}`} tabIndex={0} onKeyDown={keys} onPointerDown={() => setPlaying(false)} data-shown={shown ? "true" : undefined} />
      ) : (
        <div class="stage-canvas still">{poster ? <img src={poster} alt={text.viewer.poster} /> : <span class="stage-wait"><Icon of={Box} size={40} /></span>}</div>
      )}
      {broken && <p class="stage-note">{text.viewer.noWebgl}</p>}
      {problem !== null && <div class="stage-problem"><ProblemNotice cause={problem} /></div>}
      {viewer && shown && (
        <>
          <div class="stage-modes">
            <Segmented label={text.viewer.mode} hideLabel value={look.mode} choices={Object.entries(text.viewer.modes)} onChange={(mode) => onLook({ mode: mode as Mode })} />
          </div>
          <div class="stage-tools" role="toolbar" aria-label={text.viewer.tools}>
            <IconButton icon={Home} label={text.viewer.home} onClick={() => { setPlaying(false); viewer.look({ position: [7, 4.5, 8.5], target: [0, 0, 0], fov: 40, projection: "perspective" }); }} />
            <IconButton icon={playing ? Pause : Play} label={playing ? text.viewer.pause : text.viewer.turn} pressed={playing} onClick={() => void turn()} />
            <IconButton icon={Grid3x3} label={text.viewer.grid} pressed={grid} onClick={() => setGrid(!grid)} />
            <IconButton icon={Scan} label={text.viewer.actualSize} onClick={() => viewer.actualSize()} />
            <IconButton icon={CameraIcon} label={text.viewer.picture} onClick={() => void save()} />
            <IconButton icon={Expand} label={text.viewer.fullscreen} onClick={() => void (document.fullscreenElement ? document.exitFullscreen() : box.current?.requestFullscreen())} />
          </div>
          <p class="stage-size">{millimetres(shown.size)}<span> · {fill(text.viewer.triangles, { n: whole(shown.faces) })}</span>{grid && <span> · {fill(text.viewer.gridStep, { mm: step })}</span>}</p>
          {(look.mode === "overhang" || look.mode === "thin") && <Legend mode={look.mode} limits={look.limits} painting={painting} />}
          {compare && (
            <div class="compare">
              <span class="compare-line" style={{ left: edge(split) }}>
                <span class="compare-name">{text.viewer.before}</span>
                <span class="compare-name">{text.viewer.after}</span>
              </span>
              <input type="range" min={0} max={100} value={split} aria-label={text.viewer.compare} aria-valuetext={fill(text.viewer.compareAt, { n: split })} onInput={(event) => { setSplit(event.currentTarget.valueAsNumber); viewer.divide(share(event.currentTarget.valueAsNumber, host.current!.clientWidth)); }} />
            </div>
          )}
        </>
      )}
      {children}
    </div>
  );
}

function Legend({ mode, limits, painting }: { mode: "overhang" | "thin"; limits: Limits; painting: boolean }) {
  const words = text.viewer.legends[mode];
  const limit = mode === "thin" ? limits.minWallMm : limits.overhangDeg;
  return (
    <ul class="legend" aria-label={text.viewer.legend} aria-busy={painting}>
      <li class="bad">{fill(words.bad, { limit })}</li>
      <li class="near">{fill(words.near, { limit: mode === "thin" ? 2 * limit : Math.max(0, limit - 10) })}</li>
      <li class="fine">{words.fine}</li>
    </ul>
  );
}
