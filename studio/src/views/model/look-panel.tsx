/** Materials, lights and cameras: what one sees, without changing the model. */
import { useState } from "preact/hooks";
import { Bookmark, FileDown } from "lucide";
import { exportMtl, lights, materialDocument, materials, placeCamera, saveView, views } from "../../api/look";
import type { MaterialPreset, View } from "../../api/types";
import { fill, text, word } from "../../texts";
import { Button } from "../../ui/button";
import { NumberField, Segmented, Select, Slider, TextField, Toggle } from "../../ui/fields";
import { useAction, useLoaded } from "../../ui/hooks";
import { Code, More, Notice, ProblemNotice, Skeleton } from "../../ui/parts";
import type { Viewer } from "../../viewer/viewer";
import type { Look } from "./stage";

interface PanelProps {
  look: Look;
  onLook: (some: Partial<Look>) => void;
  viewer: Viewer | null;
}

export function LookPanel(props: PanelProps) {
  return (
    <div class="panel">
      <MaterialPart {...props} />
      <LightPart {...props} />
      <CameraPart {...props} />
    </div>
  );
}

// Colours of materials are shares of light, as in glTF; those of the page are sRGB codes (IEC 61966-2-1).
const encoded = (light: number) => (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
const decoded = (code: number) => (code <= 0.04045 ? code / 12.92 : ((code + 0.055) / 1.055) ** 2.4);
const hex = ([r, g, b]: readonly number[]) => `#${[r, g, b].map((part) => Math.round(encoded(part ?? 0) * 255).toString(16).padStart(2, "0")).join("")}`;
const rgb = (colour: string) => [1, 3, 5].map((at) => Math.round(decoded(parseInt(colour.slice(at, at + 2), 16) / 255) * 1000) / 1000) as [number, number, number];

function MaterialPart({ look, onLook }: PanelProps) {
  const { value: known, problem } = useLoaded(materials, []);
  const { value: lit } = useLoaded(lights, []);
  const [name, setName] = useState("own");
  const [light, setLight] = useState("studio");
  const [made, setMade] = useState<{ title: string; content: string } | null>(null);
  const preset = known?.[name];
  const changed = (): Partial<MaterialPreset> => {
    if (!preset || !look.material) return {};
    const names = ["base_color", "metalness", "roughness", "reflectivity", "opacity"] as const;
    return Object.fromEntries(names.filter((one) => JSON.stringify(preset[one]) !== JSON.stringify(look.material![one])).map((one) => [one, look.material![one]]));
  };
  const choice = () => ({ material_type: name, custom_properties: changed() });
  const mtl = useAction(async () => {
    const found = await exportMtl({ ...choice(), material_name: "orfeas_material" });
    setMade({ title: found.output_file, content: found.mtl_content });
    location.assign(found.download_url);
  });
  const sheet = useAction(async () => {
    const found = await materialDocument({ ...choice(), lighting_environment: light });
    setMade({ title: text.look.document, content: JSON.stringify(found.metadata, null, 2) });
  });
  if (problem) return <ProblemNotice cause={problem} />;
  if (!known) return <Skeleton />;
  const set = (some: Partial<MaterialPreset>) => look.material && onLook({ material: { ...look.material, ...some } });
  return (
    <section aria-label={text.look.material}>
      <h2>{text.look.material}</h2>
      <fieldset class="swatches">
        <legend class="hidden">{text.look.material}</legend>
        {["own", ...Object.keys(known)].map((one) => (
          <label key={one}>
            <input type="radio" name="material" checked={one === name} onChange={() => { setName(one); setMade(null); onLook({ material: known[one] ?? null, mode: "own" }); }} />
            <span class={`swatch ${one}`} style={one === "own" ? undefined : { background: hex(known[one]!.base_color) }} />
            <span>{word(text.materials, one)}</span>
          </label>
        ))}
      </fieldset>
      {preset && look.material && (
        <More title={text.look.finish}>
          <div class="fields">
            <div class="field colour">
              <label for="colour">{text.look.colour}</label>
              <input id="colour" type="color" value={hex(look.material.base_color)} onInput={(event) => set({ base_color: rgb(event.currentTarget.value) })} />
            </div>
            {(["roughness", "metalness", "reflectivity", "opacity"] as const).map((one) => (
              <Slider key={one} label={text.look[one]} min={0} max={1} step={0.05} value={look.material![one]} shown={look.material![one].toFixed(2)} onChange={(value) => set({ [one]: value })} />
            ))}
            <Select label={text.look.documentLight} value={light} choices={Object.keys(lit ?? { studio: 0 }).map((one) => [one, word(text.lights, one)])} onChange={setLight} />
            <div class="row wrap">
              <Button small icon={FileDown} busy={mtl.busy} onClick={() => mtl.run()}>{text.look.mtl}</Button>
              <Button small kind="quiet" busy={sheet.busy} onClick={() => sheet.run()}>{text.look.document}</Button>
            </div>
            {(mtl.problem ?? sheet.problem) ? <ProblemNotice cause={mtl.problem ?? sheet.problem} /> : made && <Code title={made.title}>{made.content}</Code>}
          </div>
        </More>
      )}
    </section>
  );
}

function LightPart({ look, onLook }: PanelProps) {
  const { value: known, problem } = useLoaded(lights, []);
  if (problem) return <ProblemNotice cause={problem} />;
  if (!known) return <Skeleton lines={2} />;
  const name = Object.entries(known).find(([, preset]) => preset.main_light_intensity === look.light?.main_light_intensity && preset.ambient_intensity === look.light?.ambient_intensity)?.[0] ?? "studio";
  return (
    <section aria-label={text.look.light}>
      <Segmented label={text.look.light} value={name} choices={Object.keys(known).map((one) => [one, word(text.lights, one)])} onChange={(one) => onLook({ light: known[one]! })} />
      <Toggle label={text.look.background} checked={look.background} onChange={(background) => onLook({ background })} />
    </section>
  );
}

const SHOWN = ["front", "back", "left", "right", "top", "bottom", "angle1", "angle2"];

function CameraPart({ look, onLook, viewer }: PanelProps) {
  const { value: known, problem, reload } = useLoaded(views, []);
  const [name, setName] = useState("");
  const [saved, setSaved] = useState<string | null>(null);
  const saving = useAction(async () => {
    if (!viewer) return;
    const { camera_threejs: placed } = await placeCamera(viewer.view);
    const view: View = { position: placed.position, target: placed.target, fov: placed.fov, projection: placed.projectionMode };
    const found = await saveView({ ...view, name: name.trim() });
    setSaved(found.preset_name);
    setName("");
    reload();
  });
  if (problem) return <ProblemNotice cause={problem} onRetry={reload} />;
  return (
    <section aria-label={text.look.camera}>
      <h2>{text.look.camera}</h2>
      <div class="chips" role="group" aria-label={text.look.camera}>
        {SHOWN.map((one) => known?.standard[one] && <button key={one} type="button" class="chip" onClick={() => viewer?.look(known.standard[one]!)}>{word(text.cameras, one)}</button>)}
        {known?.saved.map((one) => <button key={one.preset_id} type="button" class="chip own" onClick={() => viewer?.look(one)}>{one.name}</button>)}
      </div>
      <Segmented label={text.look.path} value={look.path} choices={Object.entries(text.look.paths)} onChange={(path) => onLook({ path: path as Look["path"] })} />
      <form class="row bottom" onSubmit={(event) => { event.preventDefault(); saving.run(); }}>
        <TextField label={text.look.keep} value={name} maxLength={64} placeholder={text.look.keepExample} onChange={setName} />
        <Button type="submit" icon={Bookmark} busy={saving.busy} disabled={!name.trim()}>{text.look.save}</Button>
      </form>
      {saving.problem ? <ProblemNotice cause={saving.problem} /> : saved && <Notice tone="good" live>{fill(text.look.saved, { name: saved })}</Notice>}
      <More title={text.look.exact}><Exact viewer={viewer} /></More>
    </section>
  );
}

/** A camera by its numbers, for pictures that have to match others. */
function Exact({ viewer }: { viewer: Viewer | null }) {
  const [view, setView] = useState<View>({ position: [0, 5, 10], target: [0, 0, 0], fov: 50, projection: "perspective" });
  const [distance, setDistance] = useState<number | null>(null);
  const placing = useAction(async () => {
    const { camera_threejs: placed, look_at } = await placeCamera(view);
    viewer?.look({ position: placed.position, target: placed.target, fov: placed.fov, projection: placed.projectionMode });
    setDistance(look_at.distance);
  });
  const axis = (member: "position" | "target", at: number, value: number | undefined) =>
    setView({ ...view, [member]: view[member].map((part, index) => (index === at ? (value ?? 0) : part)) });
  return (
    <form class="fields" onSubmit={(event) => { event.preventDefault(); placing.run(); }}>
      {(["position", "target"] as const).map((member) => (
        <div class="three" key={member}>
          {["x", "y", "z"].map((letter, at) => <NumberField key={letter} label={`${text.look[member]} ${letter}`} value={view[member][at]} onChange={(value) => axis(member, at, value)} />)}
        </div>
      ))}
      <div class="two">
        <NumberField label={text.look.fov} unit="°" min={1} max={179} value={view.fov} onChange={(fov) => setView({ ...view, fov: fov ?? 50 })} />
        <Select label={text.look.projection} value={view.projection} choices={Object.entries(text.look.projections)} onChange={(projection) => setView({ ...view, projection })} />
      </div>
      <div class="row wrap">
        <Button type="submit" small busy={placing.busy}>{text.look.place}</Button>
        <Button small kind="quiet" onClick={() => viewer && setView(viewer.view)}>{text.look.read}</Button>
        {distance !== null && <span class="quiet">{fill(text.look.distance, { n: distance.toFixed(2) })}</span>}
      </div>
      {placing.problem !== null && <ProblemNotice cause={placing.problem} />}
    </form>
  );
}
