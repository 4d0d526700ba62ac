/** How the model is made: quality, engine and size in sight, the rest folded away. */
import { capabilities, presets } from "../../api/server";
import { text, fill, whole } from "../../texts";
import { NumberField, Segmented, Select, Slider, TextField, Toggle } from "../../ui/fields";
import { useLoaded } from "../../ui/hooks";
import { More, Notice } from "../../ui/parts";
import type { Draft } from "./draft";

export function Settings({ draft, change, batch }: { draft: Draft; change: (some: Partial<Draft>) => void; batch: boolean }) {
  const { value: server } = useLoaded(capabilities, []);
  const { value: known } = useLoaded(presets, []);
  const row = known?.quality.find(({ quality }) => quality === draft.quality);
  const engines = Object.entries(server?.engines ?? {});
  const missing = engines.filter(([, { available }]) => !available);
  const names = text.engines as Record<string, { name: string; what: string }>;
  return (
    <>
      <Slider label={text.create.quality} min={1} max={10} value={draft.quality} shown={`${draft.quality} · ${row?.label ?? ""}`} onChange={(quality) => change({ quality })} />
      <Select
        label={text.create.engine}
        value={draft.engine}
        hint={draft.engine === "auto" ? (server ? fill(text.create.autoTakes, { engine: names[server.auto.engine]?.name ?? server.auto.engine }) : undefined) : names[draft.engine]?.what}
        choices={[["auto", text.create.auto], ...engines.map(([name, { available }]) => [name, available ? (names[name]?.name ?? name) : fill(text.create.engineMissing, { name: names[name]?.name ?? name }), !available] as const)]}
        onChange={(engine) => change({ engine })}
      />
      {missing.map(([name, { reason }]) => reason && <p key={name} class="hint">{fill(text.create.whyMissing, { name: names[name]?.name ?? name, reason })}</p>)}
      <NumberField label={text.create.longest} unit="mm" min={1} max={1000} value={draft.longest} placeholder="100" hint={text.create.longestHint} onChange={(longest) => change({ longest })} />
      <More title={text.create.advanced}>
        <Advanced draft={draft} change={change} batch={batch} profiles={Object.keys(known?.profiles ?? { standard: null })} formats={(server?.formats ?? []).filter(({ write, available }) => write && available).map(({ format }) => format)} grid={row?.embedded.octree_resolution} />
      </More>
    </>
  );
}

function Advanced({ draft, change, batch, profiles, formats, grid }: { draft: Draft; change: (some: Partial<Draft>) => void; batch: boolean; profiles: string[]; formats: string[]; grid: number | undefined }) {
  const words = draft.way === "words";
  return (
    <div class="fields">
      {!words && <Segmented label={text.create.mode} value={draft.mode} choices={Object.entries(text.create.modes)} onChange={(mode) => change({ mode })} />}
      {!words && <Select label={text.create.background} value={draft.background} choices={Object.entries(text.create.backgrounds)} onChange={(background) => change({ background })} />}
      <Select label={text.create.texture} value={draft.texture} choices={Object.entries(text.create.textures)} onChange={(texture) => change({ texture })} />
      {draft.texture === "material" && <Select label={text.create.material} value={draft.material} choices={Object.entries(text.materials)} onChange={(material) => change({ material })} />}
      <div class="three">
        <NumberField label={text.create.width} unit="mm" min={1} max={1000} value={draft.width} onChange={(width) => change({ width })} />
        <NumberField label={text.create.height} unit="mm" min={1} max={1000} value={draft.height} onChange={(height) => change({ height })} />
        <NumberField label={text.create.depth} unit="mm" min={1} max={1000} value={draft.depth} onChange={(depth) => change({ depth })} />
      </div>
      <p class="hint">{text.create.boxHint}</p>
      <Segmented label={text.create.fit} value={draft.fit} choices={Object.entries(text.create.fits)} onChange={(fit) => change({ fit })} />
      <div class="two">
        <NumberField label={text.create.faces} min={100} max={2_000_000} step={2} value={draft.faces} placeholder={text.create.fromQuality} onChange={(faces) => change({ faces })} />
        <NumberField label={text.create.grid} min={16} max={512} step={1} value={draft.grid} placeholder={grid ? whole(grid) : text.create.fromQuality} onChange={(value) => change({ grid: value })} />
      </div>
      <Segmented label={text.create.up} value={draft.upAxis} choices={[["y", text.create.ups.y], ["z", text.create.ups.z]]} onChange={(upAxis) => change({ upAxis })} />
      <fieldset class="checks">
        <legend>{text.create.formats}</legend>
        {formats.map((format) => (
          <label key={format}>
            <input type="checkbox" checked={draft.formats.includes(format)} disabled={batch && !draft.formats.includes(format)} onChange={(event) => change({ formats: toggled(draft.formats, format, event.currentTarget.checked) })} />
            {format}
          </label>
        ))}
      </fieldset>
      {!batch && <Select label={text.create.profile} hint={text.create.profileHint} value={draft.profile} choices={profiles.map((name) => [name, (text.profiles as Record<string, string>)[name] ?? name])} onChange={(profile) => change({ profile })} />}
      {draft.engine === "hunyuan3d" && <NumberField label={text.create.seed} min={0} max={4_294_967_295} step={1} value={draft.seed} placeholder="0" onChange={(seed) => change({ seed })} />}
      {!batch && <Toggle label={text.create.closed} hint={text.create.closedHint} checked={draft.closed} onChange={(closed) => change({ closed })} />}
      <Toggle label={text.create.fresh} hint={text.create.freshHint} checked={draft.fresh} onChange={(fresh) => change({ fresh })} />
      {batch ? <Notice>{text.create.batchHint}</Notice> : <TextField label={text.create.tags} hint={text.create.tagsHint} value={draft.tags} maxLength={200} onChange={(tags) => change({ tags })} />}
    </div>
  );
}

/** At least one format stays. */
function toggled(formats: string[], format: string, wanted: boolean): string[] {
  const next = wanted ? [...formats, format] : formats.filter((one) => one !== format);
  return next.length ? next : formats;
}
