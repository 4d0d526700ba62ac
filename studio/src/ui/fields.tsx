import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  hint?: string;
  children: (id: string, hintId: string | undefined) => ComponentChildren;
}

/** A label, a control and a hint that belongs to it. */
export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, hint ? `${id}-hint` : undefined)}
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

export type Choice = readonly [value: string, label: string, disabled?: boolean];

export function Select({ label, hint, value, choices, onChange, disabled }: { label: string; hint?: string; value: string; choices: readonly Choice[]; onChange: (value: string) => void; disabled?: boolean }) {
  return (
    <Field label={label} hint={hint}>
      {(id, hintId) => (
        <select id={id} value={value} disabled={disabled} aria-describedby={hintId} onChange={(event) => onChange(event.currentTarget.value)}>
          {choices.map(([choice, name, off]) => <option key={choice} value={choice} disabled={off} selected={choice === value}>{name}</option>)}
        </select>
      )}
    </Field>
  );
}

export function NumberField({ label, hint, value, onChange, min, max, step, unit, placeholder }: { label: string; hint?: string; value: number | undefined; onChange: (value: number | undefined) => void; min?: number; max?: number; step?: number; unit?: string; placeholder?: string }) {
  return (
    <Field label={label} hint={hint}>
      {(id, hintId) => (
        <span class="with-unit">
          <input id={id} type="number" inputMode="decimal" min={min} max={max} step={step ?? "any"} value={value ?? ""} placeholder={placeholder} aria-describedby={hintId} onInput={(event) => onChange(event.currentTarget.value === "" ? undefined : event.currentTarget.valueAsNumber)} />
          {unit && <span class="unit" aria-hidden="true">{unit}</span>}
        </span>
      )}
    </Field>
  );
}

export function TextField({ label, hint, value, onChange, placeholder, maxLength, type = "text", autocomplete = "off" }: { label: string; hint?: string; value: string; onChange: (value: string) => void; placeholder?: string; maxLength?: number; type?: "text" | "search"; autocomplete?: "off" | "on" }) {
  return (
    <Field label={label} hint={hint}>
      {(id, hintId) => <input id={id} type={type as "search"} value={value} placeholder={placeholder} maxLength={maxLength} autocomplete={autocomplete} aria-describedby={hintId} onInput={(event) => onChange(event.currentTarget.value)} />}
    </Field>
  );
}

export function TextArea({ label, hint, value, onChange, rows = 4, placeholder, maxLength, code }: { label: string; hint?: string; value: string; onChange: (value: string) => void; rows?: number; placeholder?: string; maxLength?: number; code?: boolean }) {
  return (
    <Field label={label} hint={hint}>
      {(id, hintId) => <textarea id={id} class={code ? "code" : undefined} rows={rows} value={value} placeholder={placeholder} maxLength={maxLength} spellcheck={!code} aria-describedby={hintId} onInput={(event) => onChange(event.currentTarget.value)} />}
    </Field>
  );
}

export function Slider({ label, value, shown, onChange, min, max, step = 1 }: { label: string; value: number; shown: string; onChange: (value: number) => void; min: number; max: number; step?: number }) {
  const id = useId();
  return (
    <div class="field">
      <div class="field-head">
        <label for={id}>{label}</label>
        <output for={id}>{shown}</output>
      </div>
      <input id={id} type="range" min={min} max={max} step={step} value={value} aria-valuetext={shown} style={{ "--filled": `${((value - min) / (max - min)) * 100}%` }} onInput={(event) => onChange(event.currentTarget.valueAsNumber)} />
    </div>
  );
}

export function Toggle({ label, hint, checked, onChange, disabled }: { label: string; hint?: string; checked: boolean; onChange: (checked: boolean) => void; disabled?: boolean }) {
  const id = useId();
  return (
    <div class="toggle">
      <input id={id} type="checkbox" role="switch" checked={checked} disabled={disabled} aria-describedby={hint ? `${id}-hint` : undefined} onChange={(event) => onChange(event.currentTarget.checked)} />
      <div>
        <label for={id}>{label}</label>
        {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
      </div>
    </div>
  );
}

/** One of a few, all in sight. */
export function Segmented({ label, value, choices, onChange, hideLabel }: { label: string; value: string; choices: readonly Choice[]; onChange: (value: string) => void; hideLabel?: boolean }) {
  const id = useId();
  return (
    <fieldset class="segmented">
      <legend class={hideLabel ? "hidden" : undefined}>{label}</legend>
      <div class="segments">
        {choices.map(([choice, name, off]) => (
          <label key={choice}>
            <input type="radio" name={id} value={choice} checked={choice === value} disabled={off} onChange={() => onChange(choice)} />
            <span>{name}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
