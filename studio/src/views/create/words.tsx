/** A sentence, with examples of what is understood. */
import { useState } from "preact/hooks";
import { presets } from "../../api/server";
import { text } from "../../texts";
import { TextArea, Toggle, Select } from "../../ui/fields";
import { useLoaded } from "../../ui/hooks";
import { More, ProblemNotice, Skeleton } from "../../ui/parts";
import type { Draft } from "./draft";

export function Words({ draft, change }: { draft: Draft; change: (some: Partial<Draft>) => void }) {
  return (
    <div class="words">
      <TextArea label={text.create.prompt} hint={text.create.promptHint} value={draft.prompt} rows={4} maxLength={2000} placeholder={text.create.examples[0]} onChange={(prompt) => change({ prompt })} />
      <div class="chips" role="group" aria-label={text.create.examplesLabel}>
        {text.create.examples.map((example) => (
          <button key={example} type="button" class="chip" onClick={() => change({ prompt: example })}>{example}</button>
        ))}
      </div>
      <Toggle label={text.create.pictureFirst} hint={text.create.pictureFirstHint} checked={draft.pictureFirst} onChange={(pictureFirst) => change({ pictureFirst })} />
      {draft.pictureFirst && <Style value={draft.style} onChange={(style) => change({ style })} />}
      <More title={text.create.vocabulary}><Vocabulary onWord={(found) => change({ prompt: `${draft.prompt} ${found}`.trim() })} /></More>
    </div>
  );
}

function Style({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const { value: found } = useLoaded(presets, []);
  const choices = Object.entries(found?.styles ?? { realistic: "" }).map(([name, look]) => [name, `${name.replaceAll("_", " ")}${look ? ` (${look})` : ""}`] as const);
  return <Select label={text.create.style} value={value} choices={choices} onChange={onChange} />;
}

function Vocabulary({ onWord }: { onWord: (word: string) => void }) {
  const [opened, setOpened] = useState<string | null>(null);
  const { value, problem, reload } = useLoaded(presets, []);
  if (problem) return <ProblemNotice cause={problem} onRetry={reload} />;
  if (!value) return <Skeleton />;
  return (
    <>
      {Object.entries(value.vocabulary).map(([kind, known]) => (
        <div key={kind} class="vocabulary">
          <h2>{kind}</h2>
          <div class="chips">
            {known.slice(0, opened === kind ? undefined : 14).map((found) => <button key={found} type="button" class="chip" onClick={() => onWord(found)}>{found}</button>)}
            {known.length > 14 && opened !== kind && <button type="button" class="chip more-chip" onClick={() => setOpened(kind)}>{text.create.allWords}</button>}
          </div>
        </div>
      ))}
    </>
  );
}
