/** All words of the studio. A translation is another file of the same shape. */
import en from "./en.json";

export const text = en;

/** A sentence with its values: `fill("{n} models", { n: 3 })`. */
export function fill(sentence: string, values: Record<string, string | number>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

const plural = new Intl.PluralRules("en");

/** The form of a sentence for a count; `{n}` in it is the count. */
export function counted(forms: { one: string; other: string }, n: number): string {
  return fill(plural.select(n) === "one" ? forms.one : forms.other, { n: whole(n) });
}

/** A word for a name of the API; the name itself, made readable, where there is none. */
export function word(table: Record<string, string>, name: string): string {
  return table[name] ?? name.replace(/[_.-]+/g, " ");
}

const numbers = new Intl.NumberFormat("en");
const oneDigit = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export const whole = (value: number): string => numbers.format(Math.round(value));
export const decimal = (value: number): string => oneDigit.format(value);
export const percent = (share: number): string => `${oneDigit.format(share * 100)} %`;
export const millimetres = (sides: readonly number[]): string => `${sides.map((side) => oneDigit.format(side)).join(" × ")} mm`;
export const moment = (time: string): string => dates.format(new Date(time));

export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (bytes >= 999.5 && power < units.length - 1) {
    bytes /= 1000;
    power += 1;
  }
  return `${bytes < 10 && power > 0 ? oneDigit.format(bytes) : whole(bytes)} ${units[power]}`;
}

export function duration(seconds: number): string {
  if (seconds < 0.95) return text.time.moment;
  if (seconds < 90) return fill(text.time.seconds, { n: seconds < 10 ? oneDigit.format(seconds) : whole(seconds) });
  if (seconds < 5400) return fill(text.time.minutes, { n: whole(seconds / 60) });
  return fill(text.time.hours, { n: oneDigit.format(seconds / 3600) });
}

export function ago(time: string): string {
  const seconds = (new Date(time).getTime() - Date.now()) / 1000;
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [[60, "second"], [3600, "minute"], [86400, "hour"], [2592000, "day"]];
  let divisor = 1;
  for (const [limit, unit] of steps) {
    if (Math.abs(seconds) < limit) return relative.format(Math.round(seconds / divisor), unit);
    divisor = limit;
  }
  return moment(time);
}
